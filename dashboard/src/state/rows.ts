// What a conversation is shown as: a row an entry, calls with what was done below them.
import type { ChainProblem } from "../crypto/index.ts";
import type { Approval } from "./decode.ts";
import type { Picture } from "./pictures.ts";

/** What is wrong with an entry's place in its sender's order, or in the relay's. */
export type Problem = ChainProblem | { readonly kind: "missing"; readonly count: number };

export interface RowBase {
  readonly key: string;
  /** Place in the session; null while it is only on this device. */
  readonly seq: number | null;
  readonly revision: number | null;
  readonly at: number;
  readonly unbound?: boolean;
}

/** queued: on this device. sending: given to the relay, not acknowledged. stored, taken: strokes one and three. held: the agent has it and waits for a person. */
export type PromptState = "queued" | "sending" | "failed" | "stored" | "held" | "taken" | "refused";

export interface PromptRow extends RowBase {
  readonly kind: "prompt";
  readonly text: string;
  readonly state: PromptState;
  readonly reason?: string;
  readonly localId: string | null;
  readonly bundleId: string | null;
  /** Base64 key of the device that signed it; null when none did. */
  readonly device: string | null;
  /** It was typed at the machine itself, as the agent says. */
  readonly typed?: boolean;
  /** It stands in Claude's own record of the conversation: nobody knows who said it. */
  readonly earlier?: boolean;
  /** How long it is good, by the agent's clock. */
  readonly until?: number;
  /** It is in this page's memory alone. */
  readonly unkept?: boolean;
  /** Its number among its sender's. */
  readonly number: { readonly from: string; readonly n: number } | null;
}
export interface WhoRow extends RowBase {
  readonly kind: "who";
  readonly model: string | null;
}
export interface TextRow extends RowBase {
  readonly kind: "text";
  readonly text: string;
  readonly aborted: boolean;
}
export interface ThinkingRow extends RowBase {
  readonly kind: "thinking";
  readonly text: string;
}
export interface ToolResult {
  readonly text: string;
  readonly pictures: readonly Picture[];
  readonly isError: boolean;
  /** Claude's own structured form, of a shape per tool. */
  readonly structured: unknown;
  /** Claude's word for what was decided about the call: "accept", "reject"; null where it says nothing. */
  readonly decision: string | null;
  /** It was stopped while it ran. */
  readonly stopped: boolean;
  readonly at: number;
  /** Of the message that brought it. */
  readonly revision: number;
}
/** Why a call will get no result: its turn was stopped, its turn ended, the agent ended before. */
export type Cut = "stopped" | "turn" | "agent";
export interface BackgroundOf {
  /** Claude's id of what runs. */
  readonly task: string;
  /** "begun", or how it ended as Claude says; "lost": the agent ended before, and nobody said how it ended. */
  readonly status: string;
  /** The turn that began it is over. */
  readonly settled: boolean;
}
export interface ToolRow extends RowBase {
  readonly kind: "tool";
  readonly toolUseId: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly result: ToolResult | null;
  readonly children: readonly Row[];
  /** Null: a result may still come. */
  readonly cut: Cut | null;
  /** Seconds that it had run when it last said so. */
  readonly ranFor?: number;
  /** It goes, or went, on without its turn. */
  readonly background?: BackgroundOf;
}
export interface ResultRow extends RowBase {
  readonly kind: "result";
  readonly outcome: "done" | "stopped" | "failed";
  readonly durationMs: number | null;
  readonly reason: string | null;
  /** What it took, as Claude counts it; null where it does not say. */
  readonly usage: { readonly input: number; readonly output: number; readonly costUsd: number | null } | null;
}
export interface EventRow extends RowBase {
  readonly kind: "event";
  readonly text: string;
  /** alarm: the agent found the relay's log contradicting what it had seen. boundary: Claude knows nothing of what stands above, or a summary of it. */
  readonly tone: "plain" | "fail" | "alarm" | "boundary";
  /** What the event was, where words do not say it all. */
  readonly raw?: unknown;
}
/** What a command printed that is no call of Claude's: a slash command, or one of the person's at the terminal. */
export interface OutputRow extends RowBase {
  readonly kind: "output";
  /** The command; null where it is not known. */
  readonly of: string | null;
  readonly text: string;
  readonly failed: boolean;
}
export interface PictureRow extends RowBase {
  readonly kind: "picture";
  readonly picture: Picture;
}
/** An answer to a question that belongs to no call. */
export interface ApprovalRow extends RowBase {
  readonly kind: "approval";
  readonly approval: AnsweredAsk;
}
export interface UnverifiedRow extends RowBase {
  readonly kind: "unverified";
  readonly text: string;
}

export type Row = PromptRow | WhoRow | TextRow | ThinkingRow | ToolRow | ResultRow | EventRow | OutputRow | PictureRow | ApprovalRow | UnverifiedRow;

export interface AnsweredAsk extends Approval {
  readonly tool: string | null;
  readonly at: number;
}

/** Every entry of the log that a row shows something of: a call, its result, and what happened below it. */
export function revisionsOf(row: Row): number[] {
  const own = row.revision === null ? [] : [row.revision];
  if (row.kind !== "tool") return own;
  return [...own, ...(row.result === null ? [] : [row.result.revision]), ...row.children.flatMap(revisionsOf)];
}
