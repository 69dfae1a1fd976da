// What a program wrote for a terminal, as the lines that one shows at the end: colours and marks of the text, what was written over, erased
// or taken back, also some lines further up. All other control sequences are left out: nothing of the page moves, is named or is linked by them.
import { columnsMax, gapsMax, lineSpansMax, screenLines, spansMax, terminalCharactersMax } from "./limits.ts";
import type { Span } from "./tree.ts";

const escape = "\\u001b";
/**
 * ECMA-48: control sequences (`ESC [`, parameters, what stands between, final byte), strings (`ESC ]` and the like, up to BEL or `ESC \`),
 * DECSC and DECRC (`ESC 7`, `ESC 8`), other escapes, single controls. Each alternative ends at the next escape, so that the whole takes
 * linear time.
 */
const sequences = new RegExp(
  `${escape}\\[([0-?]*)([ -/]*)([@-~])|${escape}[\\]PX^_][^\\u0007\\u001b]*(?:\\u0007|${escape}\\\\)|${escape}([78])|${escape}[ -/]*[0-Z\\\\^-~]|([\\r\\b])|[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]`,
  "g",
);
const anyControl = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** Whether a text says more to a terminal than its characters. */
export function isForTerminal(text: string): boolean {
  return anyControl.test(text);
}

/** The text alone, where it is not read as a terminal would: too long, or not yet. */
export function withoutControls(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(sequences, (found) => (found === "\r" ? "\n" : ""));
}

/** Null where it is too long. */
export function readTerminal(text: string): Span[][] | null {
  if (text.length > terminalCharactersMax) return null;
  const screen = new Screen();
  // The same controls as single characters.
  const said = text.replace(/\r\n/g, "\n").replace(/\u009b/g, "\u001b[").replace(/\u009d/g, "\u001b]");
  let at = 0;
  for (const { 0: found, 1: parameters, 2: between, 3: final, 4: single, 5: control, index } of said.matchAll(sequences)) {
    screen.write(said.slice(at, index));
    at = index + found.length;
    if (final !== undefined && between === "") screen.control(final, parameters as string);
    else if (single === "7") screen.save();
    else if (single === "8") screen.restore();
    else if (control === "\r") screen.toColumn(0);
    else if (control === "\b") screen.right(-1);
  }
  screen.write(said.slice(at));
  return screen.end();
}

/** A terminal of so many lines that are never wrapped. What leaves it above stays as it is. */
class Screen {
  /** What left it. */
  #above: Span[][] = [];
  #spans = 0;
  /** Spaces that may still be set where a program wrote nothing. */
  #gaps = gapsMax;
  #lines: Line[] = [new Line()];
  #pen = new Pen();
  #row = 0;
  /** Null: behind the end of its line. */
  #column: number | null = null;
  #saved: { readonly row: number; readonly column: number } = { row: 0, column: 0 };

  write(text: string): void {
    text.split("\n").forEach((part, i) => {
      if (i > 0) this.#next();
      if (part !== "") this.#put(part);
    });
  }

  #put(text: string): void {
    const mark = this.#spans < spansMax ? this.#pen.mark : null;
    const line = this.#line();
    if (this.#column !== null && this.#column > line.length) {
      const gap = Math.min(this.#gaps, this.#column - line.length);
      this.#gaps -= gap;
      line.append(null, " ".repeat(gap));
      this.#column = line.length;
    }
    if (this.#column === null || this.#column === line.length) {
      line.append(mark, text);
      this.#column = null;
      return;
    }
    for (const character of text) line.set(this.#column++, character, mark);
  }

  #next(): void {
    this.#column = 0;
    if (this.#row + 1 < screenLines) this.#row += 1;
    else this.#leave(this.#lines.shift() ?? new Line());
  }

  #leave(line: Line): void {
    const spans = line.read();
    this.#above.push(spans.length > lineSpansMax ? plainFrom(spans, lineSpansMax) : spans);
    this.#spans += spans.length;
  }

  #line(): Line {
    while (this.#lines.length <= this.#row) this.#lines.push(new Line());
    return this.#lines[this.#row] as Line;
  }

  /** A control sequence by its final byte (ECMA-48 8.3). */
  control(final: string, parameters: string): void {
    if (final === "m" && /^[0-9;:]*$/.test(parameters)) return this.#pen.change(parameters);
    if (!/^[0-9;]*$/.test(parameters)) return;
    const [first, second] = parameters.split(";", 2).map(Number) as [number, number?];
    // Nothing and 0 stand for 1.
    const count = first || 1;
    if (final === "A") this.down(-count);
    else if (final === "B") this.down(count);
    else if (final === "C") this.right(count);
    else if (final === "D") this.right(-count);
    else if (final === "E" || final === "F") {
      this.down(final === "E" ? count : -count);
      this.toColumn(0);
    } else if (final === "G") this.toColumn(count - 1);
    else if (final === "d") this.toRow(count - 1);
    else if (final === "H" || final === "f") {
      this.toRow(count - 1);
      this.toColumn((second || 1) - 1);
    } else if (final === "J") this.erase(first);
    else if (final === "K") this.eraseLine(first);
    else if (final === "s") this.save();
    else if (final === "u") this.restore();
  }

  #at(): number {
    return (this.#column ??= this.#line().length);
  }

  /** Only who writes comes further than so many columns. */
  toColumn(column: number): void {
    this.#column = Math.max(0, Math.min(column, columnsMax - 1));
  }

  right(count: number): void {
    const at = this.#at();
    this.#column = Math.max(0, count < 0 ? at + count : Math.max(at, Math.min(at + count, columnsMax - 1)));
  }

  toRow(row: number): void {
    this.toColumn(this.#at());
    this.#row = Math.max(0, Math.min(row, screenLines - 1));
  }

  down(count: number): void {
    this.toRow(this.#row + count);
  }

  save(): void {
    this.#saved = { row: this.#row, column: this.#at() };
  }

  restore(): void {
    this.toRow(this.#saved.row);
    this.toColumn(this.#saved.column);
  }

  /** 0: from here to the end of the line, 1: up to here, 2: all of it. */
  eraseLine(which: number): void {
    const at = this.#at();
    if (which === 0) this.#line().cut(at);
    else if (which === 1) this.#line().clear(at);
    else if (which === 2) this.#line().cut(0);
  }

  /** The same with the lines below, those above, or all. */
  erase(which: number): void {
    this.eraseLine(which);
    if (which === 0) this.#lines.length = this.#row + 1;
    else if (which === 1 || which === 2) this.#lines.forEach((line, row) => (which === 2 || row < this.#row) && line.cut(0));
  }

  end(): Span[][] {
    this.#line();
    // Lines below that nothing stands in any more are not there.
    while (this.#lines.length > this.#row + 1 && this.#lines.at(-1)?.isBlank === true) this.#lines.pop();
    this.#lines.forEach((line) => this.#leave(line));
    return this.#above;
  }
}

/** A line of the screen: in pieces of one look, and by characters once somebody goes back in it. */
class Line {
  #pieces: Span[] = [];
  /** Of the pieces, in characters. */
  #length = 0;
  #cells: { readonly text: string[]; readonly marks: (string | null)[] } | null = null;
  /** Before this column all is blank. */
  #blank = 0;

  get length(): number {
    return this.#cells === null ? this.#length : this.#cells.text.length;
  }

  get isBlank(): boolean {
    return this.read().every(([mark, text]) => mark === null && text.trim() === "");
  }

  append(mark: string | null, text: string): void {
    if (text === "") return;
    if (this.#cells === null) {
      append(this.#pieces, mark, text);
      for (const _ of text) this.#length += 1;
    } else for (const character of text) this.set(this.#cells.text.length, character, mark);
  }

  /** `column`: no further than its end. */
  set(column: number, character: string, mark: string | null): void {
    const { text, marks } = this.#byCharacter();
    text[column] = character;
    marks[column] = mark;
    this.#blank = Math.min(this.#blank, column);
  }

  cut(column: number): void {
    if (column >= this.length) return;
    this.#blank = Math.min(this.#blank, column);
    if (column === 0) {
      this.#pieces = [];
      this.#length = 0;
      this.#cells = null;
      return;
    }
    const { text, marks } = this.#byCharacter();
    text.length = marks.length = column;
  }

  /** Up to this column and with it. */
  clear(column: number): void {
    if (column + 1 >= this.length) return this.cut(0);
    const { text, marks } = this.#byCharacter();
    // What is blank already is not made blank again: this may be asked for without end.
    for (let i = this.#blank; i <= column; i += 1) {
      text[i] = " ";
      marks[i] = null;
    }
    this.#blank = Math.max(this.#blank, column + 1);
  }

  #byCharacter(): { readonly text: string[]; readonly marks: (string | null)[] } {
    if (this.#cells === null) {
      this.#cells = { text: [], marks: [] };
      for (const [mark, text] of this.#pieces) {
        for (const character of text) {
          this.#cells.text.push(character);
          this.#cells.marks.push(mark);
        }
      }
      this.#pieces = [];
    }
    return this.#cells;
  }

  read(): Span[] {
    if (this.#cells === null) return this.#pieces;
    const spans: Span[] = [];
    this.#cells.text.forEach((character, i) => append(spans, this.#cells?.marks[i] ?? null, character));
    return spans;
  }
}

function append(line: Span[], mark: string | null, text: string): void {
  const last = line.at(-1);
  if (last !== undefined && last[0] === mark) line[line.length - 1] = [mark, last[1] + text];
  else line.push([mark, text]);
}

function plainFrom(line: readonly Span[], from: number): Span[] {
  return [...line.slice(0, from), [null, line.slice(from).map(([, text]) => text).join("")]];
}

type Colour = { readonly index: number } | { readonly rgb: readonly [number, number, number] };

/** What SGR (ECMA-48 8.3.117, ISO 8613-6 for colours) says of the text that follows. */
class Pen {
  #set = new Set<"bold" | "dim" | "italic" | "underline" | "struck">();
  #inverse = false;
  #text: Colour | null = null;
  #ground: Colour | null = null;
  #mark: string | null = null;

  /** The marks as one word, see markOf. Null: none. */
  get mark(): string | null {
    return this.#mark;
  }

  change(parameters: string): void {
    const codes = parameters.split(";");
    for (let i = 0; i < codes.length; i += 1) {
      const [code, ...rest] = (codes[i] as string).split(":").map(Number) as [number, ...number[]];
      if (code === 38 || code === 48) {
        // 38:5:n, 38:2::r:g:b and 38:2:r:g:b stand in one; 38;5;n and 38;2;r;g;b take from what follows.
        let given = rest;
        if (rest.length === 0) {
          const count = codes[i + 1] === "5" ? 2 : codes[i + 1] === "2" ? 4 : 1;
          given = codes.slice(i + 1, i + 1 + count).map(Number);
          i += count;
        } else if (rest[0] === 2 && rest.length > 4) given = [2, ...rest.slice(2)];
        const colour = colourOf(given);
        if (colour === null) continue;
        if (code === 38) this.#text = colour;
        else this.#ground = colour;
      } else this.#one(code, rest[0]);
    }
    this.#mark = this.#word();
  }

  #one(code: number, kind: number | undefined): void {
    if (code === 0) {
      this.#set.clear();
      this.#inverse = false;
      this.#text = this.#ground = null;
    } else if (code === 1) this.#set.add("bold");
    // What a program hides (8) is shown: faintly.
    else if (code === 2 || code === 8) this.#set.add("dim");
    else if (code === 3) this.#set.add("italic");
    else if (code === 4 && kind === 0) this.#set.delete("underline");
    else if (code === 4 || code === 21) this.#set.add("underline");
    else if (code === 7) this.#inverse = true;
    else if (code === 9) this.#set.add("struck");
    else if (code === 22) {
      this.#set.delete("bold");
      this.#set.delete("dim");
    } else if (code === 23) this.#set.delete("italic");
    else if (code === 24) this.#set.delete("underline");
    else if (code === 27) this.#inverse = false;
    else if (code === 28) this.#set.delete("dim");
    else if (code === 29) this.#set.delete("struck");
    else if (code >= 30 && code <= 37) this.#text = { index: code - 30 };
    else if (code === 39) this.#text = null;
    else if (code >= 40 && code <= 47) this.#ground = { index: code - 40 };
    else if (code === 49) this.#ground = null;
    else if (code >= 90 && code <= 97) this.#text = { index: code - 82 };
    else if (code >= 100 && code <= 107) this.#ground = { index: code - 92 };
  }

  #word(): string | null {
    const words: string[] = [...this.#set].map((name) => `t-${name}`);
    const [text, ground] = this.#inverse ? [this.#ground, this.#text] : [this.#text, this.#ground];
    // Colours swapped where none are set: the page's own.
    if (this.#inverse && ground === null) words.push("t-inverse");
    else if (ground !== null) words.push(...onGround(text, ground));
    else if (text !== null) words.push("index" in text && text.index < 16 ? `t-${text.index}` : `t-text:${hex(rgbOf(text))}`);
    return words.length === 0 ? null : words.join(" ");
  }
}

function colourOf([kind, ...values]: readonly number[]): Colour | null {
  const bytes = values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255);
  if (!bytes) return null;
  if (kind === 5 && values.length >= 1) return { index: values[0] as number };
  if (kind === 2 && values.length >= 3) return { rgb: [values[0] as number, values[1] as number, values[2] as number] };
  return null;
}

type Rgb = readonly [number, number, number];

/** xterm's first sixteen; then a cube of 6 × 6 × 6, then greys. */
const base: readonly Rgb[] = [
  [0, 0, 0], [205, 0, 0], [0, 205, 0], [205, 205, 0], [0, 0, 238], [205, 0, 205], [0, 205, 205], [229, 229, 229],
  [127, 127, 127], [255, 0, 0], [0, 255, 0], [255, 255, 0], [92, 92, 255], [255, 0, 255], [0, 255, 255], [255, 255, 255],
];

function rgbOf(colour: Colour): Rgb {
  if ("rgb" in colour) return colour.rgb;
  const { index } = colour;
  if (index < 16) return base[index] as Rgb;
  if (index >= 232) return [8 + (index - 232) * 10, 8 + (index - 232) * 10, 8 + (index - 232) * 10];
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const at = index - 16;
  return [level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6)];
}

const hex = (rgb: Rgb): string => `#${rgb.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** WCAG's relative luminance. */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((byte) => (byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const legible = 3;

/** On a colour of its own, text keeps the one it has, if that can be read there. */
function onGround(text: Colour | null, ground: Colour): string[] {
  const below = luminance(rgbOf(ground));
  const above = text === null ? Number.NaN : luminance(rgbOf(text));
  const contrast = (Math.max(above, below) + 0.05) / (Math.min(above, below) + 0.05);
  const colour = text !== null && contrast >= legible ? hex(rgbOf(text)) : below > 0.18 ? "#000000" : "#ffffff";
  return [`t-on:${colour}`, `t-ground:${hex(rgbOf(ground))}`];
}
