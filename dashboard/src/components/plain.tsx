// Text as it is, line by line: only what is near the view is made.
import { type ReactElement, type ReactNode, useMemo } from "react";
import { cutAt } from "../state/brief.ts";
import { Pieces } from "./piecewise.tsx";

export const pieceLines = 100;
/** A longer line goes on in the next row: laying it out in one would hold up the page. */
export const lineCharactersMax = 4_000;

export function linesOf(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.length <= lineCharactersMax) lines.push(line);
    else for (let at = 0, end; at < line.length; at = end) lines.push(line.slice(at, (end = cutAt(line, at + lineCharactersMax))));
  }
  return lines;
}

/** `width`: characters beside each other, where lines are wrapped. */
export function Lines({ lines, lineHeight, width, draw }: { lines: readonly string[]; lineHeight: number; width?: number; draw?: (from: number, to: number) => ReactNode }): ReactElement {
  const count = Math.ceil(lines.length / pieceLines);
  const range = (index: number) => [index * pieceLines, Math.min((index + 1) * pieceLines, lines.length)] as const;
  return (
    <Pieces
      count={count}
      height={(index) => {
        const [from, to] = range(index);
        if (width === undefined) return (to - from) * lineHeight;
        let rows = 0;
        for (let i = from; i < to; i += 1) rows += Math.max(1, Math.ceil((lines[i] as string).length / width));
        return rows * lineHeight;
      }}
    >
      {(index) => {
        const [from, to] = range(index);
        return draw === undefined ? lines.slice(from, to).join("\n") : draw(from, to);
      }}
    </Pieces>
  );
}

const proseLineHeight = 24;
const proseWidth = 90;

/** A person's or Claude's words, wrapped. */
export function PlainText({ text, className = "" }: { text: string; className?: string }): ReactElement {
  const lines = useMemo(() => linesOf(text), [text]);
  if (lines.length <= pieceLines && text.length <= 2 * lineCharactersMax) return <p className={`said-text ${className}`}>{text}</p>;
  return (
    <div className={`said-text ${className}`}>
      <Lines lines={lines} lineHeight={proseLineHeight} width={proseWidth} />
    </div>
  );
}
