import { useEffect, useRef, useState } from "react";
import { Reader } from "../text/reader.ts";
import type { Job, Result, Span, Tree } from "../text/tree.ts";
import { missed } from "./parts.ts";

const reader = new Reader(
  () => new Worker(new URL("../text/worker.ts", import.meta.url), { type: "module", name: "texts" }),
  () => void missed("texts"),
);

/**
 * What the worker makes of a text; null: the text as it is, because it is not read yet or cannot be. Of a text that grows, what was
 * made of its beginning stands until more is read.
 */
function useReadText(job: Job | null): Result | null {
  const [held, setHeld] = useState<{ readonly of: string; readonly result: Result | null } | null>(null);
  const reading = useRef(false);
  const text = job?.text ?? "";
  const kept = job === null ? null : reader.kept(job);
  useEffect(() => {
    if (job === null || reading.current || kept !== undefined) return;
    // What could not be read does not become readable by more of it.
    if (held !== null && text.startsWith(held.of) && (held.of === text || held.result === null)) return;
    reading.current = true;
    void reader.read(job).then((result) => {
      reading.current = false;
      setHeld({ of: text, result });
    });
  }, [job === null, kept, text, held]);
  if (kept !== undefined) return kept;
  return held !== null && text.startsWith(held.of) ? held.result : null;
}

export function useMarkdown(text: string, own: number, near: boolean): readonly Tree[] | null {
  return useReadText(near ? { kind: "markdown", text, own } : null) as readonly Tree[] | null;
}

/** What a terminal would show, line by line. */
export function useTerminal(text: string, wanted: boolean): readonly (readonly Span[])[] | null {
  return useReadText(wanted ? { kind: "terminal", text } : null) as readonly (readonly Span[])[] | null;
}

/** Colours by line. `apart`: every line by itself. */
export function useColours(text: string, language: string, apart = false): readonly (readonly Span[])[] | null {
  return useReadText(language === "" ? null : { kind: "code", text, language, apart }) as readonly (readonly Span[])[] | null;
}
