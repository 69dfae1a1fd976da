// What an agent program says, in words that are none of its own: one adapter per program makes them of its lines (claude/lines.ts), and
// nothing else in the dashboard knows what such a line looks like.
import type { Picture } from "./pictures.ts";
import type { EventRow, ResultRow, ToolResult } from "./rows.ts";

/** A tool's result, as far as the line says. */
export type SaidResult = Omit<ToolResult, "at" | "revision">;

export type Saying =
  | { readonly kind: "text"; readonly text: string; readonly aborted: boolean }
  | { readonly kind: "thinking"; readonly text: string }
  | { readonly kind: "call"; readonly id: string | null; readonly tool: string; readonly input: Readonly<Record<string, unknown>> }
  | { readonly kind: "result"; readonly call: string; readonly result: SaidResult }
  /** It takes a while, and says how long it has: seconds. */
  | { readonly kind: "progress"; readonly call: string; readonly seconds: number }
  | { readonly kind: "picture"; readonly picture: Picture }
  /** Something happened that has no row of a kind of its own. */
  | { readonly kind: "event"; readonly text: string; readonly tone: EventRow["tone"]; readonly raw?: unknown }
  /** A subagent was given something to do. */
  | { readonly kind: "asked"; readonly text: string }
  /** What a person said: only where the program's own record tells of it. */
  | { readonly kind: "prompt"; readonly text: string }
  /** A person stopped the turn: the same. */
  | { readonly kind: "stop" }
  /** A command that is no call is what prints next; null: it has printed. `unlessNamed`: where none was named before. */
  | { readonly kind: "command"; readonly name: string | null; readonly unlessNamed?: true }
  | { readonly kind: "output"; readonly text: string; readonly failed: boolean }
  /** Something goes on in the background, or in a subagent: a call's, where one is named. `hidden`: it is a part of its turn. */
  | { readonly kind: "task"; readonly task: string; readonly call: string | null; readonly what: string; readonly hidden: boolean }
  | { readonly kind: "task-end"; readonly task: string; readonly call: string | null; readonly status: string; readonly summary: string; readonly raw: unknown }
  /** A turn is over. `denied`: calls that were not allowed in it. */
  | ({ readonly kind: "turn"; readonly denied: readonly string[] } & Pick<ResultRow, "outcome" | "durationMs" | "reason" | "usage">);

export interface Said {
  /** The call whose subagent says it; null: the conversation itself. */
  readonly within: string | null;
  /** The model answers: its name, where the line has it. */
  readonly speaker?: { readonly model: string | null };
  /** The model of what comes, named outside of an answer. */
  readonly model?: string | null;
  readonly parts: readonly Saying[];
}
