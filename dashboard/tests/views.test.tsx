// @vitest-environment happy-dom
// What a person sees and presses: slip, composer, rows, welcome.
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Composer } from "../src/components/composer.tsx";
import { ClientContext } from "../src/components/hooks.ts";
import { Markdown } from "../src/components/markdown.tsx";
import { ReceiptCard } from "../src/components/receipt.tsx";
import { type RowContext, RowView } from "../src/components/rows.tsx";
import { groupSessions, matchesSearch, sortSessions } from "../src/components/sessionlist.tsx";
import { alwaysRules, Slip } from "../src/components/slip.tsx";
import { TruthLine } from "../src/components/truthline.tsx";
import { formatSecret, randomBytes } from "../src/crypto/index.ts";
import { SignInError, type SignInProblem } from "../src/state/signin.ts";
import { Welcome } from "../src/views/welcome.tsx";
import type { Client, Connection } from "../src/state/client.ts";
import type { PermissionRequest, SessionSummary } from "../src/state/sessionfields.ts";
import type { Certificate } from "../src/state/deletion.ts";
import type { EntryProof, LogStatus } from "../src/state/logwatch.ts";
import type { Alarm } from "../src/state/logmemory.ts";
import { revisionsOf, type Row, Transcript } from "../src/state/transcript.ts";
import { LogView } from "../src/views/log.tsx";
import { Signal } from "../src/state/signal.ts";

const session: SessionSummary = {
  id: "s1", title: "Title", project: "harbor-api", host: "build-02", path: "/home/n/harbor-api", homeDir: "/home/n", status: "needs-you", unread: false, failed: false, ended: false, archived: false,
  line: "", at: 0, activeAt: 0, agent: { instance: "i", mode: "default", model: "claude-opus-5-5", requests: [], answered: [] }, problem: null, openable: true, count: 1,
};
const request: PermissionRequest = {
  id: "t1", tool: "Bash", arguments: { command: "rm -rf build\nls" }, createdAt: Date.now(), toolUseId: "t1", description: "Clean", blockedPath: null, cwd: "/home/n/harbor-api",
  suggestions: [
    { type: "setMode", mode: "acceptEdits", destination: "session" },
    { type: "addRules", rules: [{ toolName: "Bash", ruleContent: "rm -rf build" }], behavior: "allow", destination: "localSettings" },
  ],
};

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
    revision: new Signal(8412), queued: new Signal(0), identity: new Signal(null), farewell: new Signal(null), book: new Signal(null), devicesChanged: new Signal(0), watch: new Signal(fakeWatch()),
    lists: new Signal({ loaded: true, sessions: [], machines: [], waiting: 0 }),
    api: { origin: "https://relay.example" },
    call: vi.fn(async (): Promise<unknown> => ({})), sendPrompt: vi.fn(async () => undefined), saveDraft: vi.fn(async () => undefined), loadDraft: vi.fn(async () => ""), signIn: vi.fn(async () => undefined), tryNow: vi.fn(),
  };
  return { ...base, ...(fields as Partial<typeof base>) };
}
const show = (client: ReturnType<typeof fakeClient>, ui: React.ReactElement) => render(<ClientContext value={client as unknown as Client}>{ui}</ClientContext>);
const by = (id: string) => screen.getByTestId(id);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

describe("slip", () => {
  it("shows the exact command, is deaf for 400 ms, then answers once", async () => {
    const client = fakeClient();
    show(client, <Slip request={request} session={session} position={1} count={1} />);
    expect(by("slip-exact").textContent).toBe("rm -rf build\nls");
    fireEvent.click(by("slip-allow-once"));
    fireEvent.keyDown(by("slip"), { key: "1" });
    expect(client.call).not.toHaveBeenCalled();
    await pass(400);
    fireEvent.click(by("slip-allow-once"));
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(client.call.mock.calls).toEqual([["s1", "permission", { id: "t1", approved: true, decision: "approved" }]]);
  });

  it("answers by keys, but not while a note is written", async () => {
    const client = fakeClient();
    show(client, <Slip request={request} session={session} position={1} count={1} />);
    await pass(400);
    fireEvent.keyDown(by("slip"), { key: "4" });
    fireEvent.change(by("slip-deny-note"), { target: { value: "1 is better" } });
    fireEvent.keyDown(by("slip-deny-note"), { key: "1" });
    expect(client.call).not.toHaveBeenCalled();
    fireEvent.submit(by("slip-deny-note").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call).toHaveBeenCalledWith("s1", "permission", { id: "t1", approved: false, decision: "denied", reason: "1 is better" });
  });

  it("says which rule Always writes, and where", async () => {
    const client = fakeClient();
    show(client, <Slip request={request} session={session} position={1} count={1} />);
    await pass(400);
    fireEvent.keyDown(by("slip"), { key: "3" });
    expect(by("slip").textContent).toContain("Bash(rm -rf build)");
    expect(by("slip").textContent).toContain(".claude/settings.local.json on build-02");
    expect(client.call).not.toHaveBeenCalled();
    fireEvent.click(by("slip-always-confirm"));
    await pass(1);
    expect(client.call).toHaveBeenCalledWith("s1", "permission", { id: "t1", approved: true, decision: "approved_always" });
    expect(alwaysRules({ ...request, suggestions: [] })).toBeNull();
  });

  it("keeps the question when the answer did not get through", async () => {
    const client = fakeClient({ call: vi.fn(async () => Promise.reject(new Error("build-02 is not connected to the relay. Nothing was done."))) });
    show(client, <Slip request={request} session={session} position={1} count={1} />);
    await pass(400);
    fireEvent.click(by("slip-allow-once"));
    await pass(1);
    expect(by("slip").textContent).toContain("Nothing was done.");
    expect((by("slip-allow-once") as HTMLButtonElement).disabled).toBe(false);
  });

  it("takes a choice or own words for a question", async () => {
    const client = fakeClient();
    const questions = [{ question: "Which?", header: "", multiSelect: false, options: [{ label: "A", description: "" }, { label: "B", description: "" }] }];
    show(client, <Slip request={{ ...request, tool: "AskUserQuestion", arguments: { questions } }} session={session} position={1} count={1} />);
    await pass(400);
    expect((by("slip-answer") as HTMLButtonElement).disabled).toBe(true);
    fireEvent.change(by("slip-own-answer"), { target: { value: "Neither" } });
    fireEvent.submit(by("slip-answer").closest("form") as HTMLFormElement);
    await pass(1);
    expect(client.call).toHaveBeenCalledWith("s1", "permission", expect.objectContaining({ approved: true, answers: { "Which?": "Neither" } }));
  });
});

describe("composer", () => {
  const put = (client: ReturnType<typeof fakeClient>, status: SessionSummary["status"] = "idle") =>
    show(client, <Composer session={{ ...session, status }} model={null} returned={{ text: "", count: 0 }} onSent={() => undefined} say={() => undefined} />);

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
    expect(client.sendPrompt).toHaveBeenLastCalledWith("s1", "do it", {});
    fireEvent.change(input, { target: { value: "again" } });
    fireEvent.keyDown(input, { key: "Enter", ctrlKey: true });
    await pass(1);
    expect(client.sendPrompt).toHaveBeenLastCalledWith("s1", "again", {});
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
    expect(client.call).toHaveBeenCalledWith("s1", "abort", {});
    act(() => client.connection.set({ state: "offline", since: 0, received: 0, message: null }));
    expect(by("send").textContent).toContain("Queue here");
  });
});

describe("rows", () => {
  const context: RowContext = { cwd: null, host: "build-02", waiting: new Set(), answered: new Map(), onUnsend: () => undefined, onRetry: () => undefined };
  const common = { key: "k", seq: 1, revision: 8412, at: 0 };

  it("show what could not be verified, with its number", () => {
    show(fakeClient(), <RowView row={{ ...common, kind: "unverified", text: "This entry could not be verified: it was altered." }} context={context} />);
    expect(by("entry").dataset["kind"]).toBe("unverified");
    expect(by("entry").textContent).toContain("#8,412");
    expect(by("entry").textContent).toContain("could not be verified");
  });

  it("draw no stroke that is not known", () => {
    const strokes = (state: "queued" | "sending" | "stored" | "taken") => {
      const { unmount } = show(fakeClient(), <RowView row={{ ...common, kind: "prompt", text: "x", state, localId: null, bundleId: null }} context={context} />);
      const count = by("tally").dataset["strokes"];
      unmount();
      return count;
    };
    expect([strokes("queued"), strokes("sending"), strokes("stored"), strokes("taken")]).toEqual(["0", "0", "1", "3"]);
  });

  it("make what is inside a tool line only when it is opened", () => {
    show(fakeClient(), <RowView row={{ ...common, kind: "tool", toolUseId: "t", name: "Bash", input: { command: "ls" }, result: { text: "secret output", isError: false, structured: null, decision: null, at: 0, revision: 2 }, children: [], cut: false }} context={context} />);
    expect(by("entry").textContent).not.toContain("secret output");
    const details = by("tool") as HTMLDetailsElement;
    details.open = true;
    fireEvent(details, new Event("toggle"));
    expect(by("entry").textContent).toContain("secret output");
  });

  it("never turn text into HTML, scripts or foreign images", () => {
    const { container } = render(<Markdown text={'<img src=x onerror=alert(1)> <script>alert(1)</script> ![alt](https://evil.example/x.png) [click](javascript:alert(1)) **bold**'} />);
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
    const context: RowContext = { cwd: null, host: "", waiting: new Set(), answered: new Map(), onUnsend: () => undefined, onRetry: () => undefined };
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
      key: `k${revision}`, seq: revision, revision, at: 0, kind: "tool", toolUseId: `t${revision}`, name: "Bash", input: {}, cut: false, children,
      result: { text: "", isError: false, structured: null, decision: null, at: 0, revision: revision + 100 },
    });
    const row = call(1, [call(2, [])]);
    expect(revisionsOf(row)).toEqual([1, 101, 2, 102]);
    const context: RowContext = { cwd: null, host: "", waiting: new Set(), answered: new Map(), onUnsend: () => undefined, onRetry: () => undefined };
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
      decoded: { content: { type: "event", data: { type: "log-alarm", text: "The log got shorter than what this machine accepted." } }, link: null, at: 0, unbound: false },
    });
    const context: RowContext = { cwd: null, host: "", waiting: new Set(), answered: new Map(), onUnsend: () => undefined, onRetry: () => undefined };
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
    const sessions = [of("a", { at: 5 }), of("b", { at: 9, project: "infra" }), of("c", { at: 1, status: "needs-you" }), of("d", { at: 7, host: "laptop" })];
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
    show(client, <Welcome pairing={false} left={null} onCreated={() => undefined} />);
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
    show(client, <Welcome pairing={false} left={null} onCreated={() => undefined} />);
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
});
