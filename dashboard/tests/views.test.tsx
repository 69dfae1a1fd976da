// @vitest-environment happy-dom
// What a person sees and presses: slip, composer, rows, welcome.
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api/http.ts";
import { Away, awayWords, resumeCommand, shellWord } from "../src/components/away.tsx";
import { Background } from "../src/components/background.tsx";
import { Composer } from "../src/components/composer.tsx";
import { ContextPane } from "../src/components/context.tsx";
import { ClientContext } from "../src/components/hooks.ts";
import { heldWords, HeldPrompts } from "../src/components/held.tsx";
import { InviteDialog } from "../src/components/invitedialog.tsx";
import { Markdown } from "../src/components/markdown.tsx";
import { ReceiptCard } from "../src/components/receipt.tsx";
import { decisionWord, type RowContext, RowView } from "../src/components/rows.tsx";
import { groupSessions, matchesSearch, sortSessions } from "../src/components/sessionlist.tsx";
import { StorageNote } from "../src/components/storagenote.tsx";
import { Slip } from "../src/components/slip.tsx";
import { type Going, outcome, ToolBody } from "../src/components/toolbox.tsx";
import { TruthLine } from "../src/components/truthline.tsx";
import { formatSecret, randomBytes } from "../src/crypto/index.ts";
import { SignInError, type SignInProblem } from "../src/state/signin.ts";
import type { PairingState } from "../src/state/pairing.ts";
import { PairView } from "../src/views/pair.tsx";
import { Welcome } from "../src/views/welcome.tsx";
import { NotKnown } from "../src/state/agentcall.ts";
import { parseAsk } from "../src/state/ask.ts";
import type { Trouble } from "../src/state/database.ts";
import type { Client, Connection, Signer } from "../src/state/client.ts";
import type { AgentState, PermissionRequest, SessionSummary } from "../src/state/sessionfields.ts";
import type { Certificate } from "../src/state/deletion.ts";
import type { EntryProof, LogStatus } from "../src/state/logwatch.ts";
import type { Alarm } from "../src/state/logmemory.ts";
import { revisionsOf, type Row, type ToolRow } from "../src/state/rows.ts";
import { Transcript } from "../src/state/transcript.ts";
import type { SessionModel } from "../src/state/session.ts";
import { ConversationView } from "../src/views/conversation.tsx";
import { KeyView } from "../src/views/key.tsx";
import { LogView } from "../src/views/log.tsx";
import { Signal } from "../src/state/signal.ts";
import { askText } from "./fake-agent.ts";
import { EverythingInView, WorkerHere } from "./fake-worker.ts";

const agent: AgentState = { mode: "default", model: "claude-opus-5-5", requests: [], held: [], background: [], backgroundMore: 0 };
const session: SessionSummary = {
  id: "s1", title: "Title", project: "harbor-api", host: "build-02", machine: "m1", says: null, path: "/home/n/harbor-api", homeDir: "/home/n", status: "needs-you", unread: false, failed: false, ended: false, endedAt: null, command: null, clock: 0, archived: false,
  line: "", at: 0, activeAt: 0, agent, problem: null, openable: true, readOnly: null, behind: null, count: 1,
};
const grants = [
  { type: "addRules", rules: [{ toolName: "Bash", ruleContent: "rm -rf build" }], behavior: "allow", destination: "localSettings" },
  { type: "addRules", rules: [{ toolName: "Bash", ruleContent: "rm -rf build" }], behavior: "allow", destination: "session" },
];
function asked(tool: string, input: unknown, extra: Record<string, unknown> = {}): PermissionRequest {
  const text = askText("t1", tool, input, { toolUseId: "t1", cwd: "/home/n/harbor-api", ...extra });
  return { id: "t1", createdAt: Date.now(), ask: parseAsk(text, "t1"), elsewhere: null, problem: null };
}
const request = asked("Bash", { command: "rm -rf build\nls", timeout: 5000 }, { description: "Clean", grants });
const verdict = (more: Record<string, unknown>, of = request) => ["s1", "permission", { id: "t1", ask: of.ask?.hash, ...more }];

const alarmed: Alarm = { kind: "history", at: 0, text: "The relay signed two different logs.", base: "", evidence: null, acknowledged: false };
const unchecked: LogStatus = {
  state: "unknown", log: null, key: null, pinnedAt: 0, checkpoint: null, acceptedAt: 0, from: null, first: null, proved: null, compared: 0, waiting: 0, trouble: null, latest: [],
};
function fakeWatch() {
  return {
    status: new Signal(unchecked), alarm: new Signal<Alarm | null>(null), alarms: new Signal<readonly Alarm[]>([]), change: new Signal(null), proofs: new Signal(0), saved: null,
    proofOf: (_revision: number): EntryProof => "none", again: vi.fn(async () => undefined), acknowledge: vi.fn(async () => undefined),
  };
}

function fakeClient(fields: Partial<Record<keyof Client, unknown>> = {}) {
  const base = {
    connection: new Signal<Connection>({ state: "live", since: 0, received: 0, message: null }),
    trouble: new Signal<Trouble | null>(null), revision: new Signal(8412), queued: new Signal(0), identity: new Signal(null), farewell: new Signal(null), book: new Signal(null), devicesChanged: new Signal(0), watch: new Signal(fakeWatch()),
    lists: new Signal({ loaded: true, sessions: [], machines: [], waiting: 0 }),
    api: { origin: "https://relay.example" },
    call: vi.fn(async (): Promise<unknown> => ({})), reach: vi.fn(async () => true), stopTurn: vi.fn(async () => undefined), sendPrompt: vi.fn(async () => undefined), saveDraft: vi.fn(async () => undefined), loadDraft: vi.fn(async () => ""), signIn: vi.fn(async () => undefined), tryNow: vi.fn(),
  };
  return { ...base, ...(fields as Partial<typeof base>) };
}
const show = (client: ReturnType<typeof fakeClient>, ui: React.ReactElement) => render(<ClientContext value={client as unknown as Client}>{ui}</ClientContext>);
const by = (id: string) => screen.getByTestId(id);

beforeEach(() => {
  vi.stubGlobal("Worker", WorkerHere);
  vi.stubGlobal("IntersectionObserver", EverythingInView);
  vi.useFakeTimers();
});
afterEach(() => {
  EverythingInView.blind = false;
  cleanup();
  vi.restoreAllMocks();
  vi.useRealTimers();
});
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

/** Gives every box this height and this much in it, as a layout would. */
function layout(shown: number, all: number): void {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(shown);
  vi.spyOn(HTMLElement.prototype, "scrollHeight", "get").mockReturnValue(all);
}
const disabled = (id: string) => (by(id) as HTMLButtonElement).disabled;

describe("slip", () => {
  const put = (client: ReturnType<typeof fakeClient>, of: PermissionRequest = request) => show(client, <Slip request={of} session={session} position={1} count={1} />);

  it("shows the exact command and every other argument, is deaf for 400 ms, then answers once", async () => {
    const client = fakeClient();
    put(client);
    expect(by("slip-exact").textContent).toBe("rm -rf build\nls");
    expect(by("slip-contents").textContent).toContain("timeout5000");
    fireEvent.click(by("slip-allow-once"));
    fireEvent.keyDown(by("slip"), { key: "1" });
    expect(client.call).not.toHaveBeenCalled();
    await pass(400);
    fireEvent.click(by("slip-allow-once"));
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [] })]);
  });

  it("makes of a long question what is near the view, cuts no character, and loses none", async () => {
    const command = `${"echo \u{1f600} \n".repeat(20_000)}${"x\u{1f600}".repeat(10_000)}\n| sh`;
    const content = Array.from({ length: 5_000 }, (_, i) => `line ${i}`).join("\n");
    EverythingInView.blind = true;
    for (const of of [asked("Bash", { command }), asked("Write", { file_path: "/a", content }), asked("mcp__a__b", { text: command })]) {
      const hidden = put(fakeClient(), of);
      expect(by("slip-contents").querySelectorAll("*").length).toBeLessThan(1_500);
      expect(by("slip-contents").textContent?.length).toBeLessThan(40_000);
      hidden.unmount();
    }
    EverythingInView.blind = false;
    const shown = put(fakeClient(), asked("Bash", { command }));
    await pass(1);
    expect(by("slip-exact").textContent?.replaceAll("\n", "") === command.replaceAll("\n", "")).toBe(true);
    expect(by("slip-exact").querySelector(".odd")).toBeNull();
    shown.unmount();
  });

  it("takes no yes to what is longer than a page can be", async () => {
    layout(100, 100);
    put(fakeClient(), asked("Bash", { command: `echo${"\n".repeat(1_200_000)}rm -rf /` }));
    await pass(400);
    expect([disabled("slip-allow-once"), disabled("slip-deny")]).toEqual([true, false]);
    expect(by("slip-exact").textContent).toContain("more than a page can show");
  });

  // Goal: one scroll to the end is enough, though what is made near the view turns out taller than it was thought.
  it("keeps its end in view once it was scrolled to, and before that never scrolls by itself", async () => {
    let changed = () => {};
    vi.stubGlobal("ResizeObserver", class { constructor(callback: () => void) { changed = callback; } observe(): void {} disconnect(): void {} });
    layout(100, 100);
    put(fakeClient());
    await pass(400);
    const box = by("slip-contents");
    layout(100, 400);
    act(() => changed());
    expect([box.scrollTop, by("slip-hidden").dataset["lines"]]).toEqual([0, "15"]);
    box.scrollTop = 300;
    fireEvent.scroll(box);
    expect(disabled("slip-allow-once")).toBe(false);
    layout(100, 900);
    act(() => changed());
    fireEvent.scroll(box);
    expect([box.scrollTop, disabled("slip-allow-once")]).toEqual([900, false]);
    box.scrollTop = 100; // back up, to read: it stays there
    fireEvent.scroll(box);
    layout(100, 950);
    act(() => changed());
    expect(box.scrollTop).toBe(100);
    vi.unstubAllGlobals();
  });

  it("counts what lies below its edge, and takes no yes before its end was in view; a no at once", async () => {
    layout(100, 400);
    const client = fakeClient();
    put(client);
    await pass(400);
    expect(by("slip-hidden").dataset["lines"]).toBe("15");
    expect([disabled("slip-allow-once"), disabled("slip-allow-session"), disabled("slip-allow-always"), disabled("slip-deny")]).toEqual([true, true, true, false]);
    fireEvent.keyDown(by("slip"), { key: "1" });
    fireEvent.keyDown(by("slip"), { key: "2" });
    expect(client.call).not.toHaveBeenCalled();
    by("slip-contents").scrollTop = 200;
    fireEvent.scroll(by("slip-contents"));
    expect(by("slip-hidden").dataset["lines"]).toBe("5");
    by("slip-contents").scrollTop = 300;
    fireEvent.scroll(by("slip-contents"));
    expect(screen.queryByTestId("slip-hidden")).toBeNull();
    by("slip-contents").scrollTop = 0;
    fireEvent.scroll(by("slip-contents"));
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(client.call).toHaveBeenCalledTimes(1);
  });

  it("marks what cannot be seen and what moves others, and shows eighty empty lines as eighty", () => {
    put(fakeClient(), asked("Bash", { command: `ls \u202e/ fr- mr\u200b\u00a0${"\n".repeat(80)}rm -rf ~`, "na\u2066me": 1 }));
    expect(by("slip-exact").textContent).toBe(`ls U+202E/ fr- mrU+200BU+00A0${"\n".repeat(80)}rm -rf ~`);
    expect(by("slip-contents").textContent).toContain("naU+2066me1");
    expect(by("slip-contents").querySelectorAll(".odd")).toHaveLength(4);
  });

  it("shows a text that reads differently as the text, and gives nothing beyond this call for it", async () => {
    const text = askText("t1", "Write", { path: "/tmp/a" }, { grants, cwd: "/" }).replace('"path":"/tmp/a"', '"path":"/tmp/a","path":"/etc/passwd"');
    const twice: PermissionRequest = { ...request, ask: parseAsk(text, "t1") };
    const client = fakeClient();
    put(client, twice);
    await pass(400);
    expect(by("slip-exact").textContent).toBe(text);
    expect(screen.queryByTestId("slip-allow-session")).toBeNull();
    expect(screen.queryByTestId("slip-grant")).toBeNull();
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [] }, twice)]);
  });

  it("answers by keys, but not while a note is written", async () => {
    const client = fakeClient();
    put(client);
    await pass(400);
    fireEvent.keyDown(by("slip"), { key: "4" });
    fireEvent.change(by("slip-deny-note"), { target: { value: "1 is better" } });
    fireEvent.keyDown(by("slip-deny-note"), { key: "1" });
    expect(client.call).not.toHaveBeenCalled();
    fireEvent.submit(by("slip-deny-note").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "denied", grants: [], reason: "1 is better" })]);
  });

  it("says of every grant what it lets pass and where it is written, and names by index what was chosen", async () => {
    const suggestions = [
      { type: "addRules", rules: [{ toolName: "Edit" }], behavior: "allow", destination: "projectSettings" },
      { type: "setMode", mode: "acceptEdits", destination: "session" },
      { type: "addDirectories", directories: ["/srv/data"], destination: "session" },
    ];
    const client = fakeClient();
    put(client, asked("Edit", { file_path: "/home/n/a.ts", old_string: "a", new_string: "b", replace_all: true }, { grants: suggestions }));
    await pass(400);
    expect(screen.getAllByTestId("slip-grant").map((grant) => grant.textContent)).toEqual([
      "Always, written to .claude/settings.json on build-02: Changing any file, anywhere passes without a question Edit",
      "Until the session ends: Claude changes, moves and deletes files in the folders it works in without a question acceptEdits",
      "Until the session ends: Claude reads everything in this folder without a question, and works there as it does in the project /srv/data",
    ]);
    expect(by("slip-contents").textContent).toContain("replace_alltrue");
    fireEvent.keyDown(by("slip"), { key: "2" });
    expect(client.call).not.toHaveBeenCalled();
    const picks = () => screen.getAllByTestId("slip-grant-pick") as HTMLInputElement[];
    expect(picks().map((pick) => [pick.dataset["index"], pick.checked])).toEqual([["1", true], ["2", false]]);
    fireEvent.click(picks()[0] as HTMLElement);
    expect(disabled("slip-always-confirm")).toBe(true);
    fireEvent.click(picks()[1] as HTMLElement);
    fireEvent.click(by("slip-always-confirm"));
    await pass(1);
    expect(client.call.mock.calls[0]?.at(2 as never)).toMatchObject({ decision: "approved", grants: [2] });
  });

  it("offers a mode beside a rule without choosing it, and the same for the words of a plan", async () => {
    const client = fakeClient();
    const rule = { type: "addRules", rules: [{ toolName: "Edit", ruleContent: "//home/n/a.ts" }], behavior: "allow", destination: "session" };
    const { unmount } = put(client, asked("Write", { file_path: "/home/n/a.ts", content: "a" }, { grants: [{ type: "setMode", mode: "acceptEdits", destination: "session" }, rule] }));
    await pass(400);
    fireEvent.click(by("slip-allow-session"));
    expect((screen.getAllByTestId("slip-grant-pick") as HTMLInputElement[]).map((pick) => pick.checked)).toEqual([false, true]);
    fireEvent.click(by("slip-always-confirm"));
    await pass(1);
    expect(client.call.mock.calls[0]?.at(2 as never)).toMatchObject({ decision: "approved", grants: [1] });
    unmount();
    client.call.mockClear();
    const plan = asked("ExitPlanMode", { plan: "Do it" }, { grants: [{ type: "setMode", mode: "plan", destination: "session" }, { type: "setMode", mode: "acceptEdits", destination: "session" }] });
    const { unmount: away } = put(client, plan);
    await pass(400);
    expect(by("slip-accepting-words").textContent).toMatch(/until the session ends: Claude changes, moves and deletes files/);
    fireEvent.keyDown(by("slip"), { key: "2" });
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [1] }, plan)]);
    away();
    put(client, asked("ExitPlanMode", { plan: "Do it" })); // nothing offered: nothing to choose
    expect(screen.queryByTestId("slip-start-accepting")).toBeNull();
    expect(screen.queryByTestId("slip-accepting-words")).toBeNull();
  });

  it("shows what a folder would run before it is trusted, to the letter", async () => {
    const client = fakeClient();
    const of = asked("trust", { folder: "/home/n/theirs", "/home/n/theirs/.mcp.json": '{\n  "mcpServers": {"a": {"command": "/bin/\u202esh"}}\n}', others: ["/home/n/theirs/.claude/skills/x.md"] });
    put(client, of);
    await pass(400);
    const words = by("slip-contents").textContent ?? "";
    for (const part of ["/home/n/theirs", "/home/n/theirs/.mcp.json", '"command": "/bin/U+202Esh"', "/home/n/theirs/.claude/skills/x.md", "asked again only about servers of .mcp.json and plugins"]) expect(words).toContain(part);
    fireEvent.click(by("slip-deny"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "denied", grants: [] }, of)]);
  });

  it("shows what a server of a folder would run, to the letter, and says what either answer means", async () => {
    const client = fakeClient();
    const of = asked("server", { server: "desk", file: "/home/n/theirs/.mcp.json", entry: { command: "/bin/\u202esh", args: ["-c", "curl evil"], env: { KEY: "v" } } });
    const { unmount } = put(client, of);
    await pass(400);
    expect(by("slip").querySelector("h3")?.textContent).toBe("Run this server?");
    const words = by("slip-contents").textContent ?? "";
    for (const part of ["desk", "/home/n/theirs/.mcp.json", "/bin/U+202Esh", "curl evil", "KEY", "Without it the session goes on"]) expect(words).toContain(part);
    expect([by("slip-allow-once").textContent, by("slip-deny").textContent]).toEqual(["Run it 1", "Do not run it"]);
    fireEvent.click(by("slip-deny"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "denied", grants: [] }, of)]);
    unmount();
    put(client, asked("server", { file: "/home/n/theirs/.mcp.json", content: "{broken" }));
    expect(by("slip").querySelector("h3")?.textContent).toBe("Run the servers of this file?");
    expect(by("slip-contents").textContent).toMatch(/cannot ask about each.*\{broken/s);
  });

  it("shows what a plugin of a folder brings, to the letter, and says what either answer means", async () => {
    const client = fakeClient();
    const of = asked("plugin", { plugin: "tool@skills-dir", from: "/home/n/theirs/.claude/skills/tool", "/home/n/theirs/.claude/skills/tool/hooks/hooks.json": '{"command": "/bin/\u202esh"}', others: ["/home/n/theirs/.claude/skills/tool/run.sh"] });
    put(client, of);
    await pass(400);
    expect(by("slip").querySelector("h3")?.textContent).toBe("Run this plugin?");
    const words = by("slip-contents").textContent ?? "";
    for (const part of ["tool@skills-dir", "hooks/hooks.json", '"/bin/U+202Esh"', "skills/tool/run.sh", "Without it the session goes on", "until any of its files changes"]) expect(words).toContain(part);
    expect([by("slip-allow-once").textContent, by("slip-deny").textContent]).toEqual(["Run it 1", "Do not run it"]);
    fireEvent.click(by("slip-deny"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "denied", grants: [] }, of)]);
  });

  it("says that a subagent asks, and why Claude asks", () => {
    put(fakeClient(), asked("Bash", { command: "ls" }, { subagent: "aa690\u202e", reason: "This command requires approval" }));
    expect(by("slip").querySelector("h3")?.textContent).toBe("A subagent asks: Run this command?");
    expect(by("slip-subagent").textContent).toBe("a subagent, aa690U+202E");
    expect(by("slip-contents").textContent).toContain("This command requires approval");
  });

  it("gives the one grant of a session at once, and asks again before a rule is written", async () => {
    const client = fakeClient();
    const { unmount } = put(client);
    await pass(400);
    fireEvent.click(by("slip-allow-session"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [1] })]);
    unmount();
    client.call.mockClear();
    put(client);
    await pass(400);
    fireEvent.keyDown(by("slip"), { key: "3" });
    expect(by("slip").textContent).toContain(".claude/settings.local.json on build-02");
    expect(client.call).not.toHaveBeenCalled();
    fireEvent.click(by("slip-always-confirm"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [0] })]);
  });

  it("keeps the question when the answer did not get through", async () => {
    const client = fakeClient({ call: vi.fn(async () => Promise.reject(new Error("build-02 is not connected to the relay. Nothing was done."))) });
    put(client);
    await pass(400);
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(by("slip").textContent).toContain("Nothing was done.");
    expect(disabled("slip-allow-once")).toBe(false);
  });

  it("says that it is not known whether, and takes another answer only once that is final", async () => {
    let settle: (found: { reached: boolean }) => void = () => undefined;
    const final = new Promise<{ reached: boolean }>((resolve) => (settle = resolve));
    const client = fakeClient({ call: vi.fn(async () => Promise.reject(new NotKnown("Whether it was done is not known yet.", final))) });
    put(client);
    await pass(400);
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(by("slip-said").textContent).toContain("not known");
    expect([disabled("slip-allow-once"), disabled("slip-deny"), by("slip").dataset["phase"]]).toEqual([true, true, "unknown"]);
    settle({ reached: true });
    await pass(1);
    expect(by("slip-said").textContent).toContain("was not carried out");
    expect(disabled("slip-allow-once")).toBe(false);
  });

  it("takes a choice or own words for a question", async () => {
    const client = fakeClient();
    const questions = [{ question: "Which?", header: "", multiSelect: false, options: [{ label: "A", description: "" }, { label: "B", description: "" }] }];
    const of = asked("question", { questions });
    put(client, of);
    await pass(400);
    expect(disabled("slip-answer")).toBe(true);
    fireEvent.change(by("slip-own-answer"), { target: { value: "Neither" } });
    fireEvent.submit(by("slip-answer").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [], answers: { "Which?": "Neither" } }, of)]);
  });

  it("shows what the choices of a question would not show of it", () => {
    put(fakeClient(), asked("question", { questions: [{ question: "Which?", header: "", multiSelect: false, options: [{ label: "A", description: "", preview: "rm -rf" }] }] }));
    expect(by("slip-contents").textContent).toContain('"preview": "rm -rf"');
  });

  it("makes a form of what a server asks; what it cannot make one of can only be declined", async () => {
    const client = fakeClient();
    const schema = { type: "object", properties: { name: { type: "string", title: "Your name" }, count: { type: "integer" }, sure: { type: "boolean" } }, required: ["name"] };
    const { unmount } = put(client, asked("elicitation", { server: "deploy", message: "Who are you?", schema }));
    await pass(400);
    expect(by("slip").textContent).toContain("deploy asks you");
    expect(disabled("slip-answer")).toBe(true);
    const [name, count] = screen.getAllByTestId("slip-field") as [HTMLElement, HTMLElement];
    fireEvent.change(name, { target: { value: "Noor" } });
    fireEvent.change(count, { target: { value: "1.5" } });
    expect(disabled("slip-answer")).toBe(true);
    fireEvent.change(count, { target: { value: "3" } });
    fireEvent.submit(by("slip-answer").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call.mock.calls[0]?.at(2 as never)).toMatchObject({ decision: "approved", answers: { name: "Noor", count: 3, sure: false } });
    unmount();
    client.call.mockClear();
    const hinted = { type: "object", properties: { mail: { type: "string", format: "email", minLength: 3, default: "n@example.org" }, size: { type: "string", enum: ["s", "m"], enumNames: ["small", "middle"], default: "m" }, sure: { type: "boolean", default: true } } };
    const second = put(client, asked("elicitation", { server: "deploy", message: "Where to?", schema: hinted }));
    await pass(400);
    for (const part of ["format: email", "minLength: 3", '"middle"']) expect(by("slip").textContent).toContain(part);
    fireEvent.submit(by("slip-answer").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call.mock.calls[0]?.at(2 as never)).toMatchObject({ decision: "approved", answers: { mail: "n@example.org", size: "m", sure: true } });
    second.unmount();
    client.call.mockClear();
    put(client, asked("elicitation", { server: "deploy", message: "Odd", schema: { type: "object", properties: { deep: { type: "object" } } } }));
    await pass(400);
    expect(screen.queryByTestId("slip-answer")).toBeNull();
    expect(by("slip-contents").textContent).toContain('"deep"');
    fireEvent.click(by("slip-deny"));
    await pass(1);
    expect(client.call.mock.calls[0]?.at(2 as never)).toMatchObject({ decision: "denied", grants: [] });
  });

  /** Whether this stands there; a long line goes on in the next row. */
  const holds = (id: string, text: string) => (by(id).textContent ?? "").replaceAll("\n", "").includes(text.replaceAll("\n", ""));
  /** What its form alone takes of the page. */
  const form = () => by("slip-answer").closest("form") as HTMLFormElement;

  it("cuts long texts of a question in its form, with their length; they stand whole above, must be in view, and are answered whole", async () => {
    const client = fakeClient();
    const [label, other, words, question, header] = ["a", "b", "c", "d", "e"].map((letter, i) => `${letter} begins ${"\u{1f600}x ".repeat(40_000 + i)}ends ${letter}`) as [string, string, string, string, string];
    const of = asked("question", { questions: [{ question, header, multiSelect: true, options: [{ label, description: words }, { label: other, description: "" }, { label: "short", description: "" }] }] });
    layout(100, 1_000);
    put(client, of);
    await pass(400);
    expect(form().textContent?.length).toBeLessThan(3_000);
    for (const text of [label, other, words, question, header]) {
      expect(form().textContent).toContain(`${[...text].length.toLocaleString("en")} characters; whole above`);
      expect(form().textContent).toContain(text.slice(0, 40));
      expect(form().textContent).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/);
      expect(holds("slip-contents", text)).toBe(true);
    }
    expect(form().textContent).toContain("short");
    expect(holds("slip-contents", "Question 1, choice 2")).toBe(true);
    const [first, second] = screen.getAllByTestId("slip-choice") as [HTMLElement, HTMLElement];
    fireEvent.click(first);
    fireEvent.click(second);
    expect(disabled("slip-answer"), "the whole was not in view yet").toBe(true);
    by("slip-contents").scrollTop = 900;
    fireEvent.scroll(by("slip-contents"));
    fireEvent.submit(form());
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [], answers: { [question]: `${label}, ${other}` } }, of)]);
  });

  it("lays out no endless list of choices or questions", async () => {
    const options = Array.from({ length: 5_000 }, (_, i) => ({ label: `choice ${i}`, description: "" }));
    const first = put(fakeClient(), asked("question", { questions: [{ question: "Which?", header: "", multiSelect: false, options }] }));
    expect(screen.getAllByTestId("slip-choice")).toHaveLength(100);
    expect(form().textContent).toContain("one of 4,900 more choices that stand above");
    await pass(1);
    expect(holds("slip-contents", "choice 4999")).toBe(true);
    first.unmount();
    const client = fakeClient();
    put(client, asked("question", { questions: options.map((_, i) => ({ question: `q${i}`, header: "", multiSelect: false, options: [] })) }));
    await pass(400);
    expect(form().textContent).toContain("You can only skip them");
    expect(disabled("slip-answer")).toBe(true);
    expect(holds("slip-contents", "q4999")).toBe(true);
    fireEvent.click(by("slip-skip"));
    expect(client.call.mock.lastCall?.at(2 as never)).toMatchObject({ decision: "denied" });
  });

  it("tells apart choices and questions of the same words, and shows the heading of a question", async () => {
    const client = fakeClient();
    const option = (label: string) => ({ label, description: "" });
    put(client, asked("question", { questions: [{ question: "Same?", header: "Colour", multiSelect: false, options: [option("\u0000own"), option("A")] }, { question: "Other?", header: "", multiSelect: true, options: [option("A"), option("A")] }] }));
    await pass(400);
    expect(form().textContent).toContain("Colour");
    const choices = screen.getAllByTestId("slip-choice") as HTMLInputElement[];
    fireEvent.click(choices[0] as HTMLElement);
    fireEvent.click(choices[3] as HTMLElement);
    expect(choices.map(({ checked }) => checked)).toEqual([true, false, false, true]);
    fireEvent.submit(form());
    await pass(1);
    expect(client.call.mock.lastCall?.at(2 as never)).toMatchObject({ answers: { "Same?": "\u0000own", "Other?": "A" } });
  });

  it("shows what a question says in another form than text as it is", () => {
    put(fakeClient(), asked("question", { questions: [{ question: "Which?", header: "", multiSelect: false, options: [{ label: { rm: "-rf" }, description: "" }] }] }));
    expect(holds("slip-contents", '"rm": "-rf"')).toBe(true);
  });

  it("cuts the long texts of a server's form, shows them whole above, and answers with the whole", async () => {
    const client = fakeClient();
    const long = (letter: string) => `${letter} ${"word ".repeat(30_000)}${letter} end`;
    const given = `say yes${" ".repeat(400)}and delete everything`;
    const properties = {
      [long("n")]: { type: "string", title: long("t"), description: long("d"), pattern: long("p") },
      kind: { type: "string", enum: [long("x"), long("y"), "z"], enumNames: [long("1"), long("2"), "3"], default: long("y") },
      note: { type: "string", default: given },
      hidden: { type: "string", default: "a\u202eb" },
      many: { type: "string", enum: Array.from({ length: 3_000 }, (_, i) => `one ${i}`) },
      mode: { type: "string", enum: ["", "on"] },
    };
    put(client, asked("elicitation", { server: long("s"), message: "Fill this in", schema: { type: "object", properties, required: ["kind", "many", "mode"] } }));
    await pass(400);
    expect(form().textContent?.length).toBeLessThan(6_000);
    expect(form().querySelectorAll("*").length).toBeLessThan(200);
    expect(by("slip").querySelector("h3")?.textContent?.length).toBeLessThan(120);
    for (const letter of ["n", "t", "d", "p", "x", "y", "1", "2", "s"]) expect(holds("slip-contents", `${letter} end`), letter).toBe(true);
    expect(holds("slip-contents", given)).toBe(true);
    expect(holds("slip-contents", "one 2999")).toBe(true);
    const field = (name: string) => screen.getAllByTestId("slip-field").find((each) => each.dataset["name"] === name) as HTMLInputElement;
    expect([field("note").value, field("hidden").value], "what cannot be seen whole is not filled in").toEqual(["", ""]);
    expect(form().textContent).toContain("aU+202Eb");
    const choices = screen.getAllByTestId("slip-choice") as HTMLInputElement[];
    expect(choices.map(({ checked }) => checked)).toEqual([false, true, false]);
    fireEvent.click(choices[0] as HTMLElement);
    fireEvent.click(screen.getAllByTestId("slip-use-default")[0] as HTMLElement);
    fireEvent.change(field("many"), { target: { value: "one 3000" } });
    fireEvent.change(field("mode"), { target: { value: "0" } });
    expect(disabled("slip-answer"), "none of the choices").toBe(true);
    fireEvent.change(field("many"), { target: { value: "one 2999" } });
    fireEvent.submit(form());
    await pass(1);
    expect(client.call.mock.lastCall?.at(2 as never)).toEqual(expect.objectContaining({ decision: "approved", answers: { kind: long("x"), note: given, many: "one 2999", mode: "" } }));
  });

  it("makes no form of a thousand fields", async () => {
    put(fakeClient(), asked("elicitation", { server: "s", message: "m", schema: { type: "object", properties: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, { type: "string" }])) } }));
    expect(screen.queryByTestId("slip-answer")).toBeNull();
    expect(holds("slip-contents", '"f0"')).toBe(true);
  });

  it("cuts a long rule where it is chosen, and shows it whole above; a name of any length leaves its value room", async () => {
    const content = `git ${"commit ".repeat(20_000)}--all`;
    const rule = (ruleContent: string, destination: string) => ({ type: "addRules", rules: [{ toolName: "Bash", ruleContent }], behavior: "allow", destination });
    const name = `${"name ".repeat(20_000)}end`;
    const tool = `mcp__${"x".repeat(50_000)}__y`;
    const client = fakeClient();
    const of = asked(tool, { [name]: "value", text: "t" }, { grants: [rule(content, "localSettings"), rule("ls", "localSettings"), rule(`${content}:*`, "session")], reason: `why ${"so ".repeat(30_000)}then` });
    put(client, of);
    await pass(400);
    expect(by("slip").querySelector("h3")?.textContent?.length).toBeLessThan(120);
    expect(holds("slip-contents", tool)).toBe(true);
    expect(holds("slip-contents", content)).toBe(true);
    expect(by("slip-contents").querySelector("dt.above")?.textContent?.replaceAll("\n", "") === name).toBe(true);
    fireEvent.click(by("slip-allow-always"));
    const picks = screen.getAllByTestId("slip-grant-pick");
    const offered = picks[0]?.closest("fieldset") as HTMLElement;
    expect(offered.textContent?.length).toBeLessThan(1_200);
    expect(offered.textContent).toContain("characters; whole above");
    expect(holds("slip-contents", content), "still").toBe(true);
    fireEvent.click(by("slip-always-confirm"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([verdict({ decision: "approved", grants: [0] }, of)]);
  });

  it("offers no endless list of grants, but shows them", async () => {
    const many = Array.from({ length: 2_000 }, (_, i) => ({ type: "addRules", rules: [{ toolName: "Bash", ruleContent: `run ${i}` }], behavior: "allow", destination: "session" }));
    const first = put(fakeClient(), asked("Bash", { command: "ls" }, { grants: many }));
    await pass(400);
    expect(screen.queryByTestId("slip-allow-session")).toBeNull();
    expect(screen.queryAllByTestId("slip-grant")).toEqual([]);
    expect(holds("slip-contents", "run 1999")).toBe(true);
    expect(disabled("slip-allow-once")).toBe(false);
    first.unmount();
    const folders = Array.from({ length: 2_000 }, (_, i) => `/f${i}`);
    put(fakeClient(), asked("Bash", { command: "ls" }, { grants: [{ type: "addDirectories", directories: folders, destination: "session" }] }));
    expect(by("slip-grant").querySelectorAll("code")).toHaveLength(1);
    await pass(1);
    expect(holds("slip-grant", "/f1999")).toBe(true);
  });

  it("takes yes, no and cancel for a folder, and shows all of it", async () => {
    const client = fakeClient();
    for (const [button, decision] of [["slip-allow-once", "approved"], ["slip-deny", "denied"], ["slip-cancel", "abort"]] as const) {
      const { unmount } = put(client, asked("trust", { path: "/srv" }));
      await pass(400);
      expect(by("slip-contents").textContent).toContain("path");
      fireEvent.click(by(button));
      await pass(1);
      expect(client.call.mock.lastCall?.at(2 as never)).toMatchObject({ decision, grants: [] });
      unmount();
    }
  });

  it("shows a dialog of Claude Code whole, and lets it be declined: what an answer to it looks like is known to nobody here", async () => {
    const client = fakeClient();
    put(client, asked("dialog", { kind: "new-thing", payload: { text: "Go on?" } }));
    await pass(400);
    for (const part of ["new-thing", "Go on?"]) expect(by("slip-contents").textContent).toContain(part);
    expect(screen.queryByTestId("slip-allow-once")).toBeNull();
    fireEvent.keyDown(by("slip"), { key: "1" });
    expect(client.call).not.toHaveBeenCalled();
    fireEvent.click(by("slip-deny"));
    await pass(1);
    expect(client.call.mock.lastCall?.at(2 as never)).toMatchObject({ decision: "denied", grants: [] });
  });

  it("says that a large question is on its way, and cannot be answered before it is here", () => {
    put(fakeClient(), { ...request, ask: null, elsewhere: { hash: "00", bundle: "x" } });
    expect(by("slip").textContent).toContain("still on its way");
    expect(screen.queryByTestId("slip-allow-once")).toBeNull();
  });
});

describe("storage that fails", () => {
  it("is said once, with what it costs, and again only for another reason", async () => {
    const trouble = new Signal<Trouble | null>(null);
    show(fakeClient({ trouble }), <StorageNote />);
    expect(screen.queryByTestId("storage-note")).toBeNull();
    act(() => trouble.set({ why: "full", forGood: false }));
    expect(by("storage-note").textContent).toMatch(/no room.*not delivered.*lost.*forgotten/);
    fireEvent.click(by("storage-note-ok"));
    expect(screen.queryByTestId("storage-note")).toBeNull();
    act(() => trouble.set({ why: "full", forGood: false }));
    expect(screen.queryByTestId("storage-note")).toBeNull();
    act(() => trouble.set({ why: "cleared", forGood: true }));
    expect(by("storage-note").textContent).toMatch(/was erased.*signed out and need your key/);
  });
});

describe("the key", () => {
  it("may be written down later where the browser keeps it, and not where it does not", () => {
    const trouble = new Signal<Trouble | null>(null);
    const identity = new Signal({ secret: randomBytes(32), deviceSeed: randomBytes(32), deviceName: "x", login: null, keyConfirmed: false });
    const { container } = show(fakeClient({ trouble, identity }), <KeyView onDone={() => undefined} />);
    expect(container.textContent).toContain("Later is fine");
    act(() => trouble.set({ why: "refused", forGood: true }));
    expect(container.textContent).not.toContain("Later is fine");
    expect(by("key-now").textContent).toContain("does not keep it");
  });
});

describe("composer", () => {
  const say = vi.fn();
  const put = (client: ReturnType<typeof fakeClient>, status: SessionSummary["status"] = "idle") =>
    show(client, <Composer session={{ ...session, status }} model={null} returned={{ text: "", count: 0 }} onSent={() => undefined} say={say} />);
  const typed = () => (by("composer-input") as HTMLTextAreaElement).value;

  it("lets go of what was written once it is stored, and not before", async () => {
    let stored: () => void = () => undefined;
    const client = fakeClient({ sendPrompt: vi.fn(() => new Promise<void>((resolve) => (stored = resolve))) });
    put(client);
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "precious" } });
    fireEvent.click(by("send"));
    await pass(60_000);
    expect([typed(), (by("composer-input") as HTMLTextAreaElement).readOnly, disabled("send")]).toEqual(["precious", true, true]);
    expect(client.saveDraft).not.toHaveBeenCalledWith("s1", "");
    stored();
    await pass(1);
    expect(typed()).toBe("");
    expect(client.saveDraft).toHaveBeenLastCalledWith("s1", "");
  });

  it("keeps what was written where it could not be stored, and says why", async () => {
    const client = fakeClient({ sendPrompt: vi.fn(async () => Promise.reject(new Error("No. Nothing was sent."))) });
    put(client);
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "precious" } });
    fireEvent.click(by("send"));
    await pass(1);
    expect([typed(), disabled("send")]).toEqual(["precious", false]);
    expect(say).toHaveBeenLastCalledWith("No. Nothing was sent.");
    expect(client.saveDraft).toHaveBeenLastCalledWith("s1", "precious");
  });

  it("is there again after a question whether the agent is there failed", async () => {
    const client = fakeClient({ reach: vi.fn(async () => Promise.reject(new Error("A fault."))) });
    put(client);
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "precious" } });
    fireEvent.click(by("send"));
    await pass(1);
    expect([typed(), disabled("send")]).toEqual(["precious", false]);
    expect(say).toHaveBeenLastCalledWith("A fault.");
  });

  it("sends on Enter and on Ctrl Enter, not while composing, not with Shift", async () => {
    const client = fakeClient();
    put(client);
    await pass(1);
    const input = by("composer-input");
    fireEvent.change(input, { target: { value: " do it " } });
    fireEvent.keyDown(input, { key: "Enter", shiftKey: true });
    fireEvent.keyDown(input, { key: "Enter", isComposing: true });
    expect(client.sendPrompt).not.toHaveBeenCalled();
    fireEvent.keyDown(input, { key: "Enter" });
    await pass(1);
    expect(client.sendPrompt).toHaveBeenLastCalledWith("s1", "do it", {}, 600_000);
    fireEvent.change(input, { target: { value: "again" } });
    fireEvent.keyDown(input, { key: "Enter", ctrlKey: true });
    await pass(1);
    expect(client.sendPrompt).toHaveBeenLastCalledWith("s1", "again", {}, 600_000);
  });

  it("asks how long a prompt may wait for an agent that cannot be reached", async () => {
    const client = fakeClient({ reach: vi.fn(async () => false) });
    put(client);
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "later" } });
    fireEvent.keyDown(by("composer-input"), { key: "Enter" });
    await pass(1);
    expect(client.sendPrompt).not.toHaveBeenCalled();
    fireEvent.click(by("wait-cancel"));
    expect((by("composer-input") as HTMLTextAreaElement).value).toBe("later");
    fireEvent.click(by("send"));
    await pass(1);
    fireEvent.click(by("wait-8"));
    await pass(1);
    expect(client.sendPrompt.mock.calls).toEqual([["s1", "later", {}, 8 * 3_600_000]]);
    expect((by("composer-input") as HTMLTextAreaElement).value).toBe("");
  });

  it("does not ask an agent that is away", async () => {
    const client = fakeClient();
    put(client, "offline");
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "later" } });
    fireEvent.click(by("send"));
    await pass(1);
    expect(client.reach).not.toHaveBeenCalled();
    expect(by("wait-dialog")).toBeDefined();
  });

  it("does not call an agent away before the page is connected, nor waits for that for ever", async () => {
    const connecting = () => new Signal<Connection>({ state: "connecting", since: 0, received: 0, message: null });
    const client = fakeClient({ connection: connecting() });
    const { unmount } = put(client);
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "at once" } });
    fireEvent.click(by("send"));
    await pass(5_000);
    expect(screen.queryByTestId("wait-dialog")).toBeNull();
    expect(client.reach).not.toHaveBeenCalled();
    act(() => client.connection.set({ state: "live", since: 0, received: 0, message: null }));
    await pass(1);
    expect(client.sendPrompt.mock.calls).toEqual([["s1", "at once", {}, 600_000]]);
    unmount();

    put(fakeClient({ connection: connecting() }));
    await pass(1);
    fireEvent.change(by("composer-input"), { target: { value: "later" } });
    fireEvent.click(by("send"));
    await pass(10_000);
    expect(by("wait-dialog")).toBeDefined();
  });

  it("brings the draft back and keeps it", async () => {
    const client = fakeClient({ loadDraft: vi.fn(async () => "half a thought") });
    put(client);
    await pass(1);
    expect((by("composer-input") as HTMLTextAreaElement).value).toBe("half a thought");
    fireEvent.change(by("composer-input"), { target: { value: "half a thought more" } });
    await pass(500);
    expect(client.saveDraft).toHaveBeenCalledWith("s1", "half a thought more");
  });

  it("has Stop at the same place always, of use only while working, and names what Send does", async () => {
    const client = fakeClient();
    const { unmount } = put(client, "idle");
    expect((by("stop") as HTMLButtonElement).disabled).toBe(true);
    expect(by("send").textContent).toContain("Send");
    unmount();
    put(client, "working");
    await pass(1);
    expect(by("send").textContent).toContain("Queue");
    fireEvent.click(by("stop"));
    await pass(1);
    expect(client.stopTurn).toHaveBeenCalledWith("s1");
    act(() => client.connection.set({ state: "offline", since: 0, received: 0, message: null }));
    expect(by("send").textContent).toContain("Queue here");
  });
});

describe("what runs in the background", () => {
  const start = 1_700_000_000_000;
  beforeEach(() => void vi.setSystemTime(start));
  const tasks = [
    { id: "b1", type: "local_bash", what: "Serve \u202eit", since: start - 400_000 },
    { id: "a1", type: "local_agent", what: "Long work", since: start },
  ];
  const shown = (status: SessionSummary["status"]) => ({ ...session, status, agent: { ...agent, background: tasks, backgroundMore: 3 } });

  it("says what and since when, and what Stop ends too", () => {
    const { unmount } = show(fakeClient(), <Background session={shown("background")} say={vi.fn()} />);
    expect(by("background").textContent).toContain("Serve U+202EitIn the background for 6 min.");
    expect(by("background").textContent).toContain("and 3 more");
    expect(by("background").textContent).not.toContain("Stop ends it too");
    unmount();
    show(fakeClient(), <Background session={shown("working")} say={vi.fn()} />);
    expect(by("background").textContent?.match(/Stop ends it too/g)).toHaveLength(1);
  });

  it("is stopped by its own stop; why that did not work is said", async () => {
    const client = fakeClient();
    const say = vi.fn();
    client.call.mockRejectedValueOnce(new Error("The machine is away."));
    show(client, <Background session={shown("background")} say={say} />);
    fireEvent.click(screen.getAllByTestId("background-stop")[1]!);
    await pass(1);
    expect(client.call).toHaveBeenCalledWith("s1", "stop-task", { id: "a1" });
    expect(say).toHaveBeenCalledWith("The machine is away.");
  });
});

const signers: Record<string, Signer> = {
  phone: { name: "Pixel 9", standing: "good", kind: "browser", isThis: false },
  lost: { name: "Old laptop", standing: "revoked", kind: "browser", isThis: false },
  machine: { name: "build-02", standing: "good", kind: "agent", isThis: false },
};
const context: RowContext = {
  cwd: null, host: "build-02", waiting: new Set(), answered: new Map(), held: new Map(), reachable: true, going: { agent: "there", background: new Set() },
  signer: (device) => signers[device] ?? { name: null, standing: "unknown", kind: null, isThis: false },
  onUnsend: () => undefined, onRetry: () => undefined, onTakeBack: vi.fn(),
};

describe("the body of a tool call", () => {
  const row = (name: string, input: Record<string, unknown>) => ({ kind: "tool", key: "k", at: 0, number: null, toolUseId: "t", name, input, result: null, children: [], cut: null }) as unknown as ToolRow;
  it.each([
    ["Bash", { command: "ls", dangerouslyDisableSandbox: true, run_in_background: true, timeout: 7 }, ["dangerouslyDisableSandboxtrue", "run_in_backgroundtrue", "timeout7"]],
    ["Edit", { file_path: "/a", old_string: "a", new_string: "b", replace_all: true }, ["replace_alltrue"]],
    ["MultiEdit", { file_path: "/a", edits: [{ old_string: "a", new_string: "b", replace_all: true }] }, ['"replace_all": true']],
    ["Read", { file_path: "/a", offset: 9 }, ["offset9"]],
    ["Agent", { description: "d", prompt: "p", subagent_type: "odd" }, ["subagent_typeodd"]],
    ["SomethingNew", { a: { b: 17 } }, ["17"]],
  ])("%s shows every argument", (name, input, parts) => {
    const { container } = render(<ToolBody row={row(name, input)} />);
    for (const part of parts) expect(container.textContent).toContain(part);
  });
  it("marks what cannot be seen in a command", () => {
    const { container } = render(<ToolBody row={row("Bash", { command: "echo a\nrm \u202e\u200bb" })} />);
    expect(container.textContent).toContain("rm U+202EU+200Bb");
  });
  it.each([
    ["Edit", { file_path: "/a.ts", old_string: "a\n", new_string: "a \u202eb\n" }, "a U+202Eb"],
    ["Write", { file_path: "/a.ts", content: "a\u200b\n" }, "aU+200B"],
    ["mcp__desk__book", { desk: "a\u2066b" }, "aU+2066b"],
    ["Agent", { description: "d", prompt: "p\u202e" }, "pU+202E"],
    ["TodoWrite", { todos: [{ content: "t\u202e", status: "pending" }] }, "tU+202E"],
    ["AskUserQuestion", { questions: [{ question: "q\u202e?", options: [] }] }, "qU+202E?"],
  ])("of %s marks it too", (name, input, part) => {
    const { container } = render(<ToolBody row={row(name, input)} />);
    for (const details of container.querySelectorAll("details")) details.open = true;
    expect(container.textContent).toContain(part);
    expect(container.textContent).not.toMatch(/[\u202e\u200b\u2066]/);
  });
});

describe("a session whose agent is away", () => {
  const at = Date.UTC(2026, 10, 28, 14, 2);
  const away: SessionSummary = { ...session, id: "0190-s1", status: "offline", activeAt: at };
  const command = { program: "/opt/my tools/consortium", home: null, arguments: ["--model", "opus", "--append-system-prompt", "don't"] };

  it("says what is known of why, and what becomes of a prompt", () => {
    expect(awayWords(away, at)).toMatch(/^The relay has not heard of it since .*; why is not known\. A prompt waits on the relay until build-02 is back\.$/);
    expect(awayWords({ ...away, ended: true, endedAt: at }, at)).toMatch(/^Ended, .*\. A prompt waits on the relay until the session is taken up again\.$/);
    expect(awayWords({ ...away, ended: true }, at)).toMatch(/^Ended\. /);
    expect(awayWords({ ...away, archived: true }, at)).toBe("Archived. build-02 is not connected; a prompt brings it out of the archive and waits on the relay.");
  });

  it("shows the command that takes it up, with folder, id and options, each as one word of a shell", () => {
    const plain = { program: "consortium", home: null, arguments: [] };
    expect(resumeCommand({ ...away, path: null }, plain)).toBe("consortium --resume 0190-s1");
    expect(resumeCommand({ ...away, path: "/home/n/it's" }, command)).toBe("cd '/home/n/it'\\''s' && '/opt/my tools/consortium' --resume 0190-s1 --model opus --append-system-prompt 'don'\\''t'");
    expect(resumeCommand({ ...away, path: "/p" }, { ...plain, home: "/var/c", arguments: null })).toBe("cd /p && env CONSORTIUM_HOME=/var/c consortium --resume 0190-s1");
    const older = show(fakeClient(), <Away session={{ ...away, ended: true }} now={at} />);
    expect(screen.queryByTestId("take-up")).toBeNull();
    older.unmount();
    HTMLDialogElement.prototype.showModal ??= () => undefined;
    const { container } = show(fakeClient(), <Away session={{ ...away, ended: true, endedAt: at, command }} now={at} />);
    fireEvent.click(by("take-up"));
    expect(container.textContent).toContain("--resume 0190-s1 --model opus");
    expect(container.textContent).toContain("In a terminal of build-02");
  });
});

describe("the command that takes a session up", () => {
  it("is for a shell what it was, also where words are made to be misread, and shows nothing that a terminal would obey", () => {
    const parts = ["a", "'", "\\", '"', "$(id)", "`", "\n", "\t", "\u001b[201~", "\u0003", "\u202e", "\u200b", "!", "~", "=", "é", "\u{1f600}", " ", "#", "*", "x41"];
    let state = 5;
    const next = (below: number) => (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) % below;
    const words = ["", "=ls", "~", "-n", ...Array.from({ length: 200 }, () => Array.from({ length: 1 + next(8) }, () => parts[next(parts.length)]).join(""))];
    const said = execFileSync("/bin/bash", ["-c", `printf '%s\\0' ${words.map(shellWord).join(" ")}`]).toString();
    expect(said.split("\0").slice(0, -1)).toEqual(words);
    for (const word of words) expect(shellWord(word)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe("what a call came to", () => {
  const of = (more: Partial<ToolRow>, going: Partial<Going> = {}, name = "Bash") =>
    outcome({ kind: "tool", key: "k", seq: 1, revision: 1, at: 0, toolUseId: "t", name, input: {}, result: null, children: [], cut: null, ...more }, { agent: "there", background: new Set(), ...going });
  const result = (text: string, more: Partial<NonNullable<ToolRow["result"]>> = {}) => ({ text, pictures: [], isError: true, structured: null, decision: null, stopped: false, at: 0, revision: 2, ...more });
  const begun = (settled: boolean, status = "begun") => ({ background: { task: "b1", status, settled }, result: result("Running in the background", { isError: false }) });

  it("is taken from marks, whatever its text says", () => {
    expect(of({ result: result("Exit code 1\nmkdir: /root: Permission denied") })).toEqual({ text: "failed, exit 1", bad: true });
    expect(of({ result: result("the request was rejected; [Request interrupted by user]") }).text).toBe("failed");
    expect(of({ result: result("Exit code 3") }, {}, "mcp__a__b").text).toBe("failed");
    expect(of({ result: result("no", { decision: "reject" }) })).toEqual({ text: "denied", bad: false });
    expect(of({ result: result("The user doesn't want to proceed", { stopped: true }) })).toEqual({ text: "stopped", bad: false });
    expect(of({ result: result("fine", { isError: false }) }).text).toBe("done");
    // What was looked for and read is counted by Claude; where it does not say, nobody does.
    const found = (structured: unknown, name: string) => of({ result: result("No files found", { isError: false, structured }) }, {}, name).text;
    expect([found({ mode: "files_with_matches", numFiles: 0 }, "Grep"), found({ mode: "content", numFiles: 0, numLines: 3 }, "Grep"), found(null, "Glob")]).toEqual(["0 files", "3 lines", "done"]);
    expect([found({ type: "text", file: { numLines: 1 } }, "Read"), found({ type: "image", file: {} }, "Read")]).toEqual(["1 line", "done"]);
  });

  it("took no time while a person was asked", () => {
    const row: ToolRow = { kind: "tool", key: "k", seq: 1, revision: 1, at: 0, toolUseId: "t", name: "Bash", input: {}, children: [], cut: null, result: result("fine", { isError: false, at: 602_000 }) };
    expect(outcome(row, { agent: "there", background: null }, 600_000).text).toBe("2.0 s");
  });

  it("is running only while the agent is known to be there", () => {
    expect(of({}).text).toBe("running");
    expect(of({ ranFor: 30 }).text).toBe("running for 30 s");
    expect(of({}, { agent: "away" }).text).toBe("no result known");
    expect(of({}, { agent: "ended" }).text).toBe("no result: the agent ended before");
    expect(of({ cut: "agent" }).text).toBe("no result: the agent ended before");
    expect(of({ cut: "stopped" }).text).toBe("stopped");
    expect(of({ cut: "turn" }).text).toBe("no result");
    expect(of({ cut: "agent" }, {}, "Agent").text).toBe("no result: the agent ended before");
  });

  it("is in the background only while the agent says so", () => {
    expect(of(begun(true), { background: new Set(["b1"]) }).text).toBe("in the background");
    expect(of(begun(false)).text).toBe("in the background");
    expect(of(begun(true)).text).toBe("in the background: over, how is not known");
    expect(of(begun(true), { background: null }).text).toBe("in the background");
    expect(of(begun(true), { agent: "away" }).text).toBe("was in the background");
    expect(of(begun(true), { agent: "ended" }).text).toBe("in the background: its end is not known");
    expect(of(begun(true, "failed"))).toEqual({ text: "in the background: failed", bad: true });
  });
});

describe("what one line has no room for", () => {
  const common = { key: "k", seq: 1, revision: 8412, at: 0 };
  const row = (name: string, input: Record<string, unknown>, more: Partial<ToolRow> = {}): ToolRow => ({ ...common, kind: "tool", toolUseId: "t", name, input, children: [], cut: null, result: null, ...more });
  const long = `begins ${"and goes on ".repeat(100_000)}and ends`;
  const draw = (what: Row) => show(fakeClient(), <RowView row={what} context={context} />).container;

  it("is cut in the line of a call, of an event and of how a turn ended; all of it is there when it is opened", async () => {
    for (const what of [row("Bash", { command: long }), row("mcp__a__b", { text: long }), row("AskUserQuestion", { questions: [{ question: long, options: [] }] })]) {
      const container = draw(what);
      expect(container.textContent?.length).toBeLessThan(1_000);
      expect(container.querySelector("[title]:not(.no)")?.getAttribute("title")?.length ?? 0).toBeLessThan(1_000);
      cleanup();
    }
    const event = draw({ ...common, kind: "event", tone: "fail", text: `a\u202eb ${long}` });
    expect(event.textContent?.length).toBeLessThan(1_000);
    expect(event.textContent).toContain("aU+202Eb");
    const fold = event.querySelector("details") as HTMLDetailsElement;
    fold.open = true;
    fireEvent(fold, new Event("toggle"));
    await pass(1);
    expect(event.textContent?.includes("and ends")).toBe(true);
    cleanup();
    EverythingInView.blind = true;
    expect(draw({ ...common, kind: "result", outcome: "failed", durationMs: 1, reason: "x\n".repeat(100_000), usage: null }).textContent?.length).toBeLessThan(1_000);
    cleanup();
    const denied = { id: "t", hash: "h", ask: null, decision: "denied", grants: [], mode: null, reason: long, device: "phone", tool: "Bash", at: 1 };
    expect(decisionWord(denied, context.signer).length).toBeLessThan(200);
  });

  it("is no endless list: a plan, the steps of a subagent", () => {
    const todos = Array.from({ length: 5_000 }, (_, i) => ({ content: `${i} ${"step ".repeat(2_000)}`, status: "pending" }));
    const plan = render(<ToolBody row={row("TodoWrite", { todos })} />).container;
    expect(plan.querySelectorAll("li")).toHaveLength(101);
    expect(plan.textContent).toContain("and 4,900 more");
    expect(plan.textContent?.length).toBeLessThan(50_000);
    cleanup();
    EverythingInView.blind = true;
    const children = Array.from({ length: 2_000 }, (_, i) => row("Bash", { command: `echo ${i}` }, { key: `c${i}`, toolUseId: `c${i}` }));
    const subagent = draw(row("Agent", { description: "d" }, { children }));
    const fold = subagent.querySelector("details") as HTMLDetailsElement;
    fold.open = true;
    fireEvent(fold, new Event("toggle"));
    expect(screen.getAllByTestId("subentry").length).toBeLessThan(100);
  });

  it("is made near the view only: blocks of an answer, pictures of a result", async () => {
    EverythingInView.blind = true;
    const text = Array.from({ length: 600 }, (_, i) => `paragraph ${i}\n\n\`\`\`\ncode ${i}\n\`\`\``).join("\n\n");
    expect(render(<Markdown text={text} />).container.querySelectorAll("*").length).toBeLessThan(800);
    cleanup();
    const pictures = Array.from({ length: 3_000 }, () => ({ type: "image/png", bytes: 3, data: "AAAA" }));
    const many = row("Read", {}, { result: { text: "", pictures, isError: false, structured: null, decision: null, stopped: false, at: 0, revision: 1 } });
    expect(render(<ToolBody row={many} />).container.querySelectorAll("*").length).toBeLessThan(1_000);
    cleanup();
    EverythingInView.blind = false;
    const all = render(<Markdown text={text} />).container;
    await pass(1);
    for (const i of [0, 41, 599]) expect(all.textContent?.includes(`paragraph ${i}`)).toBe(true);
  });

  it("promises nothing of a subagent in the background, and counts what it did, not what was said", () => {
    const children: Row[] = [{ ...common, key: "e", kind: "event", tone: "plain", text: "Stopped" }, row("Bash", { command: "ls" }, { key: "c" })];
    const stopped = row("Agent", { description: "d" }, { children, background: { task: "b", status: "stopped", settled: true }, result: { text: "launched", pictures: [], isError: false, structured: { isAsync: true }, decision: null, stopped: false, at: 0, revision: 1 } });
    expect(outcome(stopped, { agent: "there", background: null }).text).toBe("1 step, in the background: was stopped");
    expect(render(<ToolBody row={stopped} />).container.textContent).not.toContain("further down");
  });
});

describe("beside the conversation", () => {
  const conversation = (rows: readonly Row[], more: object = {}) => new Signal({ state: "ready", error: null, rows, pending: [], partials: [], hasOlder: false, loadingOlder: false, model: null, answered: new Map(), ...more });
  it("stands what Claude's own tools changed, within bounds, and no word of what commands did", () => {
    const model = (rows: readonly Row[]) => ({ conversation: conversation(rows) }) as unknown as SessionModel;
    const pane = (rows: readonly Row[], of: Partial<SessionSummary> = {}) => show(fakeClient(), <ContextPane model={model(rows)} session={{ ...session, ...of }} onClose={() => undefined} />).container;
    expect(pane([]).textContent).toContain("What commands changed is not known here");
    cleanup();
    const files = Array.from({ length: 1_000 }, (_, i): ToolRow => ({ key: `k${i}`, seq: i, revision: i, at: 0, kind: "tool", toolUseId: `t${i}`, name: "Write", input: { file_path: `/f\u202e${i}`, content: "x" }, children: [], cut: null, result: { text: "ok", pictures: [], isError: false, structured: null, decision: null, stopped: false, at: 0, revision: i } }));
    const many = pane(files, { says: `host\u202e${"x".repeat(100_000)}` });
    expect(many.querySelectorAll(".files li")).toHaveLength(201);
    expect(many.textContent).toContain("and 800 more");
    expect(many.textContent).toContain("fU+202E0");
    expect(many.textContent).toContain("hostU+202E");
    expect(many.textContent?.length).toBeLessThan(20_000);
  });
});

describe("a conversation without entries", () => {
  const view = (more: object, of: Partial<SessionSummary> = {}) => {
    const base = { state: "ready", error: null, rows: [], pending: [], partials: [], hasOlder: false, loadingOlder: false, model: null, answered: new Map(), ...more };
    const model = { id: "s1", summary: new Signal({ ...session, status: "idle", ...of }), conversation: new Signal(base), open: vi.fn(async () => undefined), loadOlder: vi.fn(async () => undefined), markRead: vi.fn(), prompt: () => null };
    return show(fakeClient(), <ConversationView model={model as unknown as SessionModel} onContext={() => undefined} say={() => undefined} />).container.textContent ?? "";
  };
  it("says that nothing was said only where that is known, and that the agent waits only where it does", async () => {
    expect(view({})).toMatch(/Nothing has been said here yet.*waits in/);
    cleanup();
    expect(view({ hasOlder: true }), "nothing of what is loaded is shown").not.toContain("Nothing has been said");
    cleanup();
    expect(view({}, { status: "working" })).not.toContain("waits in");
    cleanup();
    expect(view({ state: "loading" })).not.toContain("Nothing has been said");
  });
});

describe("rows", () => {
  const prompt = { key: "k", seq: 1, revision: 8412, at: 0, kind: "prompt", text: "x", localId: null, bundleId: "b1", device: "phone", number: { from: "f", n: 3 } } as const;
  const common = { key: "k", seq: 1, revision: 8412, at: 0 };

  it("show what could not be verified, with its number", () => {
    show(fakeClient(), <RowView row={{ ...common, kind: "unverified", text: "This entry could not be verified: it was altered." }} context={context} />);
    expect(by("entry").dataset["kind"]).toBe("unverified");
    expect(by("entry").textContent).toContain("#8,412");
    expect(by("entry").textContent).toContain("could not be verified");
  });

  it("name the writer of a prompt by the signature on it, and by nothing else", () => {
    const writer = (device: string | null) => {
      const { unmount } = show(fakeClient(), <RowView row={{ ...prompt, state: "stored", device }} context={context} />);
      const found = [by("writer").textContent, by("writer").dataset["verified"]];
      unmount();
      return found;
    };
    expect(writer("phone")).toEqual(["You Pixel 9,", "true"]);
    expect(writer("lost")).toEqual(["You Old laptop (revoked),", "true"]);
    expect(writer("machine")).toEqual(["Signed by a machine, not by you", "false"]);
    expect(writer("stranger")).toEqual(["Signed by a device that is not yours", "false"]);
    expect(writer(null)).toEqual(["Not signed", "false"]);
  });

  it("say who allowed a call only where the signature verifies", () => {
    const answer = { ask: null, hash: "", id: "t1", decision: "approved", grants: [], mode: null, reason: null, tool: "Bash", at: 0 };
    const word = (device: string | null, more = {}) => decisionWord({ ...answer, device, ...more }, context.signer);
    expect(word("phone")).toBe("allowed by Pixel 9");
    expect(word("lost")).toBe("allowed by Old laptop (revoked)");
    expect(word("phone", { grants: [0] })).toBe("allowed with more from now on by Pixel 9");
    expect(word("phone", { decision: "denied", reason: "no" })).toBe("denied by Pixel 9: no");
    for (const device of [null, "stranger", "machine"]) expect(word(device)).toBe("allowed, says the agent");
    expect(word("phone", { tool: "ExitPlanMode" })).toBe("started by Pixel 9");
    expect(word("phone", { tool: "ExitPlanMode", grants: [0] })).toBe("started with more from now on by Pixel 9");
    const line = (more: object) => {
      const { unmount } = show(fakeClient(), <RowView row={{ key: "k", seq: 1, revision: 1, at: 0, kind: "approval", approval: { ...answer, device: "phone", ...more } as never }} context={context} />);
      const words = by("decision").textContent;
      unmount();
      return words;
    };
    expect(line({ tool: "trust" })).toBe("The folder was trusted by Pixel 9");
    expect(line({ tool: "trust", decision: "denied" })).toBe("The folder was not trusted by Pixel 9");
    expect(line({ tool: "plugin" })).toBe("A plugin of the folder was allowed to run by Pixel 9");
    expect(line({ tool: "server" })).toBe("A server of the folder was allowed to run by Pixel 9");
    expect(line({ tool: "server", decision: "denied" })).toBe("A server of the folder was not allowed to run by Pixel 9");
    expect(line({ tool: "elicitation" })).toBe("A server’s question was answered by Pixel 9");
    expect(line({ tool: "elicitation", decision: "denied" })).toBe("A server’s question was declined by Pixel 9");
    expect(line({ tool: "dialog", decision: "abort" })).toBe("A question of Claude Code was cancelled by Pixel 9");
    expect(line({ tool: null })).toBe("A question was allowed by Pixel 9");
  });

  it("say why a prompt is held, and let a person decide; one that is not taken yet can be taken back", () => {
    const one = { id: "b1", from: "f", n: 3, why: "unseen", came: 0 };
    const held = new Map([["b1", one]]);
    const { unmount } = show(fakeClient(), <RowView row={{ ...prompt, state: "stored" }} context={{ ...context, held }} />);
    expect(by("entry").textContent).toContain("held: Claude had said more by then than its writer had seen");
    expect(by("tally").dataset["strokes"]).toBe("2");
    unmount();
    const onHeld = vi.fn();
    const list = show(fakeClient(), <HeldPrompts held={[one]} host="" promptOf={() => ({ text: "Deploy \u202eit" })} onHeld={onHeld} />);
    expect(by("held").textContent).toContain("Deploy U+202EitNot run: Claude had said more");
    fireEvent.click(by("held-run"));
    fireEvent.click(by("held-drop"));
    expect(onHeld.mock.calls).toEqual([["b1", true], ["b1", false]]);
    list.unmount();
    show(fakeClient(), <RowView row={{ ...prompt, state: "stored" }} context={context} />);
    fireEvent.click(by("take-back"));
    expect(context.onTakeBack).toHaveBeenCalledTimes(1);
  });

  it("say of a prompt that came at a wrong time by which clock, and by how much", () => {
    const hour = 3_600_000;
    expect(heldWords("until", 5 * hour, 2 * hour, "build-02")).toBe("by the clock of build-02 it came 3 h after the time that it was good for");
    expect(heldWords("until", 0, 48 * hour, "")).toBe("by the clock of the machine it says that it is good for 2 d, longer than any may be: that clock is behind, or the one of whoever wrote it ahead");
    expect(heldWords("until", null, 2 * hour)).toBe("it came outside of the time that it was good for");
    const held = new Map([["b1", { id: "b1", from: "f", n: 3, why: "until", came: 20 * 60_000 }]]);
    show(fakeClient(), <RowView row={{ ...prompt, state: "stored", until: 600_000 }} context={{ ...context, held }} />);
    expect(by("entry").textContent).toContain("held: by the clock of build-02 it came 10 min after");
  });

  it("draw no stroke that is not known", () => {
    const strokes = (state: "queued" | "sending" | "stored" | "taken") => {
      const { unmount } = show(fakeClient(), <RowView row={{ ...prompt, state }} context={context} />);
      const count = by("tally").dataset["strokes"];
      unmount();
      return count;
    };
    expect([strokes("queued"), strokes("sending"), strokes("stored"), strokes("taken")]).toEqual(["0", "0", "1", "3"]);
  });

  const tool = (name: string, input: Record<string, unknown>, text: string, structured: unknown = null): ToolRow => ({
    ...common, kind: "tool", toolUseId: "t", name, input, result: { text, pictures: [], isError: false, structured, decision: null, stopped: false, at: 0, revision: 2 }, children: [], cut: null,
  });

  it("look as they do in a terminal, and are copied without its sequences", async () => {
    const { container } = show(fakeClient(), <ToolBody row={tool("Bash", { command: "x" }, "\u001b[31mFAIL\u001b[0m \u001b[38;2;1;2;3mx\u001b[0m\n10%\r100%")} />);
    expect(container.querySelector("pre")?.textContent, "before it is read").toBe("FAIL x\n10%\n100%");
    await pass(1);
    expect(container.querySelector("pre")?.textContent).toBe("FAIL x\n100%");
    expect(container.querySelector(".t-1")?.textContent).toBe("FAIL");
    expect((container.querySelector(".t-text") as HTMLElement).style.getPropertyValue("--t-text")).toBe("#010203");
  });

  it.each([
    ["as it is", "", "src \u202egpj.x\u200b"],
    ["in colours of a language", "ts", "const a = 1; // \u202egpj.x\u200b"],
    ["in colours of a terminal", "", "\u001b[31msrc \u202egpj.x\u200b\u001b[0m"],
  ])("mark what cannot be seen in an output, %s", async (_, type, text) => {
    const { container } = show(fakeClient(), <ToolBody row={type === "" ? tool("Bash", { command: "x" }, text) : tool("Read", { file_path: `a.${type}` }, text)} />);
    for (const ms of [0, 10]) {
      await pass(ms);
      expect([...container.querySelectorAll("pre .odd")].map((mark) => mark.textContent)).toEqual(["U+202E", "U+200B"]);
      expect(container.querySelector("pre")?.textContent).toContain("U+202Egpj.xU+200B");
    }
  });

  it("leave spaces and pictures of an output as they are, and mark what is hidden in a slash command's", () => {
    const text = "\u2502\u00a0\u00a0 \u251c\u2500\u2500 a\u2800b \u26a0\ufe0f 1\ufe0f\u20e3 \ud83d\udc69\u200d\ud83d\udcbb";
    const { container } = show(fakeClient(), <ToolBody row={tool("Bash", { command: "tree" }, text)} />);
    expect(container.querySelector("pre")?.textContent).toBe(text);
    cleanup();
    show(fakeClient(), <RowView row={{ ...common, kind: "output", of: "/context", text: "## Usage\n\u202egpj.x", failed: false }} context={context} />);
    expect(by("entry").textContent).toContain("## Usage\nU+202Egpj.x");
  });

  it("mark what cannot be seen in a change, but not every end of a line", async () => {
    const shown = (before: string, after: string) => {
      const { container, unmount } = show(fakeClient(), <ToolBody row={tool("Edit", { file_path: "a.ts", old_string: before, new_string: after }, "ok")} />);
      const odd = [...container.querySelectorAll(".diff .odd")].map((mark) => mark.textContent);
      unmount();
      return odd;
    };
    expect(shown("a", "a\u202eb\u200b\u0007")).toEqual(["U+202E", "U+200B", "U+0007"]);
    expect(shown("a\r\nb\r\n", "a\r\nc\r\n")).toEqual([]);
    expect(shown("a\nb\n", "a\r\nb\n")).toEqual(["U+000D"]);
  });

  it("show a command's output with its lines, or as the Markdown that it is", async () => {
    const output = (text: string): Row => ({ ...common, kind: "output", of: "/context", text, failed: false });
    const { container, rerender } = show(fakeClient(), <RowView row={output("a  1\nb  2")} context={context} />);
    expect(container.querySelector("pre")?.textContent).toBe("a  1\nb  2");
    expect(by("entry").textContent).toContain("Output of /context");
    rerender(<ClientContext value={fakeClient() as unknown as Client}><RowView row={output("## Usage\n\n| a | b |\n|---|---|\n| 1 | 2 |")} context={context} /></ClientContext>);
    await pass(10);
    expect(container.querySelectorAll("td")).toHaveLength(2);
  });

  it("draw pictures, and name those that they do not draw", async () => {
    const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const row = tool("Read", { file_path: "a.png" }, "", null);
    const pictures = [{ type: "image/png", bytes: 70, data: png }, { type: "image/svg+xml", bytes: 40, data: "PHN2Zy8+" }, { type: "url", bytes: 0, data: null }];
    show(fakeClient(), <ToolBody row={{ ...row, result: { ...row.result!, pictures } }} />);
    await pass(1);
    const image = by("picture").querySelector("img") as HTMLImageElement;
    expect([image.src, image.width, image.alt]).toEqual([`data:image/png;base64,${png}`, 1, "Picture, 1 × 1, 70 bytes"]);
    expect(screen.getAllByTestId("picture-named").map((named) => named.textContent)).toEqual(["A picture that is not shown here: image/svg+xml, 40 bytes", "A picture that was not sent along: url"]);
    fireEvent.error(image);
    expect(screen.getAllByTestId("picture-named")).toHaveLength(3);
  });

  it("make what is inside a tool line only when it is opened", () => {
    show(fakeClient(), <RowView row={{ ...common, kind: "tool", toolUseId: "t", name: "Bash", input: { command: "ls" }, result: { text: "secret output", isError: false, pictures: [], structured: null, decision: null, stopped: false, at: 0, revision: 2 }, children: [], cut: null }} context={context} />);
    expect(by("entry").textContent).not.toContain("secret output");
    const details = by("tool") as HTMLDetailsElement;
    details.open = true;
    fireEvent(details, new Event("toggle"));
    expect(by("entry").textContent).toContain("secret output");
  });

  it("that cannot be drawn stand as plain text, and the others beside them as they are", () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const prompt = { ...common, kind: "prompt", text: "a prompt", state: "stored", localId: null, bundleId: null, device: "k", number: null } as Row;
    const words = { ...common, key: "k2", kind: "text", text: "all is well", aborted: false } as Row;
    const failing: RowContext = { ...context, signer: () => { throw new Error("a fault"); } };
    show(fakeClient(), <><RowView row={prompt} context={failing} /><RowView row={words} context={failing} /></>);
    const [first, second] = screen.getAllByTestId("entry");
    expect(first?.dataset["plain"]).toBe("");
    expect(first?.textContent).toContain("a prompt");
    expect(second?.textContent).toContain("all is well");
  });

  it("never turn text into HTML, scripts or foreign images", async () => {
    const { container } = render(<Markdown text={'<img src=x onerror=alert(1)> <script>alert(1)</script> ![alt](https://evil.example/x.png) [click](javascript:alert(1)) **bold**'} />);
    await pass(10);
    expect(container.querySelector("script, img, [onerror]")).toBeNull();
    expect(container.querySelector("strong")?.textContent).toBe("bold");
    for (const link of container.querySelectorAll("a")) expect(link.getAttribute("href") ?? "").not.toMatch(/^javascript/);
  });
});

describe("truth line", () => {
  it("claims no more than is known", () => {
    const client = fakeClient();
    show(client, <TruthLine />);
    const words = () => by("truth-line").querySelector(".say")?.textContent?.replace(/\s+/g, " ").trim();
    expect(words()).toBe("live·#8,412stored");
    expect(by("truth-line").textContent).not.toContain("verified");
    expect(by("truth-line").querySelector("[data-r=proved]")).toBeNull();
    act(() => client.connection.set({ state: "catching-up", since: 0, received: 230, message: null }));
    expect(words()).toBe("catching up 230");
    act(() => {
      client.queued.set(2);
      client.connection.set({ state: "offline", since: 0, received: 0, message: null });
    });
    expect(words()).toBe("offline,2 queued");
    act(() => client.watch.get().alarm.set(alarmed));
    expect(by("truth-line").dataset["t"]).toBe("bad");
    expect(by("truth-line").textContent).toContain("the relay's history does not match");
  });

  it("says verified only of the newest number, and only once it is proved", () => {
    const client = fakeClient();
    show(client, <TruthLine />);
    const words = () => by("truth-line").querySelector(".say")?.textContent?.replace(/\s+/g, " ").trim();
    const log = (change: Partial<LogStatus>) => act(() => client.watch.get().status.set({ ...unchecked, ...change }));
    log({ state: "checking", proved: 8411 });
    expect(words()).toBe("live·#8,412checking");
    // Verified up to here, but the next entry is already known.
    log({ state: "verified", proved: 8411 });
    expect(words()).toBe("live·#8,412checking");
    log({ state: "verified", proved: 8412 });
    expect(words()).toBe("live·#8,412verified");
    expect(by("log-number").dataset["r"]).toBe("proved");
    log({ state: "refuted", proved: 8412 });
    expect(words()).toBe("live·#8,412not verified");
    expect(by("log-number").dataset["r"]).toBe("refuted");
    for (const change of [{ state: "unavailable" as const, proved: 8412 }, { state: "checking" as const, trouble: "Could not reach it." }]) {
      log(change);
      expect(words()).toBe("live·#8,412stored, not checked");
      expect(by("log-number").dataset["r"]).toBe("stored");
    }
  });
});

describe("log panel", () => {
  const root = "9f3ac41e7b02d85500112233445566778899aabbccddeeff0011223344556677";
  const proved: LogStatus = {
    ...unchecked, state: "verified", log: "l", key: "consortium-log/relay+71c2a0e4+AAAA", pinnedAt: 1, acceptedAt: 2, checkpoint: { size: 90_000, root, note: "the note\n" }, from: { size: 80_000, at: 1 }, first: 8180, proved: 8412, compared: 3,
    latest: [{ header: { type: 8, account: "a", stream: "s", revision: 8412, seq: 0, time: 1, bodyBytes: 0 }, shredded: false }],
  };
  const states = () => screen.getAllByTestId("log-check").map((check) => `${check.dataset["check"]} ${check.dataset["state"]}`);

  it("says each check in words", () => {
    const client = fakeClient();
    client.watch.get().status.set(proved);
    show(client, <LogView />);
    expect(states()).toEqual(["signature ok", "history ok", "entries ok", "shown ok"]);
    expect(by("log-panel").textContent).toContain("Your 233 entries are in it");
    expect(by("log-sentence").textContent).toContain("from #8,180 on is in the log, in order, and none was changed since this browser first looked");
    expect(by("log-entry").textContent).toContain("session deleted");
    expect(client.watch.get().again).toHaveBeenCalled();
  });

  it("claims nothing of what was not compared, and nothing without proofs", () => {
    const client = fakeClient();
    client.watch.get().status.set({ ...proved, from: null, compared: 0, first: 8412 });
    show(client, <LogView />);
    expect(states()).toEqual(["signature ok", "history none", "entries ok", "shown none"]);
    expect(by("log-sentence").textContent).toContain("Here this browser first looked");
    act(() => client.watch.get().status.set({ ...unchecked, state: "unavailable" }));
    expect(screen.queryAllByTestId("log-check")).toEqual([]);
    expect(by("log-panel").textContent).not.toMatch(/verified/);
  });

  it("shows which check failed, until it is acknowledged", async () => {
    const client = fakeClient();
    const watch = client.watch.get();
    watch.status.set({ ...proved, state: "refuted" });
    watch.alarms.set([alarmed]);
    watch.alarm.set(alarmed);
    show(client, <LogView />);
    expect(states()).toEqual(["signature ok", "history failed", "entries open", "shown ok"]);
    expect(by("log-alarm-note").textContent).toContain("The relay signed two different logs.");
    fireEvent.click(by("log-acknowledge"));
    expect(watch.acknowledge).toHaveBeenCalled();
    act(() => watch.alarms.set([{ ...alarmed, acknowledged: true }]));
    expect(screen.queryByTestId("log-alarm-note")).toBeNull();
    expect(by("log-acknowledged").textContent).toContain("two different logs");
    expect(by("log-panel").textContent).toContain("not verified");
  });
});

describe("proof of an entry", () => {
  it("has a rule of its own until it is proved", () => {
    const client = fakeClient();
    let proof: EntryProof = "none";
    const watch = client.watch.get();
    watch.proofOf = () => proof;
    const row = { key: "k", seq: 1, revision: 8412, at: 0, kind: "text", text: "hello", aborted: false } as const;
    show(client, <RowView row={row} context={context} />);
    const rule = () => by("entry").querySelector<HTMLElement>(".no .ruled")?.dataset["r"];
    expect([by("entry").dataset["proof"], rule()]).toEqual(["none", "stored"]);
    act(() => {
      proof = "proved";
      watch.proofs.set(1);
    });
    expect([by("entry").dataset["proof"], rule()]).toEqual(["proved", undefined]);
    act(() => {
      proof = "refuted";
      watch.proofs.set(2);
    });
    expect([by("entry").dataset["proof"], rule()]).toEqual(["refuted", "refuted"]);
  });

  it("holds for a tool line only when call, result and everything below are proved", () => {
    const client = fakeClient();
    const proved = new Set<number>();
    const watch = client.watch.get();
    watch.proofOf = (revision) => (proved.has(revision) ? "proved" : "none");
    const call = (revision: number, children: readonly Row[]): Row => ({
      key: `k${revision}`, seq: revision, revision, at: 0, kind: "tool", toolUseId: `t${revision}`, name: "Bash", input: {}, cut: null, children,
      result: { text: "", isError: false, pictures: [], structured: null, decision: null, stopped: false, at: 0, revision: revision + 100 },
    });
    const row = call(1, [call(2, [])]);
    expect(revisionsOf(row)).toEqual([1, 101, 2, 102]);
    show(client, <RowView row={row} context={context} />);
    for (const [revision, then] of [[1, "none"], [101, "none"], [2, "none"], [102, "proved"]] as const) {
      act(() => {
        proved.add(revision);
        watch.proofs.set(revision);
      });
      expect(by("entry").dataset["proof"]).toBe(then);
    }
  });

  it("shows an agent's alarm as one", () => {
    const transcript = new Transcript();
    transcript.add({
      id: "1", seq: 1, revision: 9, createdAt: 0, localId: null,
      decoded: { content: { type: "event", data: { type: "log-alarm", text: "The log got shorter than what this machine accepted." } }, device: null, link: null, at: 0, unbound: false },
    });
    show(fakeClient(), <>{transcript.rows.map((row) => <RowView key={row.key} row={row} context={context} />)}</>);
    expect(by("log-alarm").getAttribute("role")).toBe("alert");
    expect(by("log-alarm").textContent).toContain("The log got shorter");
  });
});

describe("receipt", () => {
  const answer = { success: true };
  const base: Certificate = { about: "session", id: "51515151-0000-0000-0000-000000000000", title: "Try the parser", at: 0, note: null, key: null, receipt: null, extends: null, problem: "This relay gives no receipts.", answer };

  it("is a certificate only when it verified", () => {
    const { unmount } = show(fakeClient(), <ReceiptCard certificate={base} host="relay.example" />);
    expect(by("receipt").dataset["verified"]).toBe("false");
    expect(screen.queryByTestId("receipt-save")).toBeNull();
    unmount();
    const receipt = { about: "session", id: base.id, origin: "o", created: 3, deleted: 8, messages: 3, time: 5, checkpoint: { origin: "o", size: 9, root: new Uint8Array(32) } } as const;
    show(fakeClient(), <ReceiptCard certificate={{ ...base, note: "note\n", key: "o+1+A", receipt, extends: true, problem: null }} host="relay.example" />);
    expect(by("receipt").dataset["verified"]).toBe("true");
    expect(by("receipt").querySelector("[data-r=proved]")?.textContent).toBe("#8");
    expect(by("receipt").textContent).toContain("No proof can show that a key is gone");
  });
});

describe("session list", () => {
  const of = (id: string, fields: Partial<SessionSummary>): SessionSummary => ({ ...session, id, status: "idle", ...fields });

  it("puts what needs you first, then the newest, in groups by project and machine", () => {
    const sessions = [of("a", { at: 5 }), of("b", { at: 9, project: "infra" }), of("c", { at: 1, status: "needs-you" }), of("d", { at: 7, host: "laptop", machine: "m2" })];
    expect(sortSessions(sessions).map((s) => s.id)).toEqual(["c", "b", "d", "a"]);
    expect(groupSessions(sessions, []).map((g) => [g.project, g.host, g.sessions.map((s) => s.id)])).toEqual([
      ["harbor-api", "build-02", ["c", "a"]],
      ["infra", "build-02", ["b"]],
      ["harbor-api", "laptop", ["d"]],
    ]);
    expect(matchesSearch(sessions[1] as SessionSummary, "INFRA tit")).toBe(true);
    expect(matchesSearch(sessions[1] as SessionSummary, "infra nothing")).toBe(false);
  });
});

describe("welcome", () => {
  it("says what is wrong with a key before anything is sent", async () => {
    const client = fakeClient();
    show(client, <Welcome pairing={false} left={null} invited={null} onCreated={() => undefined} />);
    fireEvent.click(by("have-key"));
    fireEvent.change(by("sign-in-input"), { target: { value: "AAAAA-BBBBB" } });
    fireEvent.click(by("sign-in-submit"));
    await pass(1);
    expect(by("sign-in-error").textContent).toContain("Some are missing");
    expect(client.signIn).not.toHaveBeenCalled();
  });

  it("makes an empty account of a typed key only on the person's word", async () => {
    const refuse = (problem: SignInProblem) => async () => Promise.reject(new SignInError(problem, "Words of the client."));
    const signIn = vi.fn(refuse("no-account"));
    const client = fakeClient({ signIn });
    show(client, <Welcome pairing={false} left={null} invited={null} onCreated={() => undefined} />);
    fireEvent.click(by("have-key"));
    const key = randomBytes(32);
    fireEvent.change(by("sign-in-input"), { target: { value: formatSecret(key) } });
    fireEvent.click(by("sign-in-submit"));
    await pass(1);
    expect(signIn.mock.calls).toEqual([[key, true, {}]]);
    expect(by("sign-in-problem").textContent).toContain("relay.example knows no account of it");
    signIn.mockImplementation(refuse("other-account"));
    fireEvent.click(by("make-empty"));
    await pass(1);
    expect(signIn.mock.calls[1]).toEqual([key, true, { create: true, acceptOther: true }]);
    expect(screen.queryByTestId("make-empty")).toBeNull();
    fireEvent.click(by("accept-other"));
    await pass(1);
    expect(signIn.mock.calls[2]).toEqual([key, true, { acceptOther: true }]);
    // Another key is another question.
    fireEvent.change(by("sign-in-input"), { target: { value: "A" } });
    expect(screen.queryByTestId("sign-in-problem")).toBeNull();
  });

  it("asks for an invitation when the relay wants one, and says when it is not good", async () => {
    const signIn = vi.fn(async () => Promise.reject(new SignInError("uninvited", "Words of the client.")));
    show(fakeClient({ signIn }), <Welcome pairing={false} left={null} invited={null} onCreated={() => undefined} />);
    expect(screen.queryByTestId("invitation")).toBeNull();
    fireEvent.click(by("new-identity"));
    await pass(1);
    expect(signIn.mock.calls).toEqual([[expect.anything(), false, { create: true }]]);
    expect(by("sign-in-error").textContent).toContain("New accounts on relay.example need an invitation. Ask somebody who has an account there");
    fireEvent.change(by("invitation"), { target: { value: " ABCDE-FGHIJ " } });
    fireEvent.keyDown(by("invitation"), { key: "Enter" });
    await pass(1);
    expect(signIn.mock.calls[1]).toEqual([expect.anything(), false, { create: true, invitation: "ABCDE-FGHIJ" }]);
    expect(by("sign-in-error").textContent).toContain("This invitation is not good");
  });

  it("has the invitation of the link that was opened in its field", async () => {
    const client = fakeClient();
    show(client, <Welcome pairing={false} left={null} invited="ABCDE-FGHIJ" onCreated={() => undefined} />);
    expect((by("invitation") as HTMLInputElement).value).toBe("ABCDE-FGHIJ");
    fireEvent.click(by("new-identity"));
    await pass(1);
    expect(client.signIn.mock.calls).toEqual([[expect.anything(), false, { create: true, invitation: "ABCDE-FGHIJ" }]]);
  });

  it("keeps the question whether a typed key shall make an account while an invitation is asked for", async () => {
    const signIn = vi.fn(async () => Promise.reject(new SignInError("no-account", "")));
    show(fakeClient({ signIn }), <Welcome pairing={false} left={null} invited={null} onCreated={() => undefined} />);
    fireEvent.click(by("have-key"));
    const key = randomBytes(32);
    fireEvent.change(by("sign-in-input"), { target: { value: formatSecret(key) } });
    fireEvent.click(by("sign-in-submit"));
    await pass(1);
    signIn.mockImplementation(async () => Promise.reject(new SignInError("uninvited", "")));
    fireEvent.click(by("make-empty"));
    await pass(1);
    fireEvent.change(by("invitation"), { target: { value: "ABCDE-FGHIJ" } });
    fireEvent.click(by("make-empty"));
    await pass(1);
    expect(signIn.mock.calls[2]).toEqual([key, true, { create: true, acceptOther: true, invitation: "ABCDE-FGHIJ" }]);
  });
});

describe("an invitation", () => {
  it("is made on a person's word and shown as QR code, link and text", async () => {
    const invite = vi.fn(async () => ({ code: "ABCDE-FGHIJ", link: "https://relay.example/#invite=ABCDE-FGHIJ", expiresAt: Date.now() }));
    HTMLDialogElement.prototype.showModal ??= () => undefined;
    show(fakeClient({ api: { origin: "https://relay.example", invite } }), <InviteDialog onClose={() => undefined} />);
    expect(invite).not.toHaveBeenCalled();
    fireEvent.click(by("invite-make"));
    await pass(1);
    expect(by("invite-code").textContent).toBe("ABCDE-FGHIJ");
    expect(by("invite-link").textContent).toBe("https://relay.example/#invite=ABCDE-FGHIJ");
    expect(screen.getByRole("img").getAttribute("aria-label")).toBe("The invitation's link as a QR code");
  });

  it("that the relay refuses is said in words", async () => {
    const invite = vi.fn(async () => Promise.reject(new ApiError(403, "registration-closed", "closed", false)));
    show(fakeClient({ api: { origin: "https://relay.example", invite } }), <InviteDialog onClose={() => undefined} />);
    fireEvent.click(by("invite-make"));
    await pass(1);
    expect(by("invite-error").textContent).toContain("takes no new accounts");
  });
});

describe("pairing", () => {
  const run = (state: PairingState) => ({
    id: "r1", state: new Signal<PairingState>(state), unreached: new Signal<string | null>(null), name: "build-02", device: null, left: 600_000, begin: vi.fn(async () => undefined), type: vi.fn(async (_digits: string) => undefined), stop: vi.fn(), close: vi.fn(),
  });
  const link = `https://relay.example/pair#v=2&pk=${"A".repeat(43)}&s=${"A".repeat(43)}`;

  it("does not say that a machine is waited for while no relay answers", () => {
    for (const step of [{ step: "looking" }, { step: "absent" }, { step: "answered" }, { step: "digits", forTerminal: ["123", "456"] }] as const) {
      const pairing = run(step);
      const { container, unmount } = show(fakeClient({ pair: () => pairing }), <PairView initialLink={link} />);
      fireEvent.click(by("pair-opened-yes"));
      expect(container.textContent).not.toContain("Could not reach");
      act(() => pairing.unreached.set("Could not reach relay.example."));
      expect(container.textContent).toContain("Could not reach relay.example. It is asked again, and until it answers no machine can.");
      expect(container.textContent).not.toContain("It answers by itself");
      act(() => pairing.unreached.set(null));
      expect(container.textContent).not.toContain("Could not reach");
      unmount();
    }
    const pairing = run({ step: "paired" });
    const connection = new Signal<Connection>({ state: "offline", since: 0, received: 0, message: null });
    const { container } = show(fakeClient({ pair: () => pairing, connection }), <PairView initialLink={link} />);
    fireEvent.click(by("pair-opened-yes"));
    expect(container.textContent).toContain("not connected to the relay");
    act(() => connection.set({ state: "live", since: 0, received: 0, message: null }));
    expect(container.textContent).toContain("Waiting for build-02 to start its first session");
  });

  it("asks whose an opened link is before anything is looked up", async () => {
    const pairing = run({ step: "looking" });
    const pair = vi.fn(() => pairing);
    const client = fakeClient({ pair });
    show(client, <PairView initialLink={link} />);
    expect(by("pair-opened").textContent).toBe("Did you start this now, at a machine of yours?");
    await pass(60_000);
    expect(pair).not.toHaveBeenCalled();
    fireEvent.click(by("pair-opened-yes"));
    expect(pair.mock.calls).toEqual([[link]]);
  });

  it("shows half of the digits, asks for the others beside the warning, and gives them once", async () => {
    const pairing = run({ step: "digits", forTerminal: ["684", "888"] });
    const client = fakeClient({ pair: vi.fn(() => pairing) });
    show(client, <PairView initialLink={link} />);
    fireEvent.click(by("pair-opened-yes"));
    expect([...by("pair-for-terminal").children].map((group) => group.textContent)).toEqual(["684", "888"]);
    expect(by("pair-warning").textContent).toBe("They stand on the terminal before you. Whoever sends you these digits is breaking in.");
    expect((by("pair-confirm") as HTMLButtonElement).disabled).toBe(true);
    fireEvent.change(by("pair-digits"), { target: { value: "453-55" } });
    fireEvent.submit(by("pair-digits").closest("form") as HTMLFormElement);
    expect(pairing.type).not.toHaveBeenCalled();
    fireEvent.change(by("pair-digits"), { target: { value: "453 555" } });
    fireEvent.submit(by("pair-digits").closest("form") as HTMLFormElement);
    expect(pairing.type.mock.calls).toEqual([["453555"]]);
  });

  it("shows no digits once it is over, and says why", () => {
    const pairing = run({ step: "digits", forTerminal: ["684", "888"] });
    const client = fakeClient({ pair: vi.fn(() => pairing) });
    show(client, <PairView initialLink={link} />);
    fireEvent.click(by("pair-opened-yes"));
    act(() => pairing.state.set({ step: "over", why: "wrong-digits", detail: null }));
    expect(screen.queryByTestId("pair-for-terminal")).toBeNull();
    expect(by("pair-over-why").getAttribute("data-why")).toBe("wrong-digits");
    expect(by("pair-over").textContent).toContain("nothing was given away");
    fireEvent.click(by("pair-again"));
    expect(by("pair-link-input")).toBeDefined();
  });

  it("stops when the page is left", async () => {
    const pairing = run({ step: "answered" });
    const client = fakeClient({ pair: vi.fn(() => pairing) });
    const { unmount } = show(client, <PairView initialLink={link} />);
    fireEvent.click(by("pair-opened-yes"));
    unmount();
    await pass(1);
    expect(pairing.stop).toHaveBeenCalledTimes(1);
  });
});
