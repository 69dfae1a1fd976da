import { memo, type ReactElement, useMemo } from "react";
import { colouredCharactersMax } from "../text/limits.ts";
import type { Span } from "../text/tree.ts";
import { CopyButton } from "./basics.tsx";
import { Lines, linesOf } from "./plain.tsx";
import { useColours } from "./reading.ts";

export const codeLineHeight = 19;

export function Spans({ spans }: { spans: readonly Span[] }): ReactElement {
  return (
    <>
      {spans.map(([colour, text], i) =>
        colour === null ? (
          text
        ) : (
          <span key={i} className={colour}>
            {text}
          </span>
        ),
      )}
    </>
  );
}

/** Lines of a program, coloured once they are read. */
export const Code = memo(function Code({ text, language }: { text: string; language: string }): ReactElement {
  const lines = useMemo(() => linesOf(text), [text]);
  const colours = useColours(text, text.length <= colouredCharactersMax ? language : "");
  // A line that was cut is in no colour's count.
  const coloured = colours !== null && colours.length === lines.length ? colours : null;
  return (
    <code translate="no">
      <Lines
        lines={lines}
        lineHeight={codeLineHeight}
        draw={(from, to) => (coloured === null ? lines.slice(from, to).join("\n") : coloured.slice(from, to).map((spans, i) => [i > 0 && "\n", <Spans key={i} spans={spans} />]))}
      />
    </code>
  );
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
