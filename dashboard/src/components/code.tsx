import { type CSSProperties, memo, type ReactElement, useMemo } from "react";
import { hasOdd } from "../state/ask.ts";
import { colouredCharactersMax } from "../text/limits.ts";
import type { Span } from "../text/tree.ts";
import { CopyButton } from "./basics.tsx";
import { Marked } from "./exact.tsx";
import { Lines, linesOf } from "./plain.tsx";
import { useColours } from "./reading.ts";

export const codeLineHeight = 19;

/** Of a look: its classes, and its own colours, which the style sheet takes from properties of the same names. */
function lookOf(look: string): { className: string; style?: CSSProperties } {
  if (!look.includes(":")) return { className: look };
  const words = look.split(" ").map((word) => word.split(":") as [string, string?]);
  const own = words.flatMap(([name, colour]) => (colour === undefined ? [] : [[`--${name}`, colour] as const]));
  return { className: words.map(([name]) => name).join(" "), style: Object.fromEntries(own) };
}

/** What somebody else wrote: what cannot be seen in it, or moves the rest, is marked. */
export function Written({ text }: { text: string }): ReactElement {
  return hasOdd(text, "unseen") ? <Marked text={text} kind="unseen" /> : <>{text}</>;
}

export function Spans({ spans }: { spans: readonly Span[] }): ReactElement {
  return (
    <>
      {spans.map(([look, text], i) =>
        look === null ? (
          <Written key={i} text={text} />
        ) : (
          <span key={i} {...lookOf(look)}>
            <Written text={text} />
          </span>
        ),
      )}
    </>
  );
}

/** Lines, with their looks where they are known. */
export function CodeLines({ lines, looks }: { lines: readonly string[]; looks: readonly (readonly Span[])[] | null }): ReactElement {
  return (
    <code translate="no">
      <Lines
        lines={lines}
        lineHeight={codeLineHeight}
        draw={(from, to) => (looks === null ? <Written text={lines.slice(from, to).join("\n")} /> : looks.slice(from, to).map((spans, i) => [i > 0 && "\n", <Spans key={i} spans={spans} />]))}
      />
    </code>
  );
}

/** Lines of a program, coloured once they are read. */
export const Code = memo(function Code({ text, language }: { text: string; language: string }): ReactElement {
  const lines = useMemo(() => linesOf(text), [text]);
  const colours = useColours(text, text.length <= colouredCharactersMax ? language : "");
  // A line that was cut is in no colour's count.
  return <CodeLines lines={lines} looks={colours !== null && colours.length === lines.length ? colours : null} />;
});

export function CodeBlock({ text, language }: { text: string; language: string }): ReactElement {
  return (
    <div className="box code">
      <pre tabIndex={0}>
        <Code text={text} language={language} />
      </pre>
      <span className="code-copy">
        <CopyButton text={text} />
      </span>
    </div>
  );
}
