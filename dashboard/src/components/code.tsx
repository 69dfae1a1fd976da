import { memo, type ReactElement, useEffect, useState } from "react";
import { CopyButton } from "./basics.tsx";

type Highlighter = typeof import("./highlight.ts");
let loaded: Highlighter | null = null;
let loading: Promise<Highlighter> | null = null;

/** The highlighter, once its chunk is here. */
export function useHighlighter(): Highlighter | null {
  const [ready, setReady] = useState(loaded);
  useEffect(() => {
    if (ready !== null) return;
    let here = true;
    loading ??= import("./highlight.ts");
    loading.then(
      (module) => {
        loaded = module;
        if (here) setReady(module);
      },
      () => {
        loading = null; // Plain text until the chunk can be fetched.
      },
    );
    return () => {
      here = false;
    };
  }, [ready]);
  return ready;
}

export const Code = memo(function Code({ text, language }: { text: string; language: string }): ReactElement {
  const highlighter = useHighlighter();
  return <code>{(language !== "" && highlighter?.highlight(text, language)) || text}</code>;
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
