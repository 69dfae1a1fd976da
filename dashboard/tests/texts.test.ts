// Other people's texts: cut into blocks, read in bounds, given up when they take too long.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { blocksOf } from "../src/text/blocks.ts";
import { colourLines } from "../src/text/colour.ts";
import { colouredCharactersMax, keptCharactersMax, nestingMax, nodesMax, readingMs, restMs } from "../src/text/limits.ts";
import { readMarkdown } from "../src/text/markdown.ts";
import { Reader } from "../src/text/reader.ts";
import type { Job, Tree } from "../src/text/tree.ts";

const depthOf = (nodes: readonly Tree[]): number => Math.max(0, ...nodes.map((node) => (typeof node === "string" ? 0 : 1 + depthOf(node.children))));
const textOf = (nodes: readonly Tree[]): string => nodes.map((node) => (typeof node === "string" ? node : textOf(node.children))).join("");
const one = (text: string) => (readMarkdown(text) as readonly Tree[])[0];

describe("blocks", () => {
  it("lose nothing, and do not cut lists", () => {
    const blocks = blocksOf("one\n\n```js\na\n\nb\n```\n\ntwo\n\n- x\n\n- y\n\nthree");
    expect(blocks.map(({ kind }) => kind)).toEqual(["markdown", "code", "markdown", "markdown"]);
    expect(blocks[1]).toEqual({ kind: "code", text: "a\n\nb", language: "js" });
    expect(blocks.some(({ text }) => text.includes("- x") && text.includes("- y"))).toBe(true);
  });

  it("take a fence that is still open as code to the end", () => {
    expect(blocksOf("before\n```\nopen\n\nstill open")).toEqual([{ kind: "markdown", text: "before" }, { kind: "code", text: "open\n\nstill open", language: "" }]);
  });

  it("end a fence only with one of its kind and length, and leave one within a list where it is", () => {
    expect(blocksOf("````\n```\n````\nafter")).toEqual([{ kind: "code", text: "```", language: "" }, { kind: "markdown", text: "after" }]);
    expect(blocksOf("- item\n  ```\n  x\n\n  y\n  ```\n- next")).toHaveLength(1);
  });

  it("know links that are defined in another block", () => {
    const [first] = blocksOf("see [the page][p]\n\nand more\n\n[p]: https://relay.example/p");
    expect(JSON.stringify(readMarkdown((first as { text: string }).text))).toContain('"href":"https://relay.example/p"');
  });
});

describe("markdown", () => {
  it("becomes elements that the page knows, and nothing else", () => {
    expect(readMarkdown("# Head\n\na *b* **c** `d` ~~e~~\n\n1. x\n2. y\n\n- [x] done\n\n| a | b |\n|---|--:|\n| 1 | 2 |")).toEqual([
      { tag: "h3", children: ["Head"] },
      { tag: "p", children: ["a ", { tag: "em", children: ["b"] }, " ", { tag: "strong", children: ["c"] }, " ", { tag: "code", children: ["d"] }, " ", { tag: "del", children: ["e"] }] },
      { tag: "ol", start: 1, children: [{ tag: "li", children: ["x"] }, { tag: "li", children: ["y"] }] },
      { tag: "ul", children: [{ tag: "li", done: true, children: ["done"] }] },
      {
        tag: "table",
        children: [
          { tag: "thead", children: [{ tag: "tr", children: [{ tag: "th", children: ["a"] }, { tag: "th", align: "right", children: ["b"] }] }] },
          { tag: "tbody", children: [{ tag: "tr", children: [{ tag: "td", children: ["1"] }, { tag: "td", align: "right", children: ["2"] }] }] },
        ],
      },
    ]);
  });

  it("leads to the web and to mail, never to a script or into this page", () => {
    expect(one("[a](https://relay.example/)")).toEqual({ tag: "p", children: [{ tag: "a", href: "https://relay.example/", children: ["a"] }] });
    for (const address of ["javascript:alert(1)", "data:text/html,x", "/settings", "src/a.ts"]) expect(one(`[a](${address})`)).toEqual({ tag: "p", children: ["a"] });
  });

  it("is shown as it is where it is nested too deep to be read", () => {
    for (const text of [`${">".repeat(3_000)} x`, `${"> ".repeat(500)}x`, `${"- ".repeat(400)}x`, Array.from({ length: 400 }, (_, i) => `${"  ".repeat(i)}- x`).join("\n")]) {
      expect(readMarkdown(text)).toBeNull();
    }
  });

  it("ends at a depth, with what is below as it was written", () => {
    const text = `${"**a *b ".repeat(60)}c${"* **".repeat(60)}`;
    const tree = readMarkdown(text) as readonly Tree[];
    expect(depthOf(tree)).toBeLessThanOrEqual(nestingMax + 1);
    expect(textOf(tree)).toContain("c");
  });

  it("ends at a size", () => {
    expect(readMarkdown("a\n\n".repeat(nodesMax / 2 + 1))).toBeNull();
  });
});

describe("colours", () => {
  it("are given line by line, with a comment that goes over several", () => {
    const lines = colourLines("/* a\nb */\nlet x = 1;", "js", false);
    expect(lines?.map((line) => line.map(([, text]) => text).join(""))).toEqual(["/* a", "b */", "let x = 1;"]);
    expect(lines?.[1]).toEqual([["hljs-comment", "b */"]]);
    expect(colourLines("/* a\nb", "js", true)?.[1]).toEqual([[null, "b"]]);
  });

  it("are not given for a language nobody knows, nor without end", () => {
    expect(colourLines("x", "klingon", false)).toBeNull();
    expect(colourLines("x".repeat(colouredCharactersMax + 1), "js", false)).toBeNull();
  });
});

describe("the reader", () => {
  const workers: SilentWorker[] = [];
  class SilentWorker {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onerror: ((event: { preventDefault(): void }) => void) | null = null;
    jobs: Job[] = [];
    ended = false;
    constructor() {
      workers.push(this);
    }
    postMessage(job: Job): void {
      this.jobs.push(job);
    }
    terminate(): void {
      this.ended = true;
    }
    begin(): void {
      this.onmessage?.({ data: { ready: true } });
    }
    answer(result: unknown): void {
      this.onmessage?.({ data: { result } });
    }
  }
  const fresh = () => new Reader(() => new SilentWorker() as unknown as Worker);
  const text = (text: string): Job => ({ kind: "markdown", text });
  beforeEach(() => {
    workers.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => void vi.useRealTimers());

  it("gives up a text that takes too long, with its worker, remembers that, and reads on with another", async () => {
    const reader = fresh();
    const slow = reader.read(text("slow"));
    const next = reader.read(text("next"));
    await vi.advanceTimersByTimeAsync(10 * readingMs);
    expect(workers[0]?.jobs, "what it takes to begin is not the text's fault").toEqual([]);
    workers[0]?.begin();
    expect(workers[0]?.jobs).toEqual([text("slow")]);
    await vi.advanceTimersByTimeAsync(readingMs);
    expect(await slow).toBeNull();
    expect(workers[0]?.ended).toBe(true);
    expect(reader.kept(text("slow"))).toBeNull();
    workers[1]?.begin();
    workers[1]?.answer(["read"]);
    expect(await next).toEqual(["read"]);
    expect(await reader.read(text("slow"))).toBeNull();
    expect(workers[1]?.jobs).toEqual([text("next")]);
  });

  it("reads the newest first, and a text that two ask for once", async () => {
    const reader = fresh();
    const results = ["a", "b", "c", "c"].map((word) => reader.read(text(word)));
    workers[0]?.begin();
    for (const word of ["a", "c", "b"]) {
      expect(workers[0]?.jobs.at(-1)).toEqual(text(word));
      workers[0]?.answer([word]);
    }
    expect(await Promise.all(results)).toEqual([["a"], ["b"], ["c"], ["c"]]);
  });

  it("keeps no long text", async () => {
    const reader = fresh();
    const long = text("x".repeat(keptCharactersMax + 1));
    const result = reader.read(long);
    workers[0]?.begin();
    workers[0]?.answer(["x"]);
    await result;
    expect(reader.kept(long)).toBeUndefined();
  });

  it("leaves texts as they are while its program cannot be fetched, and tries again later", async () => {
    const reader = fresh();
    const first = reader.read(text("a"));
    workers[0]?.onerror?.({ preventDefault: () => undefined });
    expect(await first).toBeNull();
    expect(await reader.read(text("a"))).toBeNull();
    expect(workers).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(restMs);
    const again = reader.read(text("a"));
    workers[1]?.begin();
    workers[1]?.answer(["a"]);
    expect(await again).toEqual(["a"]);
  });
});
