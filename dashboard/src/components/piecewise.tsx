// What is long is made piece by piece, as it comes near the view, and unmade when it is far from it again.
import { type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";

const near = "1000px 0px";
type Watcher = (near: boolean, height: number) => void;
const watchers = new WeakMap<Element, Watcher>();
let observer: IntersectionObserver | null = null;

/** Tells when an element comes near the view, and when it leaves it. */
function watch(element: Element, watcher: Watcher): () => void {
  // scrollMargin: for boxes that scroll within the page; browsers that do not know it come to those pieces a little later.
  const options: IntersectionObserverInit & { scrollMargin?: string } = { rootMargin: near, scrollMargin: near };
  observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, boundingClientRect } of entries) watchers.get(target)?.(isIntersecting, boundingClientRect.height);
  }, options);
  watchers.set(element, watcher);
  observer.observe(element);
  return () => {
    watchers.delete(element);
    observer?.unobserve(element);
  };
}

/** Whether an element is near the view, or was. */
export function useNear<E extends Element>(): readonly [React.RefObject<E | null>, boolean] {
  const ref = useRef<E>(null);
  const [came, setCame] = useState(false);
  useEffect(() => {
    if (came || ref.current === null) return;
    return watch(ref.current, (isNear) => isNear && setCame(true));
  }, [came]);
  return [ref, came];
}

function Piece({ first, height, children }: { first: boolean; height: number; children: () => ReactNode }): ReactElement {
  const ref = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState(first);
  const tall = useRef(height);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    return watch(element, (isNear, now) => {
      if (isNear) return setShown(true);
      // What somebody is selecting stays.
      const selection = document.getSelection();
      if (selection !== null && !selection.isCollapsed && selection.containsNode(element, true)) return;
      if (now > 0) tall.current = now;
      setShown(false);
    });
  }, []);
  return (
    <div ref={ref} className="piece" {...(shown ? {} : { style: { height: tall.current } })}>
      {shown && children()}
    </div>
  );
}

/** `height`: of a piece that was not made yet, as good as it can be known. The first piece is made at once. */
export function Pieces({ count, height, children }: { count: number; height: (index: number) => number; children: (index: number) => ReactNode }): ReactElement {
  return (
    <>
      {Array.from({ length: count }, (_, i) => (
        <Piece key={i} first={i === 0} height={height(i)}>
          {() => children(i)}
        </Piece>
      ))}
    </>
  );
}
