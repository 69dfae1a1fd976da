// Other people's texts: cut into blocks, read in bounds, given up when they take too long.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { blocksOf } from "../src/text/blocks.ts";
import { colourLines } from "../src/text/colour.ts";
import { colouredCharactersMax, columnsMax, gapsMax, keptCharactersMax, lineSpansMax, nestingMax, nodesMax, readingMs, restMs, screenLines, terminalCharactersMax } from "../src/text/limits.ts";
import { readMarkdown } from "../src/text/markdown.ts";
import { Reader } from "../src/text/reader.ts";
import { isForTerminal, readTerminal, withoutControls } from "../src/text/terminal.ts";
import type { Job, Span, Tree } from "../src/text/tree.ts";

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
    expect(blocksOf("before\n```\nopen\n\nstill open")).toEqual([{ kind: "markdown", text: "before", own: 6 }, { kind: "code", text: "open\n\nstill open", language: "" }]);
  });

  it("end a fence only with one of its kind and length, and leave one within a list where it is", () => {
    expect(blocksOf("````\n```\n````\nafter")).toEqual([{ kind: "code", text: "```", language: "" }, { kind: "markdown", text: "after", own: 5 }]);
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

  it("has notes: marked where they are referred to, in whatever block, and said where they stand", () => {
    const [first, second] = blocksOf("a claim[^1] here\n\nmore[^x y]\n\n[^1]: the *note*\n");
    expect(readMarkdown((first as { text: string }).text, (first as { own: number }).own)).toEqual([{ tag: "p", children: ["a claim", { tag: "sup", children: ["1"] }, " here"] }]);
    expect(textOf(readMarkdown((second as { text: string }).text, (second as { own: number }).own) as readonly Tree[])).toContain("[^x y]");
    const last = blocksOf("a[^1]\n\n[^1]: the *note*\n").at(-1) as { text: string; own: number };
    expect(readMarkdown(last.text, last.own)).toEqual([{ tag: "p", children: [{ tag: "sup", children: ["1"] }, " ", "the ", { tag: "em", children: ["note"] }] }]);
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
  const text = (text: string): Job => ({ kind: "markdown", text, own: text.length });
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
    const missing = vi.fn();
    const reader = new Reader(() => new SilentWorker() as unknown as Worker, missing);
    const first = reader.read(text("a"));
    workers[0]?.onerror?.({ preventDefault: () => undefined });
    expect(await first).toBeNull();
    expect(await reader.read(text("a"))).toBeNull();
    expect([workers.length, missing.mock.calls.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(restMs);
    const again = reader.read(text("a"));
    workers[1]?.begin();
    workers[1]?.answer(["a"]);
    expect(await again).toEqual(["a"]);
    workers[1]?.onerror?.({ preventDefault: () => undefined });
    expect(missing, "it was there").toHaveBeenCalledTimes(1);
  });
});

describe("what a program wrote for a terminal", () => {
  const e = "\u001b";
  const lines = (text: string) => (readTerminal(text) as Span[][]).map((line) => line.map(([, part]) => part).join(""));
  const marks = (text: string) => (readTerminal(text) as Span[][]).flat();

  it("has its colours and marks, and none of its sequences", () => {
    expect(marks(`${e}[31mFAIL${e}[0m one ${e}[1;4;92mgood${e}[22;24m${e}[39m plain`)).toEqual([["t-1", "FAIL"], [null, " one "], ["t-bold t-underline t-10", "good"], [null, " plain"]]);
    expect(marks(`${e}[38;5;208mo${e}[38;2;1;2;3mt${e}[38:2::4:5:6mc${e}[38:5:9mr${e}[mx`)).toEqual([["t-text:#ff8700", "o"], ["t-text:#010203", "t"], ["t-text:#040506", "c"], ["t-9", "r"], [null, "x"]]);
    expect(marks(`${e}[7mswapped${e}[27m`)).toEqual([["t-inverse", "swapped"]]);
    expect(marks(`${e}[4:3mcurly${e}[4:0m${e}[9mstruck`)).toEqual([["t-underline", "curly"], ["t-struck", "struck"]]);
  });

  it("can be read on a ground of its own, and hides nothing", () => {
    expect(marks(`${e}[37;41mx`)).toEqual([["t-on:#e5e5e5 t-ground:#cd0000", "x"]]);
    expect(marks(`${e}[31;41mx`)).toEqual([["t-on:#ffffff t-ground:#cd0000", "x"]]);
    expect(marks(`${e}[43mx`)).toEqual([["t-on:#000000 t-ground:#cdcd00", "x"]]);
    expect(marks(`${e}[8mx`)).toEqual([["t-dim", "x"]]);
  });

  it("stands as it was left: written over, taken back, erased", () => {
    expect(lines("one\r\ntwo\r\n")).toEqual(["one", "two", ""]);
    expect(lines("progress 10%\rprogress 100%\ndone")).toEqual(["progress 100%", "done"]);
    expect(lines("abcdef\rxy")).toEqual(["xycdef"]);
    expect(lines(`Downloading\r${e}[KDone`)).toEqual(["Done"]);
    expect(lines(`abcdef\b\b${e}[K!`)).toEqual(["abcd!"]);
    expect(lines(`abc${e}[1Kd`)).toEqual(["   d"]);
    expect(lines(`abc${e}[2Kd`)).toEqual(["   d"]);
    expect(lines("ab\b\b\b\bX")).toEqual(["Xb"]);
    expect(marks(`${e}[31mred\r${e}[32mg`)).toEqual([["t-2", "g"], ["t-1", "ed"]]);
    expect(lines("1\ud83d\ude00\b2")).toEqual(["12"]);
  });

  it("shows several lines as a terminal does at the end, also where a program goes back to them", () => {
    // Three builds that report in place.
    expect(lines(`a 10%\nb 10%\nc 10%\n${e}[3A${e}[2Ka done\n${e}[2Kb 55%\n${e}[2Kc 20%\n${e}[2A${e}[2Kb done\n${e}[1B`)).toEqual(["a done", "b done", "c 20%", ""]);
    // A list that is drawn anew, shorter.
    expect(lines(`one\ntwo\nthree\n${e}[3A${e}[Jdone\n`)).toEqual(["done", ""]);
    expect(lines(`one\ntwo\n${e}[1Fx${e}[1Ey`)).toEqual(["one", "xwo", "y"]);
    // What watches something, frame by frame.
    expect(lines(`${e}[H${e}[2J${e}[3Jfirst frame\nmore\n${e}[H${e}[Jsecond`)).toEqual(["second"]);
    expect(lines(`${e}[2;3Hx${e}[1;1fy${e}[3dz`)).toEqual(["y", "  x", " z"]);
    expect(lines(`ab${e}[4Cc${e}[3Gd${e}[2De`)).toEqual(["aed   c"]);
    expect(lines(`one\n${e}7two${e}[A${e}[9D!${e}8T${e}[s\n\n${e}[uW`)).toEqual(["!ne", "TWo"]);
    expect(lines(`one\ntwo${e}[1J!`)).toEqual(["", "   !"]);
    expect(marks(`${e}[31mred\n${e}[32mgreen${e}[A${e}[D!`)).toEqual([["t-1", "red"], [null, " "], ["t-2", "!"], ["t-2", "green"]]);
  });

  it("goes no further up or down than its screen, nor to the right without writing", () => {
    const numbers = Array.from({ length: screenLines + 20 }, (_, i) => `line ${i}`);
    const text = numbers.join("\n");
    expect(lines(`${text}${e}[999A${e}[1G>`)).toEqual(numbers.map((line, i) => (i === 20 ? `>${line.slice(1)}` : line)));
    expect(lines(`${text}${e}[H${e}[2Jnew`), "what has left it above stays").toEqual([...numbers.slice(0, 20), "new"]);
    expect(lines(`a${e}[999Bb`)).toEqual(["a", ...Array.from({ length: screenLines - 2 }, () => ""), " b"]);
    expect(lines(`a${e}[999999999999Cb`)).toEqual([`a${" ".repeat(columnsMax - 2)}b`]);
    const wide = "x".repeat(2 * columnsMax);
    expect(lines(`${wide}${e}[A!`), "a column that only writing has come to").toEqual([`${wide.slice(0, columnsMax - 1)}!${wide.slice(columnsMax)}`]);
    expect(lines(`${wide}${e}[5C!`)).toEqual([`${wide}!`]);
  });

  it("is what a plain model of a terminal has, whatever a program does", () => {
    const random = seeded(11);
    const below = (count: number) => Math.floor(random() * count);
    for (let round = 0; round < 1_500; round += 1) {
      const model = new PlainTerminal();
      let text = "";
      for (let step = below(80); step > 0; step -= 1) {
        const numbers = [0, 1, 1, 2, 3, 7, screenLines - 1, screenLines + 5, columnsMax + 5];
        const [n, m] = [numbers[below(numbers.length)] as number, numbers[below(numbers.length)] as number];
        const said = n === 0 && below(2) === 0 ? "" : String(n);
        const kind = below(24);
        if (kind < 8) {
          const word = ["a", "bc", "\u{1f600}x", "word ", " "][below(5)] as string;
          model.write(word);
          text += word;
        } else if (kind < 11) {
          const many = kind === 10 && below(8) === 0 ? screenLines + 3 : 1;
          for (let i = 0; i < many; i += 1) model.next();
          text += "\n".repeat(many);
        } else if (kind < 14) {
          const final = ["A", "B", "C", "D", "E", "F", "G", "d"][below(8)] as string;
          model.move(final, n || 1, 1);
          text += `${e}[${said}${final}`;
        } else if (kind < 16) {
          model.move("H", n || 1, m || 1);
          text += `${e}[${said};${m}${below(2) === 0 ? "H" : "f"}`;
        } else if (kind < 18) {
          const which = below(4);
          model.erase(which);
          text += `${e}[${which === 0 && below(2) === 0 ? "" : which}J`;
        } else if (kind < 20) {
          const which = below(3);
          model.eraseLine(which);
          text += `${e}[${which === 0 && below(2) === 0 ? "" : which}K`;
        } else if (kind === 20) {
          const [save, restore] = below(2) === 0 ? [`${e}7`, `${e}8`] : [`${e}[s`, `${e}[u`];
          const saves = below(2) === 0;
          if (saves) model.save();
          else model.restore();
          text += saves ? save : restore;
        } else if (kind === 21) {
          model.move("G", 1, 1);
          text += "\r";
        } else if (kind === 22) {
          model.move("D", 1, 1);
          text += "\b";
        } else {
          const colour = below(8);
          model.mark = `t-${colour}`;
          text += `${e}[3${colour}m`;
        }
      }
      // A line end behind a carriage return is one line end, wherever it came from.
      if (/\r\n/.test(text)) continue;
      const read = (readTerminal(text) as Span[][]).map((line) => line.flatMap(([mark, part]) => Array.from(part, (character): [string | null, string] => [mark, character])));
      expect(shown(read), JSON.stringify(text)).toEqual(shown(model.end()));
    }
  });

  it("names and links nothing, and leaves out what it does not know", () => {
    // Of what moves, all that a terminal does is done: it was left out before, when lines further up could not be changed.
    expect(lines(`a${e}[?25l${e}[?2J${e}[>4;1m${e}(B${e}=${e}[1;5r${e}[2 qb${e}[5:2Ac`)).toEqual(["abc"]);
    expect(lines(`${e}]0;title\u0007a${e}]8;;https://elsewhere.test/${e}\\link${e}]8;;${e}\\ b${e}P1$r${e}\\c\u009b31md\u009d0;x\u0007e`)).toEqual(["alink bcde"]);
    expect(lines("a\u0000b\u0007c\u007fd\u0085e\tf")).toEqual(["abcde\tf"]);
  });

  it("loses nothing behind a sequence that never ends", () => {
    expect(lines(`a${e}]0;no end and more`)).toEqual(["a]0;no end and more"]);
    expect(lines(`a${e}[`)).toEqual(["a["]);
    expect(lines(`a${e}`)).toEqual(["a"]);
  });

  it("is the same text without looks, where nothing moves", () => {
    const random = seeded(7);
    const pieces = ["a", "\u00e4", "\ud83d\ude00", "\n", "\t", " ", `${e}[31m`, `${e}[0m`, `${e}[38;5;1m`, `${e}[38;2;1m`, `${e}[9999;;m`, `${e}[?1A`, `${e}]0;t\u0007`, e, "[", "m"];
    for (let round = 0; round < 500; round += 1) {
      const text = Array.from({ length: Math.floor(random() * 40) }, () => pieces[Math.floor(random() * pieces.length)]).join("");
      expect(lines(text).join("\n")).toBe(withoutControls(text));
      expect(isForTerminal(lines(text).join("\n"))).toBe(false);
    }
  });

  it("costs no more than its length, and has bounds", () => {
    const began = performance.now();
    for (const text of [`${e}]`.repeat(400_000), `${e}[`.repeat(400_000), `${e}[1;`.repeat(300_000), "a\r".repeat(500_000), "\b".repeat(900_000), `${e}[31ma`.repeat(200_000), `a\r${e}[K`.repeat(200_000)]) readTerminal(text);
    const half = "x".repeat(1_000_000);
    const screens = [
      half + `${e}[1K`.repeat(200_000), half + `${e}7\rx${e}8${e}[1K`.repeat(80_000), half + `${e}[A${e}[B`.repeat(120_000), half + `\b\b${e}[Kx`.repeat(150_000), `${e}[999Cx\n`.repeat(200_000), `${e}[99Bx${e}[99A`.repeat(120_000),
      `x${e}[2J`.repeat(300_000), `${e}[99;999Hx${e}[1J`.repeat(110_000), `${e}[500Gx${e}[1K\r`.repeat(120_000), "\n".repeat(terminalCharactersMax), `a\n${e}[A`.repeat(300_000),
    ];
    for (const text of screens) {
      const read = readTerminal(text) as Span[][];
      expect(read.reduce((sum, line) => sum + line.reduce((all, [, part]) => all + part.length, 0), 0)).toBeLessThanOrEqual(terminalCharactersMax + gapsMax);
    }
    expect(performance.now() - began).toBeLessThan(60_000);
    const [line] = readTerminal(Array.from({ length: 2 * lineSpansMax }, (_, i) => `${e}[3${i % 7}mx`).join("")) as Span[][];
    expect([line?.length, line?.map(([, part]) => part).join("").length]).toEqual([lineSpansMax + 1, 2 * lineSpansMax]);
    expect(readTerminal("x".repeat(terminalCharactersMax + 1))).toBeNull();
  });
});

/** What is seen: without spaces at the ends of lines, which nobody sees. */
function shown(lines: readonly (readonly (readonly [string | null, string])[])[]): unknown {
  return lines.map((line) => {
    let end = line.length;
    while (end > 0 && line[end - 1]?.[1] === " ") end -= 1;
    return line.slice(0, end).map(([mark, character]) => (character === " " ? " " : `${character}${mark ?? ""}`));
  });
}

/** A terminal whose every cell is set by itself. */
class PlainTerminal {
  mark: string | null = null;
  #all: [string | null, string][][] = [[]];
  #top = 0;
  #row = 0;
  #column = 0;
  #saved: [number, number] = [0, 0];

  #line(): [string | null, string][] {
    while (this.#all.length <= this.#top + this.#row) this.#all.push([]);
    return this.#all[this.#top + this.#row] as [string | null, string][];
  }

  write(text: string): void {
    for (const character of text) {
      const line = this.#line();
      while (line.length < this.#column) line.push([null, " "]);
      line[this.#column++] = [this.mark, character];
    }
  }

  next(): void {
    this.#column = 0;
    if (this.#row < screenLines - 1) this.#row += 1;
    else this.#top += 1;
    this.#line();
  }

  move(final: string, n: number, m: number): void {
    const column = (to: number) => (this.#column = Math.max(0, Math.min(to, columnsMax - 1)));
    const row = (to: number) => {
      this.#row = Math.max(0, Math.min(to, screenLines - 1));
      column(this.#column);
    };
    if (final === "A") row(this.#row - n);
    if (final === "B") row(this.#row + n);
    if (final === "C" && this.#column < columnsMax) column(this.#column + n);
    if (final === "D") this.#column = Math.max(0, this.#column - n);
    if (final === "E" || final === "F") {
      row(this.#row + (final === "E" ? n : -n));
      column(0);
    }
    if (final === "G") column(n - 1);
    if (final === "d") row(n - 1);
    if (final === "H") {
      row(n - 1);
      column(m - 1);
    }
  }

  eraseLine(which: number): void {
    const line = this.#line();
    line.forEach((_, i) => (which === 2 || (which === 0 ? i >= this.#column : i <= this.#column)) && (line[i] = [null, " "]));
  }

  erase(which: number): void {
    if (which === 3) return;
    this.eraseLine(which);
    this.#all.forEach((line, at) => {
      const row = at - this.#top;
      if (row >= 0 && row !== this.#row && (which === 2 || (which === 0 ? row > this.#row : row < this.#row))) line.length = 0;
    });
  }

  save(): void {
    this.#saved = [this.#row, this.#column];
  }

  restore(): void {
    this.move("H", this.#saved[0] + 1, this.#saved[1] + 1);
  }

  end(): readonly (readonly [string | null, string])[][] {
    this.#line();
    let last = this.#all.length - 1;
    while (last > this.#top + this.#row && this.#all[last]?.every(([mark, character]) => mark === null && character === " ") === true) last -= 1;
    return this.#all.slice(0, last + 1);
  }
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
