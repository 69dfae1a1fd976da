// From messages to the rows of a conversation: tool calls meet their results, subagents are nested, prompts get their strokes.
import { askHash } from "../crypto/index.ts";
import { parseAsk } from "./ask.ts";
import { readLine, readRecordLine, slashCommand, timeOf } from "./claude/lines.ts";
import type { Approval, ClaudeLine, Decoded } from "./decode.ts";
import type { AnsweredAsk, Cut, EventRow, Problem, Row, RowBase, ToolRow } from "./rows.ts";
import type { Said, Saying } from "./said.ts";
import { record, string } from "./values.ts";
import { backgroundWord, endedWords, modeName, problemText, refusalWords } from "./words.ts";

export interface Item {
  readonly id: string;
  readonly seq: number;
  readonly revision: number;
  /** When the relay stored it. */
  readonly createdAt: number;
  readonly localId: string | null;
  readonly decoded: Decoded;
  readonly problem?: Problem;
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
        this.#take(item, readLine(content.line));
        break;
    }
  }

  #common(item: Item, suffix = ""): RowBase {
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
    lines.forEach((each, i) => {
      const line = each as ClaudeLine;
      const id = string(line["uuid"]);
      if (typeof line.type !== "string" || (id !== null && this.#earlierLines.has(id))) return;
      if (id !== null) this.#earlierLines.add(id);
      this.#take({ ...item, id: `${item.id}.${i}`, decoded: { ...item.decoded, at: timeOf(line) ?? item.decoded.at } }, readRecordLine(line));
    });
    if (part === parts) {
      // That record names no ends of turns: what has no result in it got none.
      this.#agentEnded();
      say("Goes on here", "$");
    }
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

  #take(item: Item, { within, speaker, model, parts }: Said): void {
    if (typeof model === "string") this.model = model;
    if (speaker !== undefined && within === null) {
      if (speaker.model !== null) this.model = speaker.model;
      this.#who(item, speaker.model);
    }
    parts.forEach((saying, i) => this.#say(item, this.#common(item, i === 0 ? "" : `.${i}`), saying, within));
  }

  #say(item: Item, common: RowBase, saying: Saying, within: string | null): void {
    switch (saying.kind) {
      case "text":
        return this.#place({ ...common, kind: "text", text: saying.text, aborted: saying.aborted }, within);
      case "thinking":
        return this.#place({ ...common, kind: "thinking", text: saying.text }, within);
      case "call":
        return this.#place({ ...common, kind: "tool", toolUseId: saying.id ?? common.key, name: saying.tool, input: saying.input, result: null, children: [], cut: null }, within);
      case "result":
        return this.#result(item, common, saying);
      case "progress": {
        const node = this.#tools.get(saying.call);
        if (node !== undefined && node.row.result === null) this.#change(node, { ...node.row, ranFor: saying.seconds });
        return;
      }
      case "picture":
        return this.#place({ ...common, kind: "picture", picture: saying.picture }, within);
      case "event":
        return this.#place({ ...common, kind: "event", text: saying.text, tone: saying.tone, ...(saying.raw === undefined ? {} : { raw: saying.raw }) }, within);
      case "asked": {
        // A stopped subagent is told so; it reads nothing any more.
        const parent = within === null ? undefined : this.#tools.get(within);
        return this.#place({ ...common, kind: "event", tone: "plain", text: parent !== undefined && this.#stopped.has(parent) ? "Stopped" : "Asked", raw: saying.text }, within);
      }
      case "prompt":
        this.#command = slashCommand(saying.text);
        this.#cut("turn");
        this.#push({ ...common, kind: "prompt", text: saying.text, state: "taken", localId: null, bundleId: null, device: null, earlier: true, number: null });
        this.#heading = false;
        return;
      case "stop":
        this.#cut("stopped");
        return this.#push({ ...common, kind: "event", tone: "plain", text: "Stopped" });
      case "command":
        this.#command = saying.unlessNamed === true ? (this.#command ?? saying.name) : saying.name;
        return;
      case "output":
        return this.#output(common, saying.text, saying.failed, within);
      case "task": {
        // Its own row shows what it is and when it began.
        const node = this.#tools.get(saying.call ?? "");
        if (node !== undefined) this.#stopped.delete(node);
        this.#background.set(saying.task, { what: saying.what, hidden: saying.hidden });
        if (!saying.hidden) this.#inBackground(saying.task, node, "begun");
        return;
      }
      case "task-end":
        return this.#taskEnded(common, saying);
      case "turn":
        return this.#turn(common, saying);
    }
  }

  #output(common: RowBase, text: string, failed: boolean, within: string | null): void {
    if (text.trim() === "" || text.trim() === "(no content)") return;
    // Claude Code says the same in two ways.
    const last = this.rows.at(-1);
    if (last?.kind === "output" && last.text.trim() === text.trim()) return;
    this.#place({ ...common, kind: "output", of: this.#command, text, failed }, within);
  }

  #result(item: Item, common: RowBase, { call, result: said }: Extract<Saying, { kind: "result" }>): void {
    const result = { ...said, at: item.decoded.at ?? item.createdAt, revision: item.revision };
    const node = this.#tools.get(call);
    if (node !== undefined) {
      this.#open.delete(node);
      // What was stopped together with its subagent gets an error that says nothing else of why.
      const stopped = result.stopped || (result.isError && result.decision === null && node.row.cut === "stopped");
      return this.#change(node, { ...node.row, result: { ...result, stopped } });
    }
    // The call lies before what is loaded; once it is, everything is joined anew.
    this.#place({ ...common, kind: "tool", toolUseId: call, name: "", input: {}, result, children: [], cut: null }, null);
  }

  #turn(common: RowBase, { outcome, durationMs, reason, usage, denied }: Extract<Saying, { kind: "turn" }>): void {
    // A tool that got no result by now will get none, unless it is at work for a subagent that goes on without the turn.
    this.#cut(outcome === "stopped" ? "stopped" : "turn", (node) => !isBelow(node, (above) => this.#running.has(above)));
    for (const call of denied) {
      const node = this.#tools.get(call);
      const result = node?.row.result;
      if (node !== undefined && result?.isError === true && result.decision === null) this.#change(node, { ...node.row, result: { ...result, decision: "reject" } });
    }
    for (const node of this.#running) if (node.row.background?.settled === false) this.#change(node, { ...node.row, background: { ...node.row.background, settled: true } });
    this.#push({ ...common, kind: "result", outcome, durationMs, reason, usage });
    this.#heading = false;
  }

  #cut(why: Cut, which: (node: ToolNode) => boolean = () => true): void {
    for (const node of this.#open) {
      if (!which(node)) continue;
      this.#open.delete(node);
      this.#change(node, { ...node.row, cut: why });
    }
  }

  /** A command or a subagent that ran on without a turn is over. */
  #taskEnded(common: RowBase, { task, call, status, summary, raw }: Extract<Saying, { kind: "task-end" }>): void {
    const known = this.#background.get(task);
    const node = this.#tools.get(call ?? "");
    if (node !== undefined) {
      const stopped = isStopped(status);
      if (stopped) this.#stopped.add(node);
      this.#cut(stopped ? "stopped" : "turn", (open) => isBelow(open, (above) => above === node));
    }
    if (known?.hidden === true) return; // it was part of a turn: its result says so
    this.#inBackground(task, node, status);
    const what = known?.what || summary || "A task";
    this.#push({ ...common, kind: "event", tone: status === "failed" ? "fail" : "plain", text: `In the background: “${what}” ${backgroundWord(status)}`, raw });
  }

  #inBackground(task: string, node: ToolNode | undefined, status: string): void {
    if (node === undefined) return;
    this.#change(node, { ...node.row, background: { task, status, settled: node.row.background?.settled ?? false } });
    if (status === "begun") this.#running.add(node);
    else this.#running.delete(node);
  }
}

function isStopped(status: string): boolean {
  return status === "stopped" || status === "killed";
}
