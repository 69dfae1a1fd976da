// Our own shapes: logo, status, tally, rosette, the number and its rule.
import { memo, type ReactElement } from "react";
import type { PromptState } from "../state/rows.ts";

export function Logo(): ReactElement {
  return (
    <span className="brand">
      <svg viewBox="0 0 18 20" fill="none" stroke="currentColor" aria-hidden="true">
        <path d="M13.4 3.3a5.6 5.6 0 1 0 0 7.8" strokeWidth="2.2" />
        <path d="M1 15.6h16M1 18.9h16" strokeWidth="1.5" />
      </svg>
      Consortium
    </span>
  );
}

export type Shape = "needs-you" | "working" | "unread" | "failed" | "offline" | "idle";

const words: Record<Shape, string> = {
  "needs-you": "needs you",
  working: "working",
  unread: "finished, unread",
  failed: "failed",
  offline: "unknown",
  idle: "idle",
};

export function StatusShape({ shape, word }: { shape: Shape; word?: string }): ReactElement {
  return (
    <svg className={shape === "working" ? "st st-work" : "st"} viewBox="0 0 14 14" role="img" aria-label={word ?? words[shape]}>
      {shape === "needs-you" && <path d="M7 .8 13.2 7 7 13.2.8 7z" fill="var(--ask-edge)" />}
      {shape === "working" && (
        <>
          <circle cx="7" cy="7" r="5" fill="none" stroke="var(--rule-2)" strokeWidth="2" />
          <path d="M7 2a5 5 0 0 1 5 5" fill="none" stroke="var(--live)" strokeWidth="2" />
        </>
      )}
      {shape === "unread" && <circle cx="7" cy="7" r="4" fill="var(--ink)" />}
      {shape === "failed" && (
        <>
          <path d="M2 2h10v10H2z" fill="var(--fail)" />
          <path d="m4.7 4.7 4.6 4.6M9.3 4.7 4.7 9.3" stroke="var(--bg)" strokeWidth="1.5" />
        </>
      )}
      {shape === "offline" && <circle cx="7" cy="7" r="4.6" fill="none" stroke="var(--ink-3)" strokeWidth="1.5" strokeDasharray="1.9 1.72" />}
      {shape === "idle" && <circle cx="7" cy="7" r="2.6" fill="none" stroke="var(--rule-ui)" strokeWidth="1.2" />}
    </svg>
  );
}

/** Three strokes: stored, reached the machine, taken by the agent. What is not known is not drawn. */
export function Tally({ state, host }: { state: PromptState; host: string }): ReactElement {
  const machine = host === "" ? "the machine" : host;
  const [strokes, say] = {
    queued: [0, "queued on this device"],
    sending: [0, "on its way to the relay"],
    failed: [0, "not stored"],
    stored: [1, `stored; no word yet that ${machine} has it`],
    held: [2, `stored, reached ${machine}; it waits for your decision`],
    taken: [3, `stored, reached ${machine}, taken by the agent`],
    refused: [1, "stored; the agent does not run it"],
  }[state] as [number, string];
  return (
    <span className="tally" role="img" aria-label={say} title={say} data-testid="tally" data-strokes={strokes}>
      {[0, 1, 2].map((i) => (
        <i key={i} className={i < strokes ? "" : "no-yet"} />
      ))}
    </span>
  );
}

export function LogNumber({ revision }: { revision: number }): ReactElement {
  return <>#{revision.toLocaleString("en")}</>;
}

/** The engraved seal of a fingerprint: an aid to the eye, never the proof. */
export const Rosette = memo(function Rosette({ hex, size, copies = 6, className }: { hex: string; size?: number; copies?: number; className?: string }): ReactElement {
  const b = (hex.match(/../g) ?? []).map((h) => Number.parseInt(h, 16));
  const at = (i: number) => b[i] ?? 0;
  const bands = [
    [46, 5 + (at(0) % 4), 8 + (at(1) % 5)],
    [30 + (at(2) % 4), 4 + (at(3) % 4), 6 + (at(4) % 5)],
    [15, 5 + (at(5) % 4), 4 + (at(6) % 3)],
  ] as const;
  return (
    <svg className={`rosette ${className ?? ""}`} viewBox="-52 -52 104 104" width={size} height={size} aria-hidden="true">
      {bands.map(([radius, amplitude, lobes], n) => {
        const points: string[] = [];
        const steps = 20 * lobes;
        for (let t = 0; t <= steps; t += 1) {
          const a = (t / steps) * 2 * Math.PI;
          const r = radius - amplitude + amplitude * Math.sin(lobes * a) + (n === 0 ? 1.2 : 0.8) * Math.sin(2 * lobes * a + at(7) / 40);
          points.push(`${(r * Math.cos(a)).toFixed(1)} ${(r * Math.sin(a)).toFixed(1)}`);
        }
        const d = `M${points.join("L")}Z`;
        return Array.from({ length: copies }, (_, c) => <path key={`${n}.${c}`} d={d} transform={`rotate(${((360 / lobes / copies) * c).toFixed(2)})`} />);
      })}
    </svg>
  );
});
