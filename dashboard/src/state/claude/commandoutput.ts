// What slash commands, and commands that a person ran at the terminal, leave in a conversation: pieces of text in tags of Claude Code's.

export interface CommandPiece {
  readonly tag: string;
  readonly text: string;
}

const begins = /^<((?:local-command|bash)-(?:stdout|stderr|input|caveat)|command-(?:name|message|args|contents))>/;

/** The pieces, in their order. Null: the text is none of this. */
export function commandPieces(text: string): CommandPiece[] | null {
  const pieces: CommandPiece[] = [];
  let rest = text.trimStart();
  while (rest !== "") {
    const tag = begins.exec(rest)?.[1];
    if (tag === undefined) break;
    const from = tag.length + 2;
    const end = rest.indexOf(`</${tag}>`, from);
    pieces.push({ tag, text: rest.slice(from, end < 0 ? undefined : end) });
    rest = end < 0 ? "" : rest.slice(end + tag.length + 3).trimStart();
  }
  if (pieces.length === 0) return null;
  // What stands behind is nobody's: shown, not dropped.
  if (rest !== "") pieces.push({ tag: "", text: rest });
  return pieces;
}

/** Whether a text is laid out by its marks, as Markdown, and not by its spaces and lines. */
export function isMarkdown(text: string): boolean {
  return /^#{1,6} \S/m.test(text) || /^\|.*\|\s*\n\|[ :|-]+\|\s*$/m.test(text) || /^[-*] \*\*/m.test(text);
}
