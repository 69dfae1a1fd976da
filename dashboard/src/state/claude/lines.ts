// Claude Code's lines, those of its output and those of its own record, in neutral words (said.ts).
import type { ClaudeLine } from "../decode.ts";
import { type Picture, pictureOf, pictureOfFile } from "../pictures.ts";
import type { EventRow, ResultRow } from "../rows.ts";
import type { Said, SaidResult, Saying } from "../said.ts";
import { record, string } from "../values.ts";
import { type CommandPiece, commandPieces } from "./commandoutput.ts";

/** system subtypes and line types whose news stand elsewhere: in the state, in a title, in the row that they are about or in the line that ends what they begin. */
const silentSystem = new Set([
  "status", "thinking_tokens", "task_updated", "task_progress", "background_tasks_changed", "session_title_changed", "session_state_changed", "hook_started", "hook_progress", "files_persisted",
]);
const silentTypes = new Set(["stream_event", "command_lifecycle", "control_cancel_request", "keep_alive", "summary"]);

/** No date is further from 1970 (ECMA-262, 21.4.1.1). */
const secondsMax = 8.64e12;

/** A line of the output. */
export function readLine(line: ClaudeLine): Said {
  const within = string(line["parent_tool_use_id"]);
  const main = (...parts: Saying[]): Said => ({ within: null, parts });
  switch (line.type) {
    case "assistant":
      return readAnswer(line, within);
    case "user":
      return { within, parts: line["isMeta"] === true ? [] : blocksOf(line).flatMap((block) => readUserBlock(line, block, within)) };
    case "result":
      return main(readTurn(line));
    case "system":
      return readSystem(line);
    case "conversation_reset":
      return main(event("Claude has forgotten what is above; a new conversation begins here", "boundary"));
    case "tool_progress": {
      const seconds = line["elapsed_time_seconds"];
      return typeof seconds === "number" ? main({ kind: "progress", call: string(line["tool_use_id"]) ?? "", seconds }) : main();
    }
    case "rate_limit_event": {
      const info = record(line["rate_limit_info"]);
      const refused = info["status"] === "rejected";
      const resets = typeof info["resetsAt"] === "number" && Math.abs(info["resetsAt"]) < secondsMax ? `; it begins anew at ${new Date(info["resetsAt"] * 1000).toLocaleString()}` : "";
      const words = refused ? "The usage limit is reached" : info["status"] === "allowed_warning" ? "The usage limit is near" : "Claude says where its usage limit stands";
      return main(event(`${words}${resets}`, refused ? "fail" : "plain", line));
    }
    default:
      return silentTypes.has(line.type) ? main() : main(event(`Unknown entry: ${line.type}`, "plain", line));
  }
}

/** A line of Claude Code's own record of the conversation, which has prompts too, and no ends of turns. */
export function readRecordLine(line: ClaudeLine): Said {
  const said = line.type === "user" && line["isMeta"] !== true && line["isSynthetic"] !== true ? promptOf(record(line["message"])["content"]) : "";
  if (said === "" || commandPieces(said) !== null) return readLine(line);
  // A stop is noted in the form of a prompt. Newer records tell of a prompt where it came from.
  if (typeof line["promptSource"] !== "string" && /^\[Request interrupted by user( for tool use)?\]$/.test(said)) return { within: null, parts: [{ kind: "stop" }] };
  const pictures = blocksOf(line).map(pictureOf).filter((picture) => picture !== null);
  return { within: null, parts: [{ kind: "prompt", text: said }, ...pictures.map((picture: Picture): Saying => ({ kind: "picture", picture }))] };
}

/** When a line of the record was written, in ms since 1970. */
export function timeOf(line: ClaudeLine): number | null {
  const at = Date.parse(string(line["timestamp"]) ?? "");
  return Number.isNaN(at) ? null : at;
}

/** The slash command that a prompt is, as it prints. */
export function slashCommand(prompt: string): string | null {
  return /^\/[\w:-]+/.exec(prompt)?.[0] ?? null;
}

function event(text: string, tone: EventRow["tone"] = "plain", raw?: unknown): Saying {
  return { kind: "event", text, tone, ...(raw === undefined ? {} : { raw }) };
}

function blocksOf(line: ClaudeLine): Record<string, unknown>[] {
  const content = record(line["message"])["content"];
  return (Array.isArray(content) ? content : typeof content === "string" ? [{ type: "text", text: content }] : []).map(record);
}

function readAnswer(line: ClaudeLine, within: string | null): Said {
  const message = record(line["message"]);
  const model = string(message["model"]);
  const blocks = Array.isArray(message["content"]) ? message["content"].map(record) : [];
  if (model === "<synthetic>") return { within, parts: readOwnAnswer(line, blocks) };
  const parts = blocks.flatMap((block): Saying[] => {
    const text = string(block["text"]) ?? "";
    const thought = string(block["thinking"]) ?? "";
    switch (block["type"]) {
      case "text":
        return text.trim() === "" ? [] : [{ kind: "text", text, aborted: line["aborted"] === true }];
      case "thinking":
        return thought.trim() === "" ? [] : [{ kind: "thinking", text: thought }];
      case "redacted_thinking":
        return [{ kind: "thinking", text: "(sealed by the model's provider)" }];
      case "tool_use":
      case "server_tool_use":
        return [{ kind: "call", id: string(block["id"]), tool: string(block["name"]) ?? "?", input: record(block["input"]) }];
      default:
        return [event(`Unknown part of an answer: ${String(block["type"])}`, "plain", block)];
    }
  });
  return { within, speaker: { model }, parts };
}

/** What Claude Code writes in the model's place. */
function readOwnAnswer(line: ClaudeLine, blocks: readonly Record<string, unknown>[]): Saying[] {
  // A slash command answers so; its output stands beside that as it was printed.
  const pieces = commandPieces(string(line["local_command_source"]) ?? "");
  if (pieces !== null) {
    const ran = string(record(line["local_command_run"])["command"]);
    return [...(ran === null ? [] : [{ kind: "command", name: `/${ran}`, unlessNamed: true } as const]), ...readPieces(pieces), { kind: "command", name: null }];
  }
  const text = blocks.map((block) => string(block["text"]) ?? "").join("\n");
  const failed = isErrorLine(line);
  if (text.trim() === "" || text === "No response requested.") return [];
  return [!failed && text.trim().includes("\n") ? { kind: "output", text, failed: false } : event(text, failed ? "fail" : "plain")];
}

function readUserBlock(line: ClaudeLine, block: Record<string, unknown>, within: string | null): Saying[] {
  const text = string(block["text"]) ?? "";
  const pieces = block["type"] === "text" ? commandPieces(text) : null;
  if (pieces !== null) return readPieces(pieces);
  if (line["isReplay"] === true) return [];
  if (block["type"] === "tool_result") return [readResult(line, block)];
  const picture = pictureOf(block);
  if (picture !== null) return [{ kind: "picture", picture }];
  if (block["type"] !== "text") return [];
  if (line["isSynthetic"] === true) return [event("Summary of the conversation so far", "plain", text)];
  // Otherwise it is the agent's echo of a prompt that is in the log as such.
  return within === null ? [] : [{ kind: "asked", text }];
}

/** What a command printed; the command itself is in the log as a prompt, unless it was run at the terminal. */
function readPieces(pieces: readonly CommandPiece[]): Saying[] {
  return pieces.flatMap(({ tag, text }): Saying[] => {
    if (tag === "command-name" || tag === "bash-input") return [{ kind: "command", name: text.trim() }];
    if (tag === "" || tag.endsWith("-stdout") || tag.endsWith("-stderr")) return [{ kind: "output", text, failed: tag.endsWith("-stderr") }];
    return [];
  });
}

function readResult(line: ClaudeLine, block: Record<string, unknown>): Saying {
  const call = string(block["tool_use_id"]) ?? "";
  const metas = Array.isArray(line["tool_result_meta"]) ? line["tool_result_meta"] : [];
  const meta = metas.map(record).find((m) => m["id"] === call);
  const structured = line["tool_use_result"] ?? null;
  const pictures = Array.isArray(block["content"]) ? block["content"].map((part) => pictureOf(record(part))).filter((picture) => picture !== null) : [];
  const ofFile = pictures.length === 0 ? pictureOfFile(structured) : null;
  const decision = string(record(meta?.["permission_decision"])["decision"]);
  const result: SaidResult = {
    text: resultText(block["content"]),
    pictures: ofFile === null ? pictures : [ofFile],
    isError: block["is_error"] === true,
    structured,
    decision,
    stopped: decision !== "reject" && (record(structured)["interrupted"] === true || meta?.["non_execution_kind"] === "user-rejected"),
  };
  return { kind: "result", call, result };
}

function readTurn(line: ClaudeLine): Saying {
  const stopped = (string(line["terminal_reason"]) ?? "").startsWith("aborted");
  const failed = !stopped && line["is_error"] === true;
  const errors = Array.isArray(line["errors"]) ? line["errors"].filter((e) => typeof e === "string").join("\n") : "";
  const duration = line["duration_ms"];
  const denials = Array.isArray(line["permission_denials"]) ? line["permission_denials"].map(record) : [];
  return {
    kind: "turn",
    outcome: stopped ? "stopped" : failed ? "failed" : "done",
    durationMs: typeof duration === "number" ? duration : null,
    reason: failed ? string(line["result"]) || errors || string(line["subtype"]) : null,
    usage: usageOf(line),
    denied: denials.map((each) => string(each["tool_use_id"]) ?? ""),
  };
}

function readSystem(line: ClaudeLine): Said {
  const main = (...parts: Saying[]): Said => ({ within: null, parts });
  const subtype = string(line["subtype"]) ?? "";
  const task = { task: string(line["task_id"]) ?? "", call: string(line["tool_use_id"]) };
  switch (subtype) {
    case "init":
      return { within: null, model: string(line["model"]), parts: [] };
    case "status":
      if (line["status"] === "compacting") return main(event("Claude begins to make the conversation shorter"));
      return typeof line["compact_error"] === "string" ? main(event(`The conversation could not be made shorter: ${line["compact_error"]}`, "fail")) : main();
    case "compact_boundary":
      return main(event("Claude goes on with a summary of what is above", "boundary"));
    case "task_started":
      return main({ kind: "task", ...task, what: string(line["description"]) ?? "", hidden: line["is_backgrounded"] === false });
    case "task_notification":
      return main({ kind: "task-end", ...task, status: string(line["status"]) ?? "", summary: string(line["summary"]) ?? "", raw: line });
    case "hook_response": {
      const failed = line["outcome"] === "error" || (typeof line["exit_code"] === "number" && line["exit_code"] !== 0);
      const ended = failed ? "failed" : line["outcome"] === "cancelled" ? "was cancelled" : "ran";
      return main(event(`Hook ${string(line["hook_name"]) ?? string(line["hook_event"]) ?? ""} ${ended}`, failed ? "fail" : "plain", line));
    }
    case "api_retry": {
      const { error_status: status, attempt: n, max_retries: of } = line;
      const attempt = typeof n === "number" && typeof of === "number" ? `; attempt ${n} of ${of}` : "";
      return main(event(`${typeof status === "number" ? `The model's API answered ${status}` : "The model's API was not reached"}${attempt}`));
    }
    case "informational":
      return main(event(string(line["content"]) ?? string(line["message"]) ?? "Note", "plain", line));
    default:
      return silentSystem.has(subtype) ? main() : main(event(`Unknown entry: system/${subtype}`, "plain", line));
  }
}

/** An answer that Claude Code wrote itself because the model's API failed. */
function isErrorLine(line: ClaudeLine): boolean {
  return line["is_api_error_message"] === true || typeof line["error"] === "string";
}

function usageOf(line: ClaudeLine): ResultRow["usage"] {
  const { input_tokens: input, output_tokens: output, cache_read_input_tokens: read, cache_creation_input_tokens: written } = record(line["usage"]);
  if (typeof input !== "number" || typeof output !== "number") return null;
  const cached = [read, written].reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0);
  const cost = line["total_cost_usd"];
  return { input: input + cached, output, costUsd: typeof cost === "number" ? cost : null };
}

/** What a person said in a line of the record; empty where it is something else. */
function promptOf(content: unknown): string {
  if (typeof content === "string") return content;
  const blocks = Array.isArray(content) ? content.map(record) : [];
  return blocks.some((block) => block["type"] === "tool_result") ? "" : blocks.flatMap((block) => (block["type"] === "text" ? [string(block["text"]) ?? ""] : [])).join("\n");
}

function resultText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map(record)
    .filter((block) => block["type"] !== "image")
    .map((block) => (block["type"] === "text" ? (string(block["text"]) ?? "") : `[${String(block["type"])}]`))
    .join("\n");
}
