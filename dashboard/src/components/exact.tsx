// What somebody else wrote, shown so that nothing of it stays unseen: odd characters by their numbers, all lines, none beside the edge.
import { memo, type ReactElement, type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";
import { marked } from "../state/ask.ts";
import { plural } from "./format.ts";

export const Marked = memo(function Marked({ text }: { text: string }): ReactElement {
  return (
    <bdi dir="ltr" translate="no">
      {marked(text).map((piece, i) =>
        piece.odd ? (
          <span key={i} className="odd" title="A character that cannot be seen, or that moves others">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
});

/** A value to the letter: texts as they are, all else as JSON. */
export function Value({ value }: { value: unknown }): ReactElement {
  return <Marked text={typeof value === "string" ? value : JSON.stringify(value, null, 2)} />;
}

/** Names and values, all of them. */
export function Values({ of }: { of: Readonly<Record<string, unknown>> }): ReactElement | null {
  const entries = Object.entries(of);
  if (entries.length === 0) return null;
  return (
    <dl className="facts values">
      {entries.map(([name, value]) => [
        <dt key={`n${name}`}>
          <Marked text={name} />
        </dt>,
        <dd key={`v${name}`} className="mono">
          <Value value={value} />
        </dd>,
      ])}
    </dl>
  );
}

const fallbackLineHeight = 20;
/** Layout rounds: nobody has to scroll for less. */
const slack = 4;

export interface Reading {
  readonly box: RefObject<HTMLDivElement | null>;
  /** Lines that were never in view. Zero: the end was seen. */
  readonly hidden: number;
  onScroll(): void;
}

/** Follows how far a box was read. `of`: what is in it; another one begins anew. */
export function useReading(of: string): Reading {
  const box = useRef<HTMLDivElement>(null);
  const furthest = useRef(0);
  const [hidden, setHidden] = useState(1);
  const measure = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    furthest.current = Math.max(furthest.current, element.scrollTop + element.clientHeight);
    const below = element.scrollHeight - furthest.current;
    const lineHeight = Number.parseFloat(getComputedStyle(element).lineHeight) || fallbackLineHeight;
    setHidden(below <= slack ? 0 : Math.ceil(below / lineHeight));
  }, []);
  useLayoutEffect(() => {
    furthest.current = 0;
    if (box.current !== null) box.current.scrollTop = 0;
    measure();
    const observer = new ResizeObserver(measure);
    for (const element of [box.current, box.current?.firstElementChild]) if (element != null) observer.observe(element);
    return () => observer.disconnect();
  }, [of, measure]);
  return { box, hidden, onScroll: measure };
}

export function HiddenLines({ reading }: { reading: Reading }): ReactElement | null {
  if (reading.hidden === 0) return null;
  return (
    <p className="slip-hidden" role="status" data-testid="slip-hidden" data-lines={reading.hidden}>
      {plural(reading.hidden, "more line")} below. Scroll to the end before you allow it.
    </p>
  );
}
