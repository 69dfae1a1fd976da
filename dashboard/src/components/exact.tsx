// What somebody else wrote, shown so that nothing of it stays unseen: odd characters by their numbers, all lines, none beside the edge.
import { memo, type ReactElement, type RefObject, useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import { marked, type OddKind } from "../state/ask.ts";
import { beginningOf, isBrief, lengthOf } from "../state/brief.ts";
import { number, plural } from "./format.ts";
import { Pieces } from "./piecewise.tsx";
import { linesOf, pieceLines } from "./plain.tsx";

export const Marked = memo(function Marked({ text, kind = "odd" }: { text: string; kind?: OddKind }): ReactElement {
  return (
    <bdi dir="ltr" translate="no">
      {marked(text, kind).map((piece, i) =>
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

const pieceCharacters = 16_000;
const piecesMax = 1_000;
const width = 80;
const lineHeight = 20;
/** Browsers lay out no box that is much higher: what is below would never be seen. */
const heightMax = 20_000_000;

interface Part {
  readonly text: string;
  rows: number;
}

/** Cut at line ends, so that no part is long; very many lines in fewer parts. */
function partsOf(text: string): Part[] {
  const lines = linesOf(text);
  const linesMax = Math.max(pieceLines, Math.ceil(lines.length / piecesMax));
  const parts: Part[] = [];
  let [from, characters, rows] = [0, 0, 0];
  lines.forEach((line, i) => {
    characters += line.length;
    rows += Math.max(1, Math.ceil(line.length / width));
    if (i + 1 < lines.length && i + 1 - from < linesMax && characters < pieceCharacters) return;
    parts.push({ text: lines.slice(from, i + 1).join("\n"), rows });
    [from, characters, rows] = [i + 1, 0, 0];
  });
  return parts;
}

/** As Marked, of any length: only what is near the view is made. Where nobody could come to its end, it says so (see useReading). */
export const MarkedLong = memo(function MarkedLong({ text }: { text: string }): ReactElement {
  const parts = useMemo(() => partsOf(text), [text]);
  if (parts.length <= 1) return <Marked text={text} />;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows * lineHeight > heightMax) {
    return (
      <span className="bad" data-endless={rows}>
        Here stand {plural(rows, "line")}: more than a page can show, so it cannot be allowed here.
      </span>
    );
  }
  return (
    <Pieces count={parts.length} height={(i) => (parts[i] as Part).rows * lineHeight}>
      {(i) => <Marked text={(parts[i] as Part).text} />}
    </Pieces>
  );
});

/** As Marked, where there is room for a line or some. Of more than that its beginning and how long it is: it stands whole above, `as` this; null: elsewhere. */
export const Brief = memo(function Brief({ text, as = null }: { text: string; as?: string | null }): ReactElement {
  if (isBrief(text)) return <Marked text={text} />;
  return (
    <span>
      <Marked text={beginningOf(text)} />{" "}
      <span className="dim">
        … {number(lengthOf(text))} characters{as !== null && `; whole above${as === "" ? "" : `, as “${as}”`}`}
      </span>
    </span>
  );
});

/** A value to the letter: texts as they are, all else as JSON. */
export function Value({ value }: { value: unknown }): ReactElement {
  return <MarkedLong text={typeof value === "string" ? value : JSON.stringify(value, null, 2)} />;
}

/** More names than these stand as the JSON that they came in. */
const namesMax = 300;
/** A longer name stands above its value: beside it, it would leave it no room. */
const besideMax = 28;

/** Names and values, all of them. */
export function Values({ of }: { of: Readonly<Record<string, unknown>> }): ReactElement | null {
  const entries = Object.entries(of);
  if (entries.length === 0) return null;
  if (entries.length > namesMax) {
    return (
      <pre className="exact">
        <Value value={of} />
      </pre>
    );
  }
  return (
    <dl className="facts values">
      {entries.map(([name, value]) => [
        <dt key={`n${name}`} className={name.length > besideMax ? "above" : ""}>
          <MarkedLong text={name} />
        </dt>,
        <dd key={`v${name}`} className={name.length > besideMax ? "above mono" : "mono"}>
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
  /** The person scrolled to the end, and not up since. What is made there only then may be taller than it was thought: the end is kept in view. */
  const atEnd = useRef(false);
  /** Where the box stood, and how much was in it, when it was last looked at. */
  const last = useRef({ scrollTop: 0, scrollHeight: 0 });
  const [hidden, setHidden] = useState(1);
  const measure = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    if (atEnd.current) element.scrollTop = element.scrollHeight;
    last.current = { scrollTop: element.scrollTop, scrollHeight: element.scrollHeight };
    furthest.current = Math.max(furthest.current, element.scrollTop + element.clientHeight);
    // What cannot be shown whole is never read whole.
    const endless = element.querySelector<HTMLElement>("[data-endless]");
    if (endless !== null) return setHidden(Number(endless.dataset["endless"]));
    const below = element.scrollHeight - furthest.current;
    const lineHeight = Number.parseFloat(getComputedStyle(element).lineHeight) || fallbackLineHeight;
    setHidden(below <= slack ? 0 : Math.ceil(below / lineHeight));
  }, []);
  const onScroll = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight } = element;
    // The end as the person saw it: it may have moved on since.
    if (scrollTop > 0 && last.current.scrollHeight - scrollTop - clientHeight <= slack) atEnd.current = true;
    else if (scrollTop < last.current.scrollTop) atEnd.current = false;
    measure();
  }, [measure]);
  useLayoutEffect(() => {
    furthest.current = 0;
    atEnd.current = false;
    if (box.current !== null) box.current.scrollTop = 0;
    measure();
    const observer = new ResizeObserver(measure);
    for (const element of [box.current, box.current?.firstElementChild]) if (element != null) observer.observe(element);
    return () => observer.disconnect();
  }, [of, measure]);
  return { box, hidden, onScroll };
}

export function HiddenLines({ reading }: { reading: Reading }): ReactElement | null {
  if (reading.hidden === 0) return null;
  return (
    <p className="slip-hidden" role="status" data-testid="slip-hidden" data-lines={reading.hidden}>
      {plural(reading.hidden, "more line")} below. Scroll to the end before you allow it.
    </p>
  );
}
