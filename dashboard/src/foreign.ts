// Others change the page too: a browser's translator puts <font> elements in the place of texts, extensions wrap, move and remove. React
// finds its nodes gone and would throw everything away, or write into texts that nobody sees any more. So what stands in the place of
// a node is known here, and is what React's orders for that node are carried out on.

/** What somebody put in the place of a node of ours. */
const standIns = new WeakMap<Node, ChildNode>();

/** The child of `parent` that is this node, has it inside, or stands for it. */
function placeIn(parent: Node, node: Node): ChildNode | null {
  let at: Node | null = node;
  if (!parent.contains(node)) at = standIns.get(node) ?? null;
  while (at !== null && at.parentNode !== parent) at = at.parentNode;
  return at as ChildNode | null;
}

/** A text of ours that was replaced is written anew: it takes its place back, for the translator to translate again. */
const rewritten = new MutationObserver((records) => {
  for (const { target } of records) {
    const standIn = standIns.get(target);
    if (standIn === undefined || target.isConnected) continue;
    standIns.delete(target);
    if (standIn.isConnected) standIn.replaceWith(target);
  }
});

const replaced = new MutationObserver((records) => {
  const added = new Set(records.flatMap((record) => [...record.addedNodes]));
  for (const { removedNodes, addedNodes, previousSibling, nextSibling } of records) {
    for (const node of removedNodes) {
      if (node.isConnected) continue;
      const standIn = [addedNodes[0], previousSibling, nextSibling].find((other) => other != null && added.has(other) && other.isConnected);
      if (standIn === undefined) continue;
      standIns.set(node, standIn as ChildNode);
      if (node instanceof Text) rewritten.observe(node, { characterData: true });
    }
  }
});

/** From now on, in this page. */
export function surviveForeignChanges(root: Node): void {
  replaced.observe(root, { childList: true, subtree: true });
  const { removeChild, insertBefore, appendChild } = Node.prototype;
  Node.prototype.removeChild = function <T extends Node>(this: Node, child: T): T {
    if (child.parentNode === this) return removeChild.call(this, child) as T;
    if (this.contains(child)) child.parentNode?.removeChild(child);
    else {
      const place = placeIn(this, child);
      if (place !== null) removeChild.call(this, place);
    }
    return child;
  };
  const forgetStandIn = (node: Node) => {
    const standIn = standIns.get(node);
    if (standIn === undefined || node.isConnected) return;
    standIns.delete(node);
    standIn.remove();
  };
  Node.prototype.insertBefore = function <T extends Node>(this: Node, node: T, before: Node | null): T {
    forgetStandIn(node);
    return insertBefore.call(this, node, before === null || before.parentNode === this ? before : placeIn(this, before)) as T;
  };
  Node.prototype.appendChild = function <T extends Node>(this: Node, node: T): T {
    forgetStandIn(node);
    return appendChild.call(this, node) as T;
  };
}
