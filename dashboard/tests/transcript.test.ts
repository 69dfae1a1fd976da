// From messages to rows, and tool calls to lines.
import { describe, expect, it } from "vitest";
import { type Going, goingWithin, outcome } from "../src/components/toolbox.tsx";
import { browserName, day, duration, homePath, longDay, time, waiting, when } from "../src/components/format.ts";
import type { ClaudeLine, Content } from "../src/state/decode.ts";
import { commandPieces, isMarkdown } from "../src/state/claude/commandoutput.ts";
import { digest } from "../src/state/digest.ts";
import { drawable, pictureBytesMax } from "../src/state/pictures.ts";
import { countChanges, describeTool, diffOf, lineDiff } from "../src/state/tools.ts";
import { Partials } from "../src/state/partials.ts";
import { Preview } from "../src/state/preview.ts";
import type { Row } from "../src/state/rows.ts";
import { type Item, Transcript } from "../src/state/transcript.ts";
import { record } from "../src/state/values.ts";
import { assistant } from "./fake-agent.ts";

let seq = 0;

function item(content: Content, extra: Partial<Item> = {}): Item {
  seq += 1;
  return {
    id: `m${seq}`, seq, revision: 100 + seq, createdAt: seq * 1000, localId: null,
    decoded: { content, link: { from: "f", n: seq, prev: null, id: `b${seq}` }, at: seq * 1000, device: null, unbound: false },
    ...extra,
  };
}
const line = (data: Record<string, unknown>): Content => ({ type: "agent", line: data as unknown as ClaudeLine, block: null });

function rowsOf(...contents: (Content | Item)[]): Row[] {
  const transcript = new Transcript();
  for (const content of contents) transcript.add("decoded" in content ? content : item(content));
  return transcript.rows;
}

const toolUse = (id: string, name: string, input: unknown, parent: string | null = null) => line(assistant([{ type: "tool_use", id, name, input }], parent));
const toolResult = (id: string, content: unknown, parent: string | null = null, isError = false) =>
  line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content, is_error: isError }] }, parent_tool_use_id: parent });

describe("transcript", () => {
  it("shows what it does not know instead of dropping it", () => {
    const rows = rowsOf(
      { type: "unknown", value: { hello: 1 } },
      { type: "event", data: { type: "from-the-future" } },
      line({ type: "something_new" }),
      line({ type: "system", subtype: "new_thing" }),
      line(assistant([{ type: "hologram" }], null)),
    );
    expect(rows.filter((row) => row.kind === "event" && row.raw !== undefined)).toHaveLength(5);
  });

  it("keeps noise out", () => {
    const rows = rowsOf(
      line({ type: "system", subtype: "init", model: "claude-opus-5-5" }),
      line({ type: "system", subtype: "thinking_tokens" }),
      line({ type: "user", isReplay: true, message: { content: "again" } }),
      line({ type: "user", message: { content: [{ type: "text", text: "[Request interrupted by user]" }] } }),
      { type: "event", data: { type: "ready" } },
    );
    expect(rows).toEqual([]);
  });

  it("shows what a command printed, once, as what it is", () => {
    const printed = "Estimated cost:        $0.0000\nTotal duration (API):  0s";
    const user = (content: unknown, more: Record<string, unknown> = {}) => line({ type: "user", message: { content }, ...more });
    const rows = rowsOf(
      { type: "prompt", text: "/cost", meta: {} },
      line({ ...assistant([{ type: "text", text: printed }], null), message: { model: "<synthetic>", content: [{ type: "text", text: printed }] }, local_command_source: `<local-command-stdout>${printed}</local-command-stdout>`, local_command_run: { command: "usage", args: "" } }),
      user(`<local-command-stdout>${printed}</local-command-stdout>`, { isReplay: true }),
      user("<command-name>/context</command-name>\n<command-message>context</command-message>\n<command-args></command-args>"),
      user("<local-command-stdout>## Context Usage\n\n| a | b |\n|---|---|</local-command-stdout>"),
      user("<local-command-caveat>Caveat: not for you</local-command-caveat>"),
      user("<local-command-stdout></local-command-stdout>"),
      user([{ type: "text", text: "<bash-input>ls -l</bash-input>" }]),
      user([{ type: "text", text: "<bash-stdout>a  b</bash-stdout><bash-stderr>no such file</bash-stderr>" }]),
    );
    expect(rows.slice(1).map((row) => row.kind === "output" && [row.of, row.text, row.failed])).toEqual([
      ["/cost", printed, false],
      ["/context", "## Context Usage\n\n| a | b |\n|---|---|", false],
      ["ls -l", "a  b", false],
      ["ls -l", "no such file", true],
    ]);
    expect(["## Context Usage\n\nx", "| a | b |\n|---|---|\n", printed, "a # b", "-- x"].map(isMarkdown)).toEqual([true, true, false, false, false]);
  });

  it("loses nothing of a command's output that does not end, or has something behind it", () => {
    expect(commandPieces("<bash-stdout>a</bash-stdout> b")).toEqual([{ tag: "bash-stdout", text: "a" }, { tag: "", text: "b" }]);
    expect(commandPieces("<bash-stdout>a")).toEqual([{ tag: "bash-stdout", text: "a" }]);
    expect(commandPieces("<bash-stdout>".repeat(100_000))?.length).toBe(1);
    expect(commandPieces("say <bash-stdout>")).toBeNull();
  });

  it("has pictures of results and of prompts, and names what it cannot draw", () => {
    const png = (width: number, height: number) => {
      const bytes = Buffer.concat([Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"), Buffer.alloc(16)]);
      bytes.writeUInt32BE(width, 16);
      bytes.writeUInt32BE(height, 20);
      return bytes.toString("base64");
    };
    const source = (data: string, media_type = "image/png") => ({ type: "image", source: { type: "base64", media_type, data } });
    const rows = rowsOf(
      toolUse("t1", "Read", { file_path: "a.png" }),
      toolResult("t1", [{ type: "text", text: "here" }, source(png(3, 2)), { type: "image", data: "AAAA", mimeType: "image/webp" }, { type: "resource" }]),
      toolUse("t2", "Read", { file_path: "b.png" }),
      line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: "t2", content: "" }] }, tool_use_result: { type: "image", file: { base64: png(1, 1), type: "image/png" } } }),
      line({ type: "user", message: { content: [source(png(5, 5))] } }),
    );
    const [first, second, third] = rows.filter((row) => row.kind === "tool" || row.kind === "picture");
    if (first?.kind !== "tool" || second?.kind !== "tool" || third?.kind !== "picture") throw new Error("other rows");
    expect(first.result?.text).toBe("here\n[resource]");
    expect(first.result?.pictures.map((picture) => drawable(picture))).toEqual([{ url: `data:image/png;base64,${png(3, 2)}`, width: 3, height: 2 }, null]);
    expect(second.result?.pictures.map((picture) => [picture.type, drawable(picture)?.width])).toEqual([["image/png", 1]]);
    expect(drawable(third.picture)).toMatchObject({ width: 5 });

    const of = (data: string) => drawable({ type: "image/png", bytes: 1, data });
    const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex").toString("base64");
    expect(of(png(100_000, 100_000)), "it would unfold to gigabytes").toBeNull();
    expect(of(png(0, 5))).toBeNull();
    expect(of(Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>").toString("base64"))).toBeNull();
    expect(of(`${png(1, 1)}" onerror="x`)).toBeNull();
    expect(of("A".repeat(pictureBytesMax * 2))).toBeNull();
    expect(of(bytes("474946383961 0a00 1400 00"))).toMatchObject({ width: 10, height: 20, url: expect.stringContaining("data:image/gif;") });
    expect(of(bytes("ffd8 ffe0 0004 0000 ff ffc2 0011 08 0020 0040 03"))).toMatchObject({ width: 64, height: 32, url: expect.stringContaining("data:image/jpeg;") });
    expect(of(bytes("52494646 00000000 57454250 56503858 0a000000 00000000 0f0000 070000"))).toMatchObject({ width: 16, height: 8, url: expect.stringContaining("data:image/webp;") });
    expect(of(bytes("52494646 00000000 57454250 5650384c 00000000 2f 0f c0 01 00"))).toMatchObject({ width: 16, height: 8 });
    expect(of(bytes("52494646 00000000 57454250 56503820 00000000 000000 9d012a 1000 0800"))).toMatchObject({ width: 16, height: 8 });
    for (const whole of ["ffd8 ffe0 0004 0000 ffc2 0011 08 0020 0040 03", "474946383961 0a00 1400", "89504e470d0a1a0a0000000d494844520000000100000001", "52494646 00000000 57454250 56503858 0a000000 00000000 0f0000 070000"]) {
      const all = Buffer.from(whole.replaceAll(" ", ""), "hex");
      for (let length = 0; length < all.length; length += 1) expect(() => of(all.subarray(0, length).toString("base64"))).not.toThrow();
    }
  });

  it("draws the boundary of what Claude still knows", () => {
    const rows = rowsOf(
      line({ type: "system", subtype: "status", status: "compacting" }),
      line({ type: "system", subtype: "status", status: null, compact_result: "success" }),
      line({ type: "system", subtype: "compact_boundary", compact_metadata: {} }),
      line({ type: "system", subtype: "status", status: null, compact_error: "no room" }),
      line({ type: "conversation_reset", new_conversation_id: "n" }),
    );
    expect(rows.map((row) => row.kind === "event" && row.tone)).toEqual(["plain", "boundary", "fail", "boundary"]);
  });

  it("shows a line that the agent could not read, as it is", () => {
    const [row] = rowsOf({ type: "event", data: { type: "unreadable", line: '{"type":"assis', bytes: 14 } });
    expect(row).toMatchObject({ kind: "event", tone: "fail", raw: '{"type":"assis' });
  });

  it("shows limits, hooks, what a turn took and how long a call has run", () => {
    const rows = rowsOf(
      toolUse("t1", "Bash", { command: "make" }),
      line({ type: "tool_progress", tool_use_id: "t1", elapsed_time_seconds: 30 }),
      line({ type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt: 1_800_000_000 } }),
      line({ type: "rate_limit_event", rate_limit_info: { status: "allowed_warning" } }),
      line({ type: "system", subtype: "hook_response", hook_name: "Stop", exit_code: 2, output: "no" }),
      line({ type: "result", subtype: "success", is_error: false, usage: { input_tokens: 5, cache_read_input_tokens: 10, output_tokens: 7 }, total_cost_usd: 0.5 }),
    );
    expect(rows.find((row) => row.kind === "tool")).toMatchObject({ ranFor: 30 });
    expect(rows.flatMap((row) => (row.kind === "event" ? [[row.text.split(";")[0], row.tone]] : []))).toEqual([
      ["The usage limit is reached", "fail"],
      ["The usage limit is near", "plain"],
      ["Hook Stop failed", "fail"],
    ]);
    expect(rows.at(-1)).toMatchObject({ usage: { input: 15, output: 7, costUsd: 0.5 } });
  });

  it("says of what runs in the background how it ended, and nothing of what was part of a turn", () => {
    const task = (subtype: string, id: string, more: Record<string, unknown>) => line({ type: "system", subtype, task_id: id, tool_use_id: `t${id}`, ...more });
    const rows = rowsOf(
      toolUse("ta", "Bash", { command: "serve" }),
      toolUse("tb", "Bash", { command: "make" }),
      task("task_started", "a", { description: "Serve", is_backgrounded: true }),
      task("task_started", "b", { description: "Make", is_backgrounded: false }),
      toolResult("ta", "Command running in background"),
      task("task_notification", "b", { status: "completed", summary: "Make" }),
      task("task_notification", "a", { status: "stopped", summary: "x" }),
      task("task_notification", "c", { status: "failed", summary: "From before" }),
    );
    expect(rows.flatMap((row) => (row.kind === "event" ? [row.text] : []))).toEqual(["In the background: “Serve” was stopped", "In the background: “From before” failed"]);
    expect(rows.flatMap((row) => (row.kind === "tool" ? [row.background?.status] : []))).toEqual(["stopped", undefined]);
  });

  it("knows why a call has no result, and that nothing of a dead agent goes on", () => {
    const cuts = (...contents: Content[]) => rowsOf(...contents).flatMap((row) => (row.kind === "tool" ? [row.cut] : []));
    const call = () => toolUse(`c${seq}`, "Bash", {});
    const event = (type: string, more: object = {}): Content => ({ type: "event", data: { type, ...more } });
    expect(cuts(call())).toEqual([null]);
    expect(cuts(call(), line({ type: "result", is_error: true, terminal_reason: "aborted_tools" }))).toEqual(["stopped"]);
    expect(cuts(call(), line({ type: "result", is_error: false, terminal_reason: "completed" }))).toEqual(["turn"]);
    expect(cuts(call(), event("resumed", { after: "crash" }), call())).toEqual(["agent", null]);
    expect(cuts(call(), event("ended", { why: "dashboard" }))).toEqual(["agent"]);
    const rows = rowsOf(
      toolUse("bg", "Agent", {}),
      line({ type: "system", subtype: "task_started", task_id: "b", tool_use_id: "bg", description: "Look around", is_backgrounded: true }),
      toolResult("bg", "launched"),
      line({ type: "result", is_error: false, terminal_reason: "completed" }),
      event("resumed", { after: "crash" }),
    );
    expect(rows.find((row) => row.kind === "tool")).toMatchObject({ background: { task: "b", status: "lost" } });
  });

  it("knows what was stopped with its subagent, and what goes on for one after the turn", () => {
    const below = (id: string, parent: string) => line({ ...assistant([{ type: "tool_use", id, name: "Bash", input: {} }], null), parent_tool_use_id: parent });
    const failed = (id: string, parent: string, more: object = {}) =>
      line({ type: "user", parent_tool_use_id: parent, message: { content: [{ type: "tool_result", tool_use_id: id, is_error: true, content: "The tool use was rejected" }] }, tool_use_result: "User rejected tool use", ...more });
    const began = (id: string, more: object) => line({ type: "system", subtype: "task_started", task_id: `task-${id}`, tool_use_id: id, is_backgrounded: true, task_type: "local_agent", ...more });
    const ended = (id: string, status: string) => line({ type: "system", subtype: "task_notification", task_id: `task-${id}`, tool_use_id: id, status, summary: "Long work" });
    const turnEnd = line({ type: "result", is_error: true, terminal_reason: "aborted_streaming" });
    const begun = [toolUse("a", "Agent", {}), began("a", { description: "Long work" }), toolResult("a", "launched"), below("i1", "a"), below("i2", "a"), below("agent2", "i2"), below("i3", "agent2")];
    const inner = (...contents: Content[]) => {
      const words: Record<string, string> = {};
      const walk = (rows: readonly Row[]): void => rows.forEach((row) => {
        if (row.kind !== "tool") return;
        words[row.toolUseId] = outcome(row, { agent: "there", background: null }).text?.toString().replace(/^\d+ steps?, |, [\d.]+ s$/g, "") ?? "";
        walk(row.children);
      });
      walk(rowsOf(...contents));
      return words;
    };
    expect(inner(...begun, line({ type: "result", is_error: false, terminal_reason: "completed" })), "the turn that began it is over").toMatchObject({ i1: "running", i3: "running" });
    // As Claude Code 2.1.330 says it: the end of the subagent, of the turn, and then an error for what it ran, without a mark.
    expect(inner(...begun, failed("i1", "a"), ended("a", "stopped"), turnEnd, failed("i3", "agent2"))).toMatchObject({ i1: "failed", i2: "stopped", i3: "stopped" });
    expect(inner(...begun, ended("a", "killed"), failed("i1", "a", { tool_result_meta: [{ id: "i1", permission_decision: { decision: "reject" } }] }))).toMatchObject({ i1: "denied", i2: "stopped" });
    expect(inner(...begun, ended("a", "completed"))).toMatchObject({ i1: "no result", i3: "no result" });
    expect(inner(toolUse("b", "Agent", {}), began("b", { is_backgrounded: false }), below("i", "b"), ended("b", "stopped"), failed("i", "b"))).toMatchObject({ i: "stopped" });
    expect(inner(...begun, { type: "event", data: { type: "resumed", after: "crash" } })).toMatchObject({ i1: "no result: the agent ended before" });
    // Its end was never told, but the agent's state has it no more: nobody knows what became of what it ran.
    const untold = rowsOf(...begun, line({ type: "result", is_error: false, terminal_reason: "completed" })).find((row) => row.kind === "tool");
    const steps = (going: Going) => (untold?.kind === "tool" ? untold.children.map((child) => child.kind === "tool" && String(outcome(child, goingWithin(untold, going)).text)) : []);
    expect(steps({ agent: "there", background: new Set(["task-a"]) })).toEqual(["running", "running"]);
    expect(steps({ agent: "there", background: new Set() })).toEqual(["no result known", "1 step, no result known"]);
    const told = (...contents: Content[]) =>
      rowsOf(...begun, ...contents, line({ type: "user", parent_tool_use_id: "a", message: { content: [{ type: "text", text: "[Request interrupted by user for tool use]" }] } })).flatMap((row) => (row.kind === "tool" ? row.children.flatMap((child) => (child.kind === "event" ? [child.text] : [])) : []));
    expect([told(), told(ended("a", "stopped")), told(ended("a", "stopped"), began("a", {}))]).toEqual([["Asked"], ["Stopped"], ["Asked"]]);
  });

  it("says that a session ended and how, that it goes on, and where Claude knows nothing any more", () => {
    const event = (type: string, more: object): Content => ({ type: "event", data: { type, ...more } });
    const rows = rowsOf(event("ended", { why: "terminal" }), event("resumed", { after: "end" }), event("ended", { why: "odd" }), event("resumed", { after: "crash" }), event("resumed", { after: "end", forgotten: true }));
    expect(rows.map((row) => row.kind === "event" && [row.text, row.tone])).toEqual([
      ["The session ended: at its terminal", "plain"],
      ["Taken up again at the machine", "plain"],
      ["The session ended: odd", "plain"],
      ["The agent was interrupted here and goes on. An answer that it was in the middle of may be missing.", "plain"],
      ["Claude begins anew here: its own record of what is above is gone", "boundary"],
    ]);
  });

  it("shows what was said before the session, marked, once, between two lines", () => {
    const at = "2026-11-23T05:27:04.616Z";
    const said = (uuid: string, content: unknown, more: object = {}) => ({ type: "user", uuid, timestamp: at, message: { role: "user", content }, ...more });
    const answered = (uuid: string, content: unknown[]) => ({ ...assistant(content, null), uuid, timestamp: at });
    const earlier = (part: number, parts: number, lines: unknown[], more: object = {}): Content => ({ type: "event", data: { type: "earlier", part, parts, lines, ...more } });
    const lines = [said("u1", "fix it"), answered("a1", [{ type: "tool_use", id: "t1", name: "Bash", input: { command: "make" } }])];
    const rows = rowsOf(
      earlier(1, 2, lines, { left: 1200 }),
      earlier(2, 2, [said("u2", [{ type: "tool_result", tool_use_id: "t1", content: "ok" }]), answered("a2", [{ type: "text", text: "Fixed." }]), said("u3", "a summary", { isSynthetic: true }), said("u4", [{ type: "text", text: "[Request interrupted by user]" }]), said("u5", "[Request interrupted by user]", { promptSource: "typed" }), ...lines]),
      line(assistant([{ type: "text", text: "now" }], null)),
    );
    expect(rows.map((row) => [row.kind, "text" in row ? row.text : ""])).toEqual([
      ["event", "Said before this session, as Claude Code's own record on the machine has it; 1,200 older entries stand only there"],
      ["prompt", "fix it"],
      ["who", ""],
      ["tool", ""],
      ["text", "Fixed."],
      ["event", "Summary of the conversation so far"],
      ["event", "Stopped"],
      ["prompt", "[Request interrupted by user]"],
      ["event", "Goes on here"],
      ["who", ""],
      ["text", "now"],
    ]);
    expect(rows[1]).toMatchObject({ earlier: true, device: null, at: Date.parse(at) });
    expect(rows[3]).toMatchObject({ kind: "tool", result: { text: "ok" } });
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
  });

  it("takes a denial from the end of its turn, and a failure of the model's API from its mark", () => {
    const synthetic = (text: string, more: object = {}) => ({ ...assistant([], null), message: { model: "<synthetic>", content: [{ type: "text", text }] }, ...more });
    const rows = rowsOf(
      toolUse("d1", "Write", {}),
      toolResult("d1", "no", null, true),
      toolUse("d2", "Bash", {}),
      toolResult("d2", "Permission denied", null, true),
      line({ type: "result", is_error: false, permission_denials: [{ tool_name: "Write", tool_use_id: "d1" }] }),
      line(synthetic("No errors here")),
      line(synthetic("Prompt is too long", { error: "invalid_request" })),
    );
    expect(rows.flatMap((row) => (row.kind === "tool" ? [row.result?.decision] : []))).toEqual(["reject", null]);
    const marked = (meta: object) => line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: "m", content: "The tool use was rejected", is_error: true }] }, tool_result_meta: [{ id: "m", ...meta }] });
    const mark = (meta: object) => rowsOf(toolUse("m", "Bash", {}), marked(meta)).flatMap((row) => (row.kind === "tool" ? [row.result?.decision, row.result?.stopped] : []));
    expect(mark({ non_execution_kind: "permission-rule", permission_decision: { decision: "reject", source: "user_reject" } })).toEqual(["reject", false]);
    expect(mark({ non_execution_kind: "user-rejected" })).toEqual([null, true]);
    expect(mark({ permission_decision: { decision: "accept", source: "user_temporary" } })).toEqual(["accept", false]);
    expect(rows.flatMap((row) => (row.kind === "event" ? [row.tone] : []))).toEqual(["plain", "fail"]);
  });

  it("calls a stopped turn stopped, and an API error an error", () => {
    const [stopped, failed, done] = rowsOf(
      line({ type: "result", subtype: "error_during_execution", is_error: true, terminal_reason: "aborted_tools", errors: ["[ede_diagnostic] x"], duration_ms: 10 }),
      line({ type: "result", subtype: "success", is_error: true, terminal_reason: "api_error", result: "API Error: 529", duration_ms: 10 }),
      line({ type: "result", subtype: "success", is_error: false, terminal_reason: "completed", result: "ok", duration_ms: 10 }),
    );
    expect([stopped, failed, done]).toMatchObject([{ outcome: "stopped", reason: null }, { outcome: "failed", reason: "API Error: 529" }, { outcome: "done", reason: null }]);
  });

  it("marks prompts taken or refused, in whatever order the news comes", () => {
    const prompt = (): Content => ({ type: "prompt", text: "hi", meta: {} });
    const transcript = new Transcript();
    const first = item(prompt());
    const early = item(prompt());
    transcript.add(item({ type: "event", data: { type: "prompt-taken", id: early.decoded.link?.id } }));
    transcript.add(first);
    transcript.add(early);
    transcript.add(item({ type: "event", data: { type: "prompt-refused", id: first.decoded.link?.id, reason: "replay" } }));
    expect(transcript.rows).toMatchObject([{ state: "refused", reason: "it repeats an earlier one" }, { state: "taken" }, { kind: "event", tone: "fail" }]);
  });

  it("marks what the agent found wrong with the log or the devices", () => {
    const message = (more: object): Content => ({ type: "event", data: { type: "message", message: "Look.", ...more } });
    expect(rowsOf(message({}), message({ logAlarm: { what: "shorter" } }), message({ deviceAlarm: { what: "withheld" } }))).toMatchObject([
      { tone: "plain" }, { tone: "fail", raw: { what: "shorter" } }, { tone: "fail", raw: { what: "withheld" } },
    ]);
  });

  it("nests a subagent's calls, and theirs", () => {
    const [, agent] = rowsOf(
      toolUse("a", "Agent", {}),
      toolUse("b", "Agent", {}, "a"),
      toolUse("c", "Read", { file_path: "x" }, "b"),
      toolResult("c", "text", "b"),
      toolResult("b", "inner", "a"),
      toolResult("a", [{ type: "text", text: "outer" }]),
    );
    expect(agent).toMatchObject({ toolUseId: "a", result: { text: "outer" }, children: [{ toolUseId: "b", result: { text: "inner" }, children: [{ toolUseId: "c", result: { text: "text" } }] }] });
  });

  it("takes lines of any shape, and so does the list: nothing in them throws", () => {
    const names = ["message", "content", "type", "text", "id", "name", "input", "tool_use_result", "tool_result_meta", "subtype", "status", "permission_denials", "rate_limit_info", "resetsAt", "edits", "structuredPatch", "lines", "file", "file_path", "old_string", "todos", "questions", "options", "local_command_source", "parent_tool_use_id", "usage", "source", "permission_decision", "outcome", "model", "part", "parts", "left", "task", "answers", "result", "error"];
    const words = ["assistant", "user", "result", "system", "rate_limit_event", "tool_progress", "text", "tool_use", "tool_result", "thinking", "image", "t1", "t2", "Bash", "Edit", "Write", "MultiEdit", "Read", "Grep", "TodoWrite", "AskUserQuestion", "Agent", "TaskCreate", "TaskUpdate", "task_started", "task_notification", "hook_response", "status", "stopped", "<synthetic>", "<local-command-stdout>x</local-command-stdout>", ""];
    for (let seed = 1; seed <= 1_200; seed += 1) {
      let state = seed;
      const next = () => (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
      const of = (list: readonly string[], from = 0, count = list.length) => list[from + Math.floor(next() * count)] as string;
      const anything = (depth = 0): unknown => {
        const kind = Math.floor(next() * (depth > 4 ? 5 : 9));
        if (kind < 3) return [null, next() < 0.5 ? 1e300 : -1, next() < 0.5][kind];
        if (kind < 5) return of(words);
        if (kind < 6) return Array.from({ length: Math.floor(next() * 4) }, () => anything(depth + 1));
        return Object.fromEntries(Array.from({ length: Math.floor(next() * 7) }, () => [of(names), anything(depth + 1)]));
      };
      const block = () => ({ type: of(words, 6, 5), id: of(words, 11, 2), tool_use_id: of(words, 11, 2), name: of(words, 13, 11), input: anything(), content: anything(), text: anything(), is_error: next() < 0.5 });
      const any = () => ({ subtype: of(words, 24, 4), tool_use_id: "t1", task_id: anything(), message: next() < 0.8 ? { model: anything(), content: next() < 0.6 ? [block(), block()] : anything() } : anything(), ...record(anything()), type: of(words, 0, 6) });
      const transcript = new Transcript();
      const preview = new Preview();
      const walk = (rows: readonly Row[]): void =>
        rows.forEach((row) => {
          if (row.kind !== "tool") return;
          describeTool(row.name, row.input, "/a");
          outcome(row, { agent: "there", background: null });
          walk(row.children);
        });
      for (let i = 0; i < 6; i += 1) {
        const kind = ["earlier", "message", "limit-reached", "ended", "resumed", "prompt-refused", "log-alarm", "unreadable"][Math.floor(next() * 8)] as string;
        const made = item(next() < 0.75 ? line(any()) : { type: "event", data: { ...record(anything()), lines: next() < 0.5 ? [any()] : anything(), part: 1, parts: 1, type: kind } });
        expect(() => {
          transcript.add(made);
          preview.add(made.decoded, () => true, null);
          digest(transcript.rows, null);
          walk(transcript.rows);
        }, `seed ${seed}`).not.toThrow();
      }
    }
  });

  it("nests no deeper than can be drawn", () => {
    const rows = rowsOf(...Array.from({ length: 20_000 }, (_, i) => toolUse(`n${i}`, "Agent", {}, i === 0 ? null : `n${i - 1}`)), toolResult("n19999", "found"));
    const depthOf = (all: readonly Row[]): number => Math.max(0, ...all.map((row) => (row.kind === "tool" ? 1 + depthOf(row.children) : 0)));
    expect(depthOf(rows)).toBeLessThan(20);
  });

  it("says of hooks, attempts and limits what is known of them", () => {
    const said = (fields: Record<string, unknown>) => rowsOf(line(fields as { type: string })).map((row) => row.kind === "event" && row.text);
    expect(said({ type: "system", subtype: "hook_response", hook_name: "Stop", outcome: "cancelled" })).toEqual(["Hook Stop was cancelled"]);
    expect(said({ type: "system", subtype: "api_retry" })).toEqual(["The model's API was not reached"]);
    expect(said({ type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt: 1e300 } })).toEqual(["The usage limit is reached"]);
  });

  it("leaves rows that did not change as they are", () => {
    const transcript = new Transcript();
    transcript.add(item(toolUse("a", "Bash", { command: "x" })));
    transcript.add(item(toolUse("b", "Bash", { command: "y" })));
    const [, a, b] = transcript.rows;
    transcript.add(item(toolResult("b", "done")));
    expect(transcript.rows[1]).toBe(a);
    expect(transcript.rows[2]).not.toBe(b);
  });

  it("puts a heading before each turn of the agent", () => {
    const text = (t: string) => line(assistant([{ type: "text", text: t }], null));
    const rows = rowsOf({ type: "prompt", text: "one", meta: {} }, text("a"), text("b"), line({ type: "result", duration_ms: 1 }), text("c"));
    expect(rows.map((row) => row.kind)).toEqual(["prompt", "who", "text", "text", "result", "who", "text"]);
  });

  it("does not count an entry that could not be opened twice", () => {
    const rows = rowsOf(
      item({ type: "unverified", reason: "altered." }, { decoded: { content: { type: "unverified", reason: "altered." }, link: null, at: null, device: null, unbound: false } }),
      item({ type: "prompt", text: "x", meta: {} }, { problem: { kind: "gap", missing: 1, expected: 1, got: 2 } }),
      item({ type: "prompt", text: "y", meta: {} }, { problem: { kind: "gap", missing: 1, expected: 3, got: 4 } }),
    );
    expect(rows.map((row) => row.kind)).toEqual(["unverified", "prompt", "unverified", "prompt"]);
  });
});

describe("tool lines", () => {
  it("say what is done to what", () => {
    const cwd = "/home/n/p";
    expect(describeTool("Bash", { command: "rm -rf /" }, cwd)).toMatchObject({ verb: "Run", object: "rm -rf /" });
    expect(describeTool("Edit", { file_path: "/home/n/p/a/b.ts" }, cwd)).toMatchObject({ verb: "Edit", object: "a/b.ts", isPath: true });
    expect(describeTool("Read", { file_path: "/etc/passwd" }, cwd)).toMatchObject({ object: "/etc/passwd" });
    expect(describeTool("mcp__github__search", {}, cwd)).toMatchObject({ verb: "search", object: "on github" });
    expect(describeTool("Brandnew", { x: 1 }, cwd)).toMatchObject({ verb: "Brandnew" });
    expect(describeTool("TodoWrite", { todos: [{ content: "a", status: "completed" }, { content: "b", status: "in_progress" }] }, cwd).object).toBe("1 of 2 done, now: b");
    expect(describeTool("Edit", { file_path: 7, todos: "no" }, cwd)).toMatchObject({ object: "" });
  });

  it("diffs turn the one text into the other, for random texts", () => {
    const random = (n: number) => Math.floor(Math.random() * n);
    for (let round = 0; round < 300; round += 1) {
      const make = () => Array.from({ length: random(12) }, () => "abc"[random(3)] as string);
      const [before, after] = [make(), make()];
      const lines = lineDiff(before, after);
      expect(lines.filter((l) => l.sign !== "+").map((l) => l.text)).toEqual(before);
      expect(lines.filter((l) => l.sign !== "-").map((l) => l.text)).toEqual(after);
    }
    expect(countChanges([lineDiff(["a", "b", "c"], ["a", "x", "c"])])).toEqual({ added: 1, removed: 1 });
  });

  it("prefer the patch that the agent reports", () => {
    const hunks = diffOf({
      name: "Edit",
      input: { old_string: "a", new_string: "b" },
      result: { text: "", isError: false, pictures: [], decision: null, stopped: false, at: 0, revision: 2, structured: { structuredPatch: [{ oldStart: 7, newStart: 9, lines: [" x", "-a", "+b", "\\ No newline"] }] } },
    });
    expect(hunks).toEqual([[
      { sign: " ", text: "x", before: 7, after: 9 },
      { sign: "-", text: "a", before: 8, after: null },
      { sign: "+", text: "b", before: null, after: 10 },
    ]]);
  });
});

describe("digest", () => {
  it("sums up plan and changed files, subagents' included", () => {
    const write = (id: string, path: string, parent: string | null = null) => [toolUse(id, "Write", { file_path: path, content: "a\nb\n" }, parent), toolResult(id, "ok", parent)];
    const rows = rowsOf(
      ...write("w1", "/p/x.ts"),
      ...write("w2", "/p/x.ts"),
      toolUse("a", "Agent", {}),
      ...write("w3", "/p/sub/y.ts", "a"),
      toolUse("w4", "Write", { file_path: "/p/never.ts", content: "x" }),
      toolUse("w5", "Write", { file_path: "/p/refused.ts", content: "x" }),
      toolResult("w5", "no", null, true),
      toolUse("t1", "TaskCreate", { subject: "First" }),
      toolResult("t1", "Task #1 created successfully: First"),
      toolUse("t2", "TaskUpdate", { taskId: "1", status: "completed" }),
    );
    const { plan, files } = digest(rows, "/p");
    expect(files).toEqual([{ path: "x.ts", added: 4, removed: 0 }, { path: "sub/y.ts", added: 2, removed: 0 }]);
    expect(plan).toEqual([{ text: "First", status: "completed" }]);
  });
});

describe("what is being said", () => {
  it("is at most a few blocks at a time, the newest", () => {
    const partials = new Partials();
    for (let i = 0; i < 10_000; i += 1) partials.take({ block: `b${i}`, offset: 0, text: "x", kind: "text" });
    expect(partials.list.length).toBeLessThanOrEqual(20);
    expect(partials.list.at(-1)).toEqual({ block: "b9999", kind: "text", text: "x", torn: false });
  });
});

describe("the line of a session in the list", () => {
  const lastOf = (...contents: Content[]) => {
    const preview = new Preview();
    for (const content of contents) preview.add(item(content).decoded, () => true, null);
    return preview.lastLine;
  };
  it("is one line of any text, with what cannot be seen marked", () => {
    expect(lastOf(toolUse("a", "Bash", { command: `echo ${"x".repeat(1_000_000)}` }))?.length).toBeLessThan(500);
    expect(lastOf(line(assistant([{ type: "text", text: "done \u202eetad" }], null)))).toBe("done U+202Eetad");
    expect(lastOf(line(assistant("no list" as unknown as unknown[], null)), line(assistant({} as unknown as unknown[], null)))).toBeNull();
  });
  it("says how a turn ended, also without words", () => {
    const ended = (more: object) => lastOf(line({ type: "result", ...more }));
    expect([ended({ is_error: false, result: "" }), ended({ is_error: true, result: "" }), ended({ is_error: false, result: "All good" }), ended({ is_error: true, terminal_reason: "aborted_tools" })]).toEqual(["Done", "Failed: the turn ended with an error", "Done: All good", "Stopped"]);
  });
  it("keeps the name of a file whose path is long", () => {
    expect(describeTool("Read", { file_path: `/${"folder/".repeat(1_000)}name.ts` }, null).object).toMatch(/^….*\/name\.ts$/);
  });
});

describe("words for times, paths and browsers", () => {
  it("are there for what is no time", () => {
    for (const at of [1e300, -1e300, Number.NaN]) expect([when(at, 0), day(at), longDay(at), time(at)]).toEqual(["no time", "no time", "no time", "no time"]);
  });
  it("are short and true", () => {
    expect([waiting(42_000), waiting(8 * 60_000), waiting(3 * 3_600_000)]).toEqual(["0:42", "8 min", "3 h"]);
    expect([duration(420), duration(12_300), duration(185_000)]).toEqual(["0.4 s", "12 s", "3 min 5 s"]);
    expect([homePath("/home/n/x", "/home/n"), homePath("/home/nn", "/home/n")]).toEqual(["~/x", "/home/nn"]);
    expect(browserName("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")).toBe("Firefox on Linux");
    expect(browserName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1")).toBe("Safari on iPhone");
  });
});
