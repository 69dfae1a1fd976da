// From a block of markdown to a tree that the page draws. Bounded in nesting and size; time is bounded by who waits for it.
import type { Node, Nodes, Parents } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { nestingMax, nodesMax } from "./limits.ts";
import type { Element, Tag, Tree } from "./tree.ts";

const extensions = { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] };

class TooMuch extends Error {}

/** Null: the text is to be shown as it is. `own`: what stands behind that is only there to be referred to. */
export function readMarkdown(text: string, own = text.length): readonly Tree[] | null {
  if (text.split("\n").some((line) => containersOf(line) > nestingMax)) return null;
  try {
    return new Reading(text, own).read();
  } catch (error) {
    if (error instanceof TooMuch || error instanceof RangeError) return null;
    throw error;
  }
}

/** How many quotes and lists a line can be in. The parser's time grows with the square of it. */
function containersOf(line: string): number {
  const begins = /^[ \t]*/.exec(line)?.[0].length ?? 0;
  let count = 0;
  for (let i = begins; i < line.length; i += 1) {
    const c = line[i] as string;
    if (c === ">" || ((c === "-" || c === "*" || c === "+") && /[ \t]/.test(line[i + 1] ?? ""))) count += 1;
    else if (c !== " " && c !== "\t") break;
  }
  // A list in a list is indented by two or more.
  return count === 0 ? 0 : count + Math.floor(begins / 2);
}

/** Where a link may lead. All else is shown as words. */
function addressOf(url: string): string | undefined {
  return /^(https?:\/\/|mailto:)/i.test(url) ? url : undefined;
}

class Reading {
  #text: string;
  #own: number;
  #left = nodesMax;
  #definitions = new Map<string, string>();

  constructor(text: string, own: number) {
    this.#text = text;
    this.#own = own;
  }

  read(): readonly Tree[] {
    const root = fromMarkdown(this.#text, extensions);
    for (const node of root.children) if (node.type === "definition") this.#definitions.set(node.identifier, node.url);
    return root.children.filter((node) => (node.position?.start.offset ?? 0) < this.#own).flatMap((node) => this.#one(node, 1));
  }

  #source(node: Node): string {
    const { position } = node;
    return position === undefined ? "" : this.#text.slice(position.start.offset, position.end.offset);
  }

  #all(node: Parents, depth: number): Tree[] {
    return node.children.flatMap((child) => this.#one(child, depth + 1));
  }

  #element(tag: Tag, node: Parents, depth: number, more: Partial<Element> = {}): Element[] {
    return [{ tag, children: this.#all(node, depth), ...more }];
  }

  #one(node: Nodes, depth: number): Tree[] {
    this.#left -= 1;
    if (this.#left < 0) throw new TooMuch();
    if (depth > nestingMax) return [this.#source(node)];
    switch (node.type) {
      case "text":
      case "html":
        return [node.value];
      case "paragraph":
        return this.#element("p", node, depth);
      case "heading":
        return this.#element(node.depth < 3 ? "h3" : "h4", node, depth);
      case "emphasis":
        return this.#element("em", node, depth);
      case "strong":
        return this.#element("strong", node, depth);
      case "delete":
        return this.#element("del", node, depth);
      case "inlineCode":
        return [{ tag: "code", children: [node.value] }];
      case "code":
        return [{ tag: "pre", children: [node.value], language: /^[\w+-]+/.exec(node.lang ?? "")?.[0] ?? "" }];
      case "blockquote":
        return this.#element("blockquote", node, depth);
      case "list":
        return this.#element(node.ordered === true ? "ol" : "ul", node, depth, typeof node.start === "number" ? { start: node.start } : {});
      case "listItem": {
        const [only] = node.children;
        const tight = node.spread !== true && only?.type === "paragraph" && node.children.filter((child) => child.type === "paragraph").length === 1;
        const children = tight ? [...this.#all(only, depth), ...node.children.slice(1).flatMap((child) => this.#one(child, depth + 1))] : this.#all(node, depth);
        return [{ tag: "li", children, ...(typeof node.checked === "boolean" ? { done: node.checked } : {}) }];
      }
      case "thematicBreak":
        return [{ tag: "hr", children: [] }];
      case "break":
        return [{ tag: "br", children: [] }];
      case "link":
        return this.#link(addressOf(node.url), this.#all(node, depth));
      case "linkReference":
        return this.#link(addressOf(this.#definitions.get(node.identifier) ?? ""), this.#all(node, depth));
      // An image would tell its host who reads this; the page's policy forbids it as well.
      case "image":
        return this.#link(addressOf(node.url), [imageWord(node.alt)]);
      case "imageReference":
        return this.#link(addressOf(this.#definitions.get(node.identifier) ?? ""), [imageWord(node.alt)]);
      case "table": {
        const aligned = (index: number) => node.align?.[index] ?? null;
        const row = (of: (typeof node.children)[number], tag: "th" | "td"): Element => ({
          tag: "tr",
          children: of.children.map((cell, i): Element => {
            this.#left -= 1;
            const align = aligned(i);
            return { tag, children: this.#all(cell, depth + 3), ...(align === null ? {} : { align }) };
          }),
        });
        const [head, ...rows] = node.children;
        const parts: Element[] = head === undefined ? [] : [{ tag: "thead", children: [row(head, "th")] }];
        if (rows.length > 0) parts.push({ tag: "tbody", children: rows.map((of) => row(of, "td")) });
        return [{ tag: "table", children: parts }];
      }
      case "definition":
        return [];
      case "footnoteReference":
        return [{ tag: "sup", children: [node.label ?? node.identifier] }];
      case "footnoteDefinition": {
        const [first, ...rest] = node.children;
        const mark: Element = { tag: "sup", children: [node.label ?? node.identifier] };
        const begin: Element = { tag: "p", children: [mark, " ", ...(first?.type === "paragraph" ? this.#all(first, depth) : [])] };
        return [begin, ...(first?.type === "paragraph" ? rest : node.children).flatMap((child) => this.#one(child, depth + 1))];
      }
      default:
        // What else there may be: as it was written.
        return [this.#source(node)];
    }
  }

  #link(href: string | undefined, children: Tree[]): Tree[] {
    return href === undefined ? children : [{ tag: "a", href, children }];
  }
}

function imageWord(alt: string | null | undefined): string {
  return alt === null || alt === undefined || alt === "" ? "image" : `image: ${alt}`;
}
