// Where there is a line for a text: its beginning, where it has more than that.

/** What a line of a form, a heading or a button has room for. */
const charactersMax = 240;
const linesMax = 4;

export function isBrief(text: string): boolean {
  return text.length <= charactersMax && text.split("\n", linesMax + 1).length <= linesMax;
}

/** As much of a text as is brief. */
export function beginningOf(text: string): string {
  const lines = text.slice(0, cutAt(text, charactersMax)).split("\n", linesMax);
  return lines.join("\n");
}

/** In characters, as a reader would count most of them. */
export function lengthOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The same as a text of one line, for where the whole is not far. */
export function briefly(text: string, most = 80): string {
  const line = text.slice(0, cutAt(text, most)).split("\n", 1)[0] as string;
  return line === text ? text : `${line}…`;
}

/** For a line that folds its line ends: its beginning, or its end. */
export function clipped(text: string, most: number, keep: "beginning" | "end" = "beginning"): string {
  if (text.length <= most) return text;
  return keep === "beginning" ? `${text.slice(0, cutAt(text, most))}…` : `…${text.slice(cutAt(text, text.length - most))}`;
}

/** Where to cut, so that no character is cut in two. */
export function cutAt(text: string, end: number): number {
  return end < text.length && /[\ud800-\udbff]/.test(text[end - 1] as string) ? end - 1 : end;
}
