// From messages to the rows of a conversation: tool calls meet their results, subagents are nested, prompts get their strokes.
import { askHash, type ChainProblem } from "../crypto/index.ts";
import { parseAsk } from "./ask.ts";
import { type CommandPiece, commandPieces } from "./commandoutput.ts";
import type { Approval, ClaudeLine, Decoded } from "./decode.ts";
import { type Picture, pictureOf, pictureOfFile } from "./pictures.ts";

export interface Item {
  readonly id: string;
  readonly seq: number;
  readonly revision: number;
  /** When the relay stored it. */
  readonly createdAt: number;
  readonly localId: string | null;
  readonly decoded: Decoded;
  readonly problem?: ChainProblem | { readonly kind: "missing"; readonly count: number };
}

interface Common {
  readonly key: string;
  /** Place in the session; null while it is only on this device. */
  readonly seq: number | null;
  readonly revision: number | null;
  readonly at: number;
  readonly unbound?: boolean;
}

/** queued: on this device. sending: given to the relay, not acknowledged. stored, taken: strokes one and three. held: the agent has it and waits for a person. */
export type PromptState = "queued" | "sending" | "failed" | "stored" | "held" | "taken" | "refused";

export interface PromptRow extends Common {
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
export interface WhoRow extends Common {
  readonly kind: "who";
  readonly model: string | null;
}
export interface TextRow extends Common {
  readonly kind: "text";
  readonly text: string;
  readonly aborted: boolean;
}
export interface ThinkingRow extends Common {
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
export interface ToolRow extends Common {
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
export interface ResultRow extends Common {
  readonly kind: "result";
  readonly outcome: "done" | "stopped" | "failed";
  readonly durationMs: number | null;
  readonly reason: string | null;
  /** What it took, as Claude counts it; null where it does not say. */
  readonly usage: { readonly input: number; readonly output: number; readonly costUsd: number | null } | null;
}
export interface EventRow extends Common {
  readonly kind: "event";
  readonly text: string;
  /** alarm: the agent found the relay's log contradicting what it had seen. boundary: Claude knows nothing of what stands above, or a summary of it. */
  readonly tone: "plain" | "fail" | "alarm" | "boundary";
  /** What the event was, where words do not say it all. */
  readonly raw?: unknown;
}
/** What a command printed that is no call of Claude's: a slash command, or one of the person's at the terminal. */
export interface OutputRow extends Common {
  readonly kind: "output";
  /** The command; null where it is not known. */
  readonly of: string | null;
  readonly text: string;
  readonly failed: boolean;
}
export interface PictureRow extends Common {
  readonly kind: "picture";
  readonly picture: Picture;
}
/** An answer to a question that belongs to no call. */
export interface ApprovalRow extends Common {
  readonly kind: "approval";
  readonly approval: AnsweredAsk;
}
export interface UnverifiedRow extends Common {
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

interface ToolNode {
  row: ToolRow;
  readonly parent: ToolNode | null;
  readonly index: number;
  readonly depth: number;
}

/** What is nested deeper stands at this depth. */
const depthMax = 16;

/** Whether a call was made by what `which` names, or by what that began. */
function isBelow({ parent }: ToolNode, which: (node: ToolNode) => boolean): boolean {
  return parent !== null && (which(parent) || isBelow(parent, which));
}

/** system subtypes and line types whose news stand elsewhere: in the state, in a title, in the row that they are about or in the line that ends what they begin. */
const silentSystem = new Set([
  "status", "thinking_tokens", "task_updated", "task_progress", "background_tasks_changed", "session_title_changed", "session_state_changed", "hook_started", "hook_progress", "files_persisted",
]);
const silentTypes = new Set(["stream_event", "command_lifecycle", "control_cancel_request", "keep_alive", "summary"]);

/** No date is further from 1970 (ECMA-262, 21.4.1.1). */
const secondsMax = 8.64e12;

export class Transcript {
  rows: Row[] = [];
  /** The model named by the latest line of the main thread. */
  model: string | null = null;
  #tools = new Map<string, ToolNode>();
  /** Calls without a result so far. */
  #open = new Set<ToolNode>();
  #prompts = new Map<string, number>();
  #marks = new Map<string, { state: "held" | "taken" | "refused"; reason?: string }>();
  /** Answers to questions, by the call they were about. */
  answered: ReadonlyMap<string, AnsweredAsk> = new Map();
  /** Questions that came as messages, by hash. */
  #asks = new Map<string, string>();
  #heading = false;
  /** The slash command that was named last. */
  #command: string | null = null;
  /** What runs, or ran, in the background: what it is called, by its id. */
  #background = new Map<string, { readonly what: string; readonly hidden: boolean }>();
  /** What still runs in the background, as far as the entries say. */
  #running = new Set<ToolNode>();
  /** Subagents that were stopped. */
  #stopped = new Set<ToolNode>();
  /** Lines of Claude's own record that are shown, by their ids. */
  #earlierLines = new Set<string>();
  /** Entries that could not be opened: their senders' numbers are known to be missing. */
  #unopened = 0;

  /** Takes the next message in the order of seq. */
  add(item: Item): void {
    const { problem, decoded } = item;
    if (problem?.kind === "gap" && problem.missing <= this.#unopened) this.#unopened -= problem.missing;
    else if (problem !== undefined) {
      this.#push({ ...this.#common(item, "!"), kind: "unverified", text: problemText(problem) });
      if (problem.kind === "repeated" || problem.kind === "out-of-order") return;
    }
    const content = decoded.content;
    switch (content.type) {
      case "unverified":
        if (decoded.link === null) this.#unopened += 1;
        this.#push({ ...this.#common(item), kind: "unverified", text: `This entry could not be verified: ${content.reason}` });
        break;
      case "unknown":
        this.#push({ ...this.#common(item), kind: "event", tone: "plain", text: "An entry of a kind this version does not know", raw: content.value });
        break;
      case "prompt":
        this.#prompt(item, content.text, content.until);
        break;
      case "ask":
        this.#asks.set(askHash(content.ask), content.ask);
        break;
      case "approval":
        this.#approval(item, content.approval);
        break;
      case "event":
        this.#event(item, content.data);
        break;
      case "agent":
        this.#agent(item, content.line);
        break;
    }
  }

  #common(item: Item, suffix = ""): Common {
    return {
      key: item.id + suffix,
      seq: item.seq,
      revision: item.revision,
      at: item.decoded.at ?? item.createdAt,
      ...(item.decoded.unbound ? { unbound: true } : {}),
    };
  }

  #push(row: Row): void {
    this.rows.push(row);
  }

  #prompt(item: Item, text: string, until: number | undefined): void {
    const bundleId = item.decoded.link?.id ?? null;
    this.#command = slashCommand(text);
    const mark = bundleId === null ? undefined : this.#marks.get(bundleId);
    if (bundleId !== null) this.#prompts.set(bundleId, this.rows.length);
    this.#push({
      ...this.#common(item),
      kind: "prompt",
      text,
      state: mark?.state ?? "stored",
      ...(mark?.reason === undefined ? {} : { reason: mark.reason }),
      localId: item.localId,
      bundleId,
      device: item.decoded.device,
      ...(until === undefined ? {} : { until }),
      number: item.decoded.link,
    });
    this.#heading = false;
  }

  #approval(item: Item, approval: Approval): void {
    const text = approval.ask ?? this.#asks.get(approval.hash) ?? null;
    const ask = text === null ? null : parseAsk(text, approval.id);
    const answered: AnsweredAsk = { ...approval, tool: ask?.tool ?? null, at: item.decoded.at ?? item.createdAt };
    const call = ask === null ? approval.id : ask.toolUseId;
    if (call !== null) this.answered = new Map(this.answered).set(call, answered);
    // It stands with the call that it was about; where that is not here, it is shown all the same.
    if (call === null || !this.#tools.has(call)) this.#push({ ...this.#common(item), kind: "approval", approval: answered });
  }

  #mark(bundleId: unknown, state: "held" | "taken" | "refused", reason?: string): void {
    if (typeof bundleId !== "string") return;
    const mark = reason === undefined ? { state } : { state, reason };
    this.#marks.set(bundleId, mark);
    const index = this.#prompts.get(bundleId);
    const row = index === undefined ? undefined : this.rows[index];
    if (index !== undefined && row?.kind === "prompt") this.rows[index] = { ...row, ...mark };
  }

  #event(item: Item, data: { readonly type: string; readonly [field: string]: unknown }): void {
    const say = (text: string, tone: EventRow["tone"] = "plain", raw?: unknown) =>
      this.#push({ ...this.#common(item), kind: "event", text, tone, ...(raw === undefined ? {} : { raw }) });
    switch (data.type) {
      case "ready":
        return;
      case "prompt-typed":
        this.#command = slashCommand(string(data["text"]) ?? "");
        this.#push({ ...this.#common(item), kind: "prompt", text: string(data["text"]) ?? "", state: "taken", localId: null, bundleId: null, device: null, typed: true, number: null });
        this.#heading = false;
        return;
      case "prompt-taken":
        return this.#mark(data["id"], "taken");
      case "prompt-held":
        return this.#mark(data["id"], "held", string(data["why"]) ?? "");
      case "prompt-refused": {
        const reason = refusalWords(string(data["reason"]) ?? "");
        this.#mark(data["id"], "refused", reason);
        return say(`The agent does not run a prompt: ${reason}`, "fail");
      }
      case "history-broken":
        return say(`The agent found this session's history broken: it expected ${String(data["expected"])} and got ${String(data["got"])}.`, "fail", data);
      case "log-alarm":
        return say(string(data["text"]) ?? "It gave no reason.", "alarm");
      case "message": {
        // What the agent found wrong with the relay's log, or with what it shows of the account's devices.
        const alarm = data["logAlarm"] ?? data["deviceAlarm"];
        return say(string(data["message"]) ?? "", alarm === undefined ? "plain" : "fail", alarm);
      }
      case "permission-mode-changed":
        return say(`Mode changed: ${modeName(string(data["mode"]) ?? "")}`);
      case "switch":
        return say(data["mode"] === "local" ? "Taken over at the terminal" : "Steered from here");
      case "unreadable":
        return say(`Claude wrote a line that the agent could not read${typeof data["bytes"] === "number" ? ` (${data["bytes"]} bytes)` : ""}`, "fail", data["line"]);
      case "limit-reached":
        return say("The usage limit is reached", "fail", data);
      case "ended":
        this.#agentEnded();
        return say(`The session ended: ${endedWords(string(data["why"]) ?? "")}`);
      case "resumed":
        this.#agentEnded();
        if (data["forgotten"] === true) return say("Claude begins anew here: its own record of what is above is gone", "boundary");
        return say(data["after"] === "end" ? "Taken up again at the machine" : "The agent was interrupted here and goes on. An answer that it was in the middle of may be missing.");
      case "earlier":
        return this.#earlier(item, data);
      default:
        return say(`Unknown event: ${data.type}`, "plain", data);
    }
  }

  /** Whatever it had begun will say nothing more. */
  #agentEnded(): void {
    this.#cut("agent");
    for (const node of this.#running) if (node.row.background?.status === "begun") this.#change(node, { ...node.row, background: { ...node.row.background, status: "lost" } });
    this.#running.clear();
    this.#heading = false;
  }

  /** A part of Claude's own record of the conversation, from before this session or from beside it. */
  #earlier(item: Item, data: Readonly<Record<string, unknown>>): void {
    const { part, parts, left, meanwhile } = data;
    const lines = Array.isArray(data["lines"]) ? data["lines"].map(record) : [];
    const say = (text: string, suffix: string) => this.#push({ ...this.#common(item, suffix), kind: "event", tone: "boundary", text });
    if (part === 1) {
      const before = meanwhile === true ? "Said meanwhile outside of Consortium" : "Said before this session";
      const more = typeof left === "number" && left > 0 ? `; ${left === 1 ? "one older entry stands" : `${left.toLocaleString("en")} older entries stand`} only there` : "";
      say(`${before}, as Claude Code's own record on the machine has it${more}`, "^");
    }
    lines.forEach((line, i) => {
      const id = string(line["uuid"]);
      if (typeof line["type"] !== "string" || (id !== null && this.#earlierLines.has(id))) return;
      if (id !== null) this.#earlierLines.add(id);
      const at = Date.parse(string(line["timestamp"]) ?? "");
      this.#earlierLine({ ...item, id: `${item.id}.${i}`, decoded: { ...item.decoded, at: Number.isNaN(at) ? item.decoded.at : at } }, line as ClaudeLine);
    });
    if (part === parts) {
      // That record names no ends of turns: what has no result in it got none.
      this.#agentEnded();
      say("Goes on here", "$");
    }
  }

  #earlierLine(item: Item, line: ClaudeLine): void {
    const said = line.type === "user" && line["isMeta"] !== true && line["isSynthetic"] !== true ? textOf(record(line["message"])["content"]) : "";
    if (said === "" || commandPieces(said) !== null) return this.#agent(item, line);
    // Claude Code notes a stop in the form of a prompt. Newer records tell of a prompt where it came from.
    if (typeof line["promptSource"] !== "string" && /^\[Request interrupted by user( for tool use)?\]$/.test(said)) {
      this.#cut("stopped");
      return this.#push({ ...this.#common(item), kind: "event", tone: "plain", text: "Stopped" });
    }
    this.#command = slashCommand(said);
    this.#cut("turn");
    this.#push({ ...this.#common(item), kind: "prompt", text: said, state: "taken", localId: null, bundleId: null, device: null, earlier: true, number: null });
    const content = record(line["message"])["content"];
    if (Array.isArray(content)) content.map((block) => pictureOf(record(block))).forEach((picture, i) => picture !== null && this.#push({ ...this.#common(item, `.${i}`), kind: "picture", picture }));
    this.#heading = false;
  }

  #who(item: Item, model: string | null): void {
    if (this.#heading) return;
    this.#heading = true;
    this.#push({ ...this.#common(item, "@"), revision: null, kind: "who", model });
  }

  /** Puts a row where it belongs: under its subagent, if it has one that is loaded. */
  #place(row: Row, parentId: string | null): void {
    const caller = parentId === null ? undefined : this.#tools.get(parentId);
    const parent = caller !== undefined && caller.depth >= depthMax ? (caller.parent ?? caller) : caller;
    if (row.kind === "tool") {
      const node = { row, parent: parent ?? null, index: parent === undefined ? this.rows.length : parent.row.children.length, depth: parent === undefined ? 0 : parent.depth + 1 };
      this.#tools.set(row.toolUseId, node);
      if (row.result === null) this.#open.add(node);
    }
    if (parent === undefined) this.#push(row);
    else this.#change(parent, { ...parent.row, children: [...parent.row.children, row] });
  }

  #change(node: ToolNode, row: ToolRow): void {
    node.row = row;
    if (node.parent === null) {
      this.rows[node.index] = row;
      return;
    }
    const children = [...node.parent.row.children];
    children[node.index] = row;
    this.#change(node.parent, { ...node.parent.row, children });
  }

  #agent(item: Item, line: ClaudeLine): void {
    const parentId = string(line["parent_tool_use_id"]);
    switch (line.type) {
      case "assistant":
        return this.#assistant(item, line, parentId);
      case "user":
        return this.#user(item, line, parentId);
      case "result":
        return this.#result(item, line);
      case "system":
        return this.#system(item, line);
      case "conversation_reset":
        return this.#push({ ...this.#common(item), kind: "event", tone: "boundary", text: "Claude has forgotten what is above; a new conversation begins here" });
      case "tool_progress":
        return this.#progress(line);
      case "rate_limit_event": {
        const info = record(line["rate_limit_info"]);
        const refused = info["status"] === "rejected";
        const resets = typeof info["resetsAt"] === "number" && Math.abs(info["resetsAt"]) < secondsMax ? `; it begins anew at ${new Date(info["resetsAt"] * 1000).toLocaleString()}` : "";
        const words = refused ? "The usage limit is reached" : info["status"] === "allowed_warning" ? "The usage limit is near" : "Claude says where its usage limit stands";
        return this.#push({ ...this.#common(item), kind: "event", tone: refused ? "fail" : "plain", text: `${words}${resets}`, raw: line });
      }
      default:
        if (silentTypes.has(line.type)) return;
        this.#push({ ...this.#common(item), kind: "event", tone: "plain", text: `Unknown entry: ${line.type}`, raw: line });
    }
  }

  #assistant(item: Item, line: ClaudeLine, parentId: string | null): void {
    const message = record(line["message"]);
    const model = string(message["model"]);
    const blocks = Array.isArray(message["content"]) ? message["content"] : [];
    if (model === "<synthetic>") {
      const text = blocks.map((block) => string(record(block)["text"]) ?? "").join("\n");
      // A slash command answers in Claude's place; its output stands beside that as it was printed.
      const pieces = commandPieces(string(line["local_command_source"]) ?? "");
      if (pieces !== null) {
        const ran = string(record(line["local_command_run"])["command"]);
        this.#command ??= ran === null ? null : `/${ran}`;
        this.#pieces(this.#common(item), pieces, parentId);
        this.#command = null;
        return;
      }
      if (text.trim() === "" || text === "No response requested.") return;
      if (!isErrorLine(line) && text.trim().includes("\n")) return this.#output(this.#common(item), text, false, parentId);
      this.#place({ ...this.#common(item), kind: "event", tone: isErrorLine(line) ? "fail" : "plain", text }, parentId);
      return;
    }
    if (parentId === null) {
      if (model !== null) this.model = model;
      this.#who(item, model);
    }
    blocks.forEach((value: unknown, i) => {
      const block = record(value);
      const common = this.#common(item, i === 0 ? "" : `.${i}`);
      if (block["type"] === "text") {
        const text = string(block["text"]) ?? "";
        if (text.trim() !== "") this.#place({ ...common, kind: "text", text, aborted: line["aborted"] === true }, parentId);
      } else if (block["type"] === "thinking") {
        const text = string(block["thinking"]) ?? "";
        if (text.trim() !== "") this.#place({ ...common, kind: "thinking", text }, parentId);
      } else if (block["type"] === "redacted_thinking") {
        this.#place({ ...common, kind: "thinking", text: "(sealed by the model's provider)" }, parentId);
      } else if (block["type"] === "tool_use" || block["type"] === "server_tool_use") {
        const toolUseId = string(block["id"]) ?? common.key;
        this.#place(
          { ...common, kind: "tool", toolUseId, name: string(block["name"]) ?? "?", input: record(block["input"]), result: null, children: [], cut: null },
          parentId,
        );
      } else {
        this.#place({ ...common, kind: "event", tone: "plain", text: `Unknown part of an answer: ${String(block["type"])}`, raw: block }, parentId);
      }
    });
  }

  #user(item: Item, line: ClaudeLine, parentId: string | null): void {
    if (line["isMeta"] === true) return;
    const content = record(line["message"])["content"];
    const blocks: unknown[] = Array.isArray(content) ? content : typeof content === "string" ? [{ type: "text", text: content }] : [];
    blocks.forEach((value, i) => {
      const block = record(value);
      const common = this.#common(item, i === 0 ? "" : `.${i}`);
      const text = string(block["text"]) ?? "";
      const pieces = block["type"] === "text" ? commandPieces(text) : null;
      if (pieces !== null) return this.#pieces(common, pieces, parentId);
      if (line["isReplay"] === true) return;
      if (block["type"] === "tool_result") return this.#toolResult(item, line, block);
      const picture = pictureOf(block);
      if (picture !== null) return this.#place({ ...common, kind: "picture", picture }, parentId);
      if (block["type"] !== "text") return;
      if (line["isSynthetic"] === true) {
        this.#place({ ...common, kind: "event", tone: "plain", text: "Summary of the conversation so far", raw: text }, parentId);
      } else if (parentId !== null) {
        // A stopped subagent is told so; it reads nothing any more.
        const parent = this.#tools.get(parentId);
        this.#place({ ...common, kind: "event", tone: "plain", text: parent !== undefined && this.#stopped.has(parent) ? "Stopped" : "Asked", raw: text }, parentId);
      }
      // Otherwise it is the agent's echo of a prompt that is in the log as such.
    });
  }

  /** What a command printed; the command itself is in the log as a prompt, unless it was run at the terminal. */
  #pieces(common: Common, pieces: readonly CommandPiece[], parentId: string | null): void {
    pieces.forEach(({ tag, text }, i) => {
      if (tag === "command-name" || tag === "bash-input") this.#command = text.trim();
      else if (tag === "" || tag.endsWith("-stdout") || tag.endsWith("-stderr")) this.#output({ ...common, key: `${common.key}.${i}` }, text, tag.endsWith("-stderr"), parentId);
    });
  }

  #output(common: Common, text: string, failed: boolean, parentId: string | null): void {
    if (text.trim() === "" || text.trim() === "(no content)") return;
    // Claude Code says the same in two ways.
    const last = this.rows.at(-1);
    if (last?.kind === "output" && last.text.trim() === text.trim()) return;
    this.#place({ ...common, kind: "output", of: this.#command, text, failed }, parentId);
  }

  #toolResult(item: Item, line: ClaudeLine, block: Record<string, unknown>): void {
    const id = string(block["tool_use_id"]) ?? "";
    const metas = Array.isArray(line["tool_result_meta"]) ? line["tool_result_meta"] : [];
    const meta = metas.map(record).find((m) => m["id"] === id);
    const structured = line["tool_use_result"] ?? null;
    const pictures = Array.isArray(block["content"]) ? block["content"].map((part) => pictureOf(record(part))).filter((picture) => picture !== null) : [];
    const ofFile = pictures.length === 0 ? pictureOfFile(structured) : null;
    const decision = string(record(meta?.["permission_decision"])["decision"]);
    const result: ToolResult = {
      text: resultText(block["content"]),
      pictures: ofFile === null ? pictures : [ofFile],
      isError: block["is_error"] === true,
      structured,
      decision,
      stopped: decision !== "reject" && (record(structured)["interrupted"] === true || meta?.["non_execution_kind"] === "user-rejected"),
      at: item.decoded.at ?? item.createdAt,
      revision: item.revision,
    };
    const node = this.#tools.get(id);
    if (node !== undefined) {
      this.#open.delete(node);
      // What was stopped together with its subagent gets an error that says nothing else of why.
      const stopped = result.stopped || (result.isError && decision === null && node.row.cut === "stopped");
      return this.#change(node, { ...node.row, result: { ...result, stopped } });
    }
    // The call lies before what is loaded; once it is, everything is joined anew.
    this.#place({ ...this.#common(item), kind: "tool", toolUseId: id, name: "", input: {}, result, children: [], cut: null }, null);
  }

  #result(item: Item, line: ClaudeLine): void {
    const reason = string(line["terminal_reason"]) ?? "";
    const stopped = reason.startsWith("aborted");
    const failed = !stopped && line["is_error"] === true;
    const errors = Array.isArray(line["errors"]) ? line["errors"].filter((e) => typeof e === "string").join("\n") : "";
    const duration = line["duration_ms"];
    // A tool that got no result by now will get none, unless it is at work for a subagent that goes on without the turn.
    this.#cut(stopped ? "stopped" : "turn", (node) => !isBelow(node, (above) => this.#running.has(above)));
    this.#denied(line["permission_denials"]);
    for (const node of this.#running) if (node.row.background?.settled === false) this.#change(node, { ...node.row, background: { ...node.row.background, settled: true } });
    this.#push({
      ...this.#common(item),
      kind: "result",
      outcome: stopped ? "stopped" : failed ? "failed" : "done",
      durationMs: typeof duration === "number" ? duration : null,
      reason: failed ? string(line["result"]) || errors || string(line["subtype"]) : null,
      usage: usageOf(line),
    });
    this.#heading = false;
  }

  #cut(why: Cut, which: (node: ToolNode) => boolean = () => true): void {
    for (const node of this.#open) {
      if (!which(node)) continue;
      this.#open.delete(node);
      this.#change(node, { ...node.row, cut: why });
    }
  }

  /** Calls that were not allowed, as the end of their turn lists them. */
  #denied(denials: unknown): void {
    for (const each of Array.isArray(denials) ? denials.map(record) : []) {
      const node = this.#tools.get(string(each["tool_use_id"]) ?? "");
      const result = node?.row.result;
      if (node !== undefined && result?.isError === true && result.decision === null) this.#change(node, { ...node.row, result: { ...result, decision: "reject" } });
    }
  }

  /** A command or a subagent that ran on without a turn is over. */
  #taskEnded(item: Item, line: ClaudeLine): void {
    const task = this.#background.get(string(line["task_id"]) ?? "");
    const node = this.#tools.get(string(line["tool_use_id"]) ?? "");
    if (node !== undefined) {
      const stopped = isStopped(string(line["status"]) ?? "");
      if (stopped) this.#stopped.add(node);
      this.#cut(stopped ? "stopped" : "turn", (open) => isBelow(open, (above) => above === node));
    }
    if (task?.hidden === true) return; // it was part of a turn: its result says so
    const what = task?.what || string(line["summary"]) || "A task";
    const status = string(line["status"]) ?? "";
    this.#inBackground(line, status);
    this.#push({ ...this.#common(item), kind: "event", tone: status === "failed" ? "fail" : "plain", text: `In the background: “${what}” ${backgroundWord(status)}`, raw: line });
  }

  #inBackground(line: ClaudeLine, status: string): void {
    const node = this.#tools.get(string(line["tool_use_id"]) ?? "");
    if (node === undefined) return;
    this.#change(node, { ...node.row, background: { task: string(line["task_id"]) ?? "", status, settled: node.row.background?.settled ?? false } });
    if (status === "begun") this.#running.add(node);
    else this.#running.delete(node);
  }

  #progress(line: ClaudeLine): void {
    const node = this.#tools.get(string(line["tool_use_id"]) ?? "");
    const seconds = line["elapsed_time_seconds"];
    if (node !== undefined && node.row.result === null && typeof seconds === "number") this.#change(node, { ...node.row, ranFor: seconds });
  }

  #system(item: Item, line: ClaudeLine): void {
    const subtype = string(line["subtype"]) ?? "";
    const say = (text: string, tone: EventRow["tone"] = "plain", raw?: unknown) =>
      this.#push({ ...this.#common(item), kind: "event", text, tone, ...(raw === undefined ? {} : { raw }) });
    if (subtype === "status" && line["status"] === "compacting") return say("Claude begins to make the conversation shorter");
    if (subtype === "status" && typeof line["compact_error"] === "string") return say(`The conversation could not be made shorter: ${line["compact_error"]}`, "fail");
    if (subtype === "task_started") {
      // Its own row shows what it is and when it began.
      const hidden = line["is_backgrounded"] === false;
      const node = this.#tools.get(string(line["tool_use_id"]) ?? "");
      if (node !== undefined) this.#stopped.delete(node);
      this.#background.set(string(line["task_id"]) ?? "", { what: string(line["description"]) ?? "", hidden });
      if (!hidden) this.#inBackground(line, "begun");
      return;
    }
    if (subtype === "task_notification") return this.#taskEnded(item, line);
    if (subtype === "hook_response") {
      const failed = line["outcome"] === "error" || (typeof line["exit_code"] === "number" && line["exit_code"] !== 0);
      const ended = failed ? "failed" : line["outcome"] === "cancelled" ? "was cancelled" : "ran";
      return say(`Hook ${string(line["hook_name"]) ?? string(line["hook_event"]) ?? ""} ${ended}`, failed ? "fail" : "plain", line);
    }
    if (subtype === "init") {
      this.model = string(line["model"]) ?? this.model;
      return;
    }
    if (silentSystem.has(subtype)) return;
    if (subtype === "compact_boundary") return say("Claude goes on with a summary of what is above", "boundary");
    if (subtype === "api_retry") {
      const { error_status: status, attempt: n, max_retries: of } = line;
      const attempt = typeof n === "number" && typeof of === "number" ? `; attempt ${n} of ${of}` : "";
      return say(`${typeof status === "number" ? `The model's API answered ${status}` : "The model's API was not reached"}${attempt}`, "plain");
    }
    if (subtype === "informational") return say(string(line["content"]) ?? string(line["message"]) ?? "Note", "plain", line);
    say(`Unknown entry: system/${subtype}`, "plain", line);
  }
}

export function modeName(mode: string): string {
  switch (mode) {
    case "default":
    case "manual":
      return "Ask before edits";
    case "acceptEdits":
      return "Accept edits";
    case "plan":
      return "Plan first";
    case "bypassPermissions":
      return "Ask nothing";
    case "dontAsk":
      return "Deny what would ask";
    case "auto":
      return "Decide by itself";
    default:
      return mode === "" ? "Mode" : mode;
  }
}

/** What ended a session in order. */
function endedWords(why: string): string {
  switch (why) {
    case "terminal":
      return "at its terminal";
    case "dashboard":
      return "somebody ended it in a dashboard";
    case "system":
      return "its terminal was closed, or the system asked consortium to end";
    case "claude":
      return "Claude Code ended";
    case "trouble":
      return "consortium could not go on";
    default:
      return why === "" ? "no reason given" : why;
  }
}

/** Why the agent never runs a prompt. What a newer agent says stands as it is. */
function refusalWords(reason: string): string {
  switch (reason) {
    case "unauthentic":
      return "its signature does not hold";
    case "malformed":
      return "it is not of a form that the agent knows";
    case "replay":
      return "it repeats an earlier one";
    case "gap":
      return "one before it has not come; it runs once that has";
    case "bad chain":
      return "it does not follow the one that its writer sent before it";
    case "device":
      return "the device that signed it may not give orders";
    case "full":
      return "too many are held already";
    case "storage":
      return "the machine could not write it down";
    case "taken back":
      return "it was taken back";
    case "not wanted":
      return "it was dropped";
    default:
      return reason === "" ? "no reason given" : reason;
  }
}

function problemText(problem: NonNullable<Item["problem"]>): string {
  const entries = (count: number) => (count === 1 ? "1 entry is" : `${count.toLocaleString("en")} entries are`);
  switch (problem.kind) {
    case "missing":
      return `${entries(problem.count)} missing here: the relay numbered them but did not deliver them.`;
    case "gap":
      return `${entries(problem.missing)} missing before the next one: its sender numbered it ${problem.got}, and ${problem.expected} was expected.`;
    case "broken":
      return "The next entry could not be verified: it does not follow the entry its sender said before it.";
    case "repeated":
      return "This entry could not be verified: it repeats an earlier one.";
    case "out-of-order":
      return `This entry could not be verified: it is out of order. Its sender numbered it ${problem.got}, and ${problem.expected} was expected.`;
  }
}

function isStopped(status: string): boolean {
  return status === "stopped" || status === "killed";
}

/** How something in the background ended. */
export function backgroundWord(status: string): string {
  switch (status) {
    case "completed":
      return "is done";
    case "failed":
      return "failed";
    case "stopped":
    case "killed":
      return "was stopped";
    case "lost":
      return "its end is not known";
    default:
      return status === "" ? "ended" : `ended: ${status}`;
  }
}

/** An answer that Claude Code wrote itself because the model's API failed. */
function isErrorLine(line: ClaudeLine): boolean {
  return line["is_api_error_message"] === true || typeof line["error"] === "string";
}

function slashCommand(prompt: string): string | null {
  return /^\/[\w:-]+/.exec(prompt)?.[0] ?? null;
}

function usageOf(line: ClaudeLine): ResultRow["usage"] {
  const { input_tokens: input, output_tokens: output, cache_read_input_tokens: read, cache_creation_input_tokens: written } = record(line["usage"]);
  if (typeof input !== "number" || typeof output !== "number") return null;
  const cached = [read, written].reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0);
  const cost = line["total_cost_usd"];
  return { input: input + cached, output, costUsd: typeof cost === "number" ? cost : null };
}

/** What a person said in a line of Claude's record; empty where it is something else. */
function textOf(content: unknown): string {
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

export function string(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
