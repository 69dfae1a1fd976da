// Cuts a text in markdown into blocks that can be read one by one: in linear time, on the page's own thread.
import { definitionsMax } from "./limits.ts";

/** `own`: how much of the text is the block itself. Behind it stand definitions of links and notes from other blocks. */
export type Block = { readonly kind: "markdown"; readonly text: string; readonly own: number } | { readonly kind: "code"; readonly text: string; readonly language: string };

/** Cuts at blank lines, but not inside a fence, nor between what may belong together (lists, quotes, indented text). */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let current: string[] = [];
  /** The fence that is open, and whether it began a block of its own. */
  let fence: { readonly mark: string; readonly alone: boolean; readonly language: string } | null = null;
  let blank = false;
  const flush = () => {
    const text = current.join("\n");
    if (text.trim() !== "") blocks.push({ kind: "markdown", text, own: text.length });
    current = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== null) {
      const ends = mark !== undefined && mark[0] === fence.mark[0] && mark.length >= fence.mark.length && /^\s*[`~]+\s*$/.test(line);
      if (!fence.alone) current.push(line);
      else if (ends) {
        blocks.push({ kind: "code", text: current.join("\n"), language: fence.language });
        current = [];
      } else current.push(line);
      if (ends) fence = null;
      blank = false;
      continue;
    }
    if (mark !== undefined) {
      const info = line.trim().slice(mark.length).trim();
      // A fence at the edge ends what stands before it; one that is indented may belong to a list.
      const alone = line.startsWith(mark) && !(mark.startsWith("`") && info.includes("`"));
      if (alone) flush();
      else current.push(line);
      if (alone || !info.includes("`")) fence = { mark, alone, language: /^[\w+-]+/.exec(info)?.[0] ?? "" };
      blank = false;
      continue;
    }
    if (blank && current.length > 0 && /^[^\s\-*+>\d|]/.test(line)) flush();
    current.push(line);
    blank = line.trim() === "";
  }
  if (fence?.alone === true) blocks.push({ kind: "code", text: current.join("\n"), language: fence.language });
  else flush();
  return withDefinitions(blocks, text);
}

/** What a link or a note is defined as may stand in another block than what refers to it. */
function withDefinitions(blocks: Block[], text: string): Block[] {
  if (!text.includes("]:")) return blocks;
  const found: string[] = [];
  for (const block of blocks) {
    if (block.kind !== "markdown" || !block.text.includes("]:")) continue;
    for (const line of block.text.split("\n")) if (found.length < definitionsMax && line.length < 2_000 && /^ {0,3}\[[^\]]{1,200}\]:\s*\S/.test(line)) found.push(line);
  }
  if (found.length === 0) return blocks;
  const definitions = found.join("\n");
  return blocks.map((block) => (block.kind === "markdown" && block.text.includes("[") ? { ...block, text: `${block.text}\n\n${definitions}` } : block));
}
