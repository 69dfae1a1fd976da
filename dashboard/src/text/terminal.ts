// What a program wrote for a terminal, as lines: colours and marks of its text, lines that were written over, characters that were taken
// back. All other control sequences are left out: nothing of the page moves, is named or is linked by them.
import { lineSpansMax, spansMax, terminalCharactersMax } from "./limits.ts";
import type { Span } from "./tree.ts";

const escape = "\\u001b";
/**
 * ECMA-48: control sequences (`ESC [` … final byte), strings (`ESC ]` and the like, up to BEL or `ESC \`), other escapes, single controls.
 * Each alternative ends at the next escape, so that the whole takes linear time.
 */
const sequences = new RegExp(
  `${escape}\\[([0-9;:]*)m|${escape}\\[([0-2]?)K|${escape}\\[[0-?]*[ -/]*[@-~]|${escape}[\\]PX^_][^\\u0007\\u001b]*(?:\\u0007|${escape}\\\\)|${escape}[ -/]*[0-Z\\\\^-~]|([\\r\\b])|[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]`,
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
  for (const match of said.matchAll(sequences)) {
    screen.write(said.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[1] !== undefined) screen.mark(match[1]);
    else if (match[2] !== undefined) screen.erase(match[2]);
    else if (match[3] === "\r") screen.toStart();
    else if (match[3] === "\b") screen.back();
  }
  screen.write(said.slice(at));
  return screen.end();
}

class Screen {
  #lines: Span[][] = [];
  #spans = 0;
  #pen = new Pen();
  /** The line that is written. */
  #line: Span[] = [];
  /** The same as characters and the marks of each, once something of it is written over; and where the next one goes. */
  #cells: { readonly text: string[]; readonly marks: (string | null)[] } | null = null;
  #column = 0;

  write(text: string): void {
    text.split("\n").forEach((part, i) => {
      if (i > 0) this.#next();
      if (part !== "") this.#put(part);
    });
  }

  #put(text: string): void {
    const mark = this.#spans < spansMax ? this.#pen.mark : null;
    if (this.#cells === null) {
      append(this.#line, mark, text);
      return;
    }
    for (const character of text) this.#set(this.#column++, character, mark);
  }

  #set(column: number, character: string, mark: string | null): void {
    const { text, marks } = this.#byCharacter();
    while (text.length < column) {
      text.push(" ");
      marks.push(null);
    }
    text[column] = character;
    marks[column] = mark;
  }

  #byCharacter(): { readonly text: string[]; readonly marks: (string | null)[] } {
    if (this.#cells === null) {
      this.#cells = { text: [], marks: [] };
      for (const [mark, text] of this.#line) {
        for (const character of text) {
          this.#cells.text.push(character);
          this.#cells.marks.push(mark);
        }
      }
      this.#column = this.#cells.text.length;
    }
    return this.#cells;
  }

  mark(parameters: string): void {
    this.#pen.change(parameters);
  }

  toStart(): void {
    this.#byCharacter();
    this.#column = 0;
  }

  back(): void {
    this.#byCharacter();
    this.#column = Math.max(0, this.#column - 1);
  }

  /** `which`: from here on, up to here, or the whole line. */
  erase(which: string): void {
    const { text, marks } = this.#byCharacter();
    if (which === "1") {
      for (let i = 0; i <= this.#column && i < text.length; i += 1) this.#set(i, " ", null);
      return;
    }
    text.length = marks.length = which === "2" ? 0 : Math.min(text.length, this.#column);
  }

  #next(): void {
    let line = this.#line;
    if (this.#cells !== null) {
      const { text, marks } = this.#cells;
      line = [];
      text.forEach((character, i) => append(line, marks[i] as string | null, character));
    }
    this.#lines.push(line.length > lineSpansMax ? plainFrom(line, lineSpansMax) : line);
    this.#spans += line.length;
    this.#line = [];
    this.#cells = null;
    this.#column = 0;
  }

  end(): Span[][] {
    this.#next();
    return this.#lines;
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
