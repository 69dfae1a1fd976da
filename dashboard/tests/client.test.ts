// The state layer against a relay that is honest, slow, gone, or lying.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IDBFactory } from "fake-indexeddb";
import * as c from "../src/crypto/index.ts";
import type { WireSession } from "../src/api/types.ts";
import { NotKnown } from "../src/state/agentcall.ts";
import { type Ask, verdictOf } from "../src/state/ask.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import type { SessionModel } from "../src/state/session.ts";
import type { Row } from "../src/state/rows.ts";
import { agentLogin, AgentSession } from "./fake-agent.ts";
import { FakeRelay } from "./fake-relay.ts";

let relay: FakeRelay;
let browser: IDBFactory;
const secret = c.randomBytes(32);
const clients: Client[] = [];
const agents: AgentSession[] = [];

beforeEach(async () => {
  relay = new FakeRelay();
  await relay.start();
  browser = new IDBFactory();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.stop();
  for (const agent of agents.splice(0)) agent.close();
  await relay.stop();
});

/** A page of the browser: what it keeps is shared with other pages of the same factory. */
async function page(factory = browser): Promise<Client> {
  const client = new Client({ origin: relay.origin, database: await Database.open(factory), deviceName: "Firefox on Fedora" });
  clients.push(client);
  await client.start();
  return client;
}

async function signedIn(): Promise<Client> {
  const client = await page();
  if (client.phase.get() !== "ready") await client.signIn(secret, true, { create: true });
  await live(client);
  return client;
}

const live = (client: Client) => client.connection.when((connection) => connection.state === "live");

async function agentSession(options: Parameters<typeof AgentSession.create>[1] = {}): Promise<AgentSession> {
  const agent = await AgentSession.create(await agentLogin(relay.origin, secret), options);
  agents.push(agent);
  return agent;
}

async function opened(client: Client, id: string): Promise<SessionModel> {
  await client.lists.when((lists) => lists.sessions.some((session) => session.id === id));
  const session = client.session(id) as SessionModel;
  await session.open();
  await session.conversation.when((conversation) => conversation.state === "ready");
  return session;
}

const rowsWhen = async (session: SessionModel, wanted: (rows: readonly Row[]) => boolean) => (await session.conversation.when((conv) => wanted(conv.rows))).rows;
const has = (kind: Row["kind"], text: string) => (rows: readonly Row[]) => rows.some((row) => row.kind === kind && "text" in row && row.text.includes(text));
const texts = (rows: readonly Row[]) => rows.flatMap((row) => ("text" in row ? [row.text] : []));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("identity", () => {
  it("creates, keeps, and forgets an identity", async () => {
    const first = await page();
    expect(first.phase.get()).toBe("signed-out");
    await first.signIn(secret, false, { create: true });
    await live(first);
    await first.confirmKey();
    first.stop();

    const again = await page();
    expect(again.phase.get()).toBe("ready");
    await live(again);
    expect(again.identity.get()?.keyConfirmed).toBe(true);
    expect(c.toHex(again.identity.get()?.secret ?? new Uint8Array())).toBe(c.toHex(secret));

    const devices = await again.devices();
    expect(devices.map((d) => [d.name, d.isThis, d.stated])).toEqual([["Firefox on Fedora", true, true]]);

    await again.signOut();
    expect((await page()).phase.get()).toBe("signed-out");
  });

  it("keeps nothing of the secret in the clear", async () => {
    const client = await signedIn();
    client.stop();
    const database = await Database.open(browser);
    const stored = JSON.stringify(await database.all("vault"), (_key, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value));
    expect(stored).not.toContain([...secret].slice(0, 8).join(","));
    const key = (await database.get<CryptoKey>("vault", "key")) as CryptoKey;
    expect(key.extractable).toBe(false);
  });

  it("stays out once it is revoked, and may come back as a new device", async () => {
    const client = await signedIn();
    const other = await page(new IDBFactory());
    await other.signIn(secret, true, { create: true });
    await live(other);
    const mine = (await client.devices()).find((d) => d.isThis);
    await other.revokeDevice(mine?.id ?? "");
    await client.phase.when((phase) => phase === "revoked");
    await client.signIn(secret, true, { create: true });
    await live(client);
    expect((await client.devices()).map((d) => [d.isThis, d.revokedAt !== null])).toEqual([[false, true], [false, false], [true, false]]);
    // What it saw is still there: the other browser and its own revocation.
    expect(client.seen?.devices.size).toBe(4);
  });

  it("signs in again by itself when the relay forgot its token", async () => {
    const client = await signedIn();
    const device = [...relay.onlyAccount.devices.values()][0];
    const before = client.api.token;
    await relay.stop();
    const port = relay.port;
    const { accounts } = relay;
    relay = new FakeRelay();
    for (const [key, account] of accounts) relay.accounts.set(key, account);
    await relay.start(port);
    await client.connection.when((connection) => connection.state !== "live");
    await live(client);
    expect(client.api.token).not.toBe(before);
    expect(client.identity.get()?.login?.deviceId).toBe(device?.id);
  });
});

describe("sessions", () => {
  it("appear, change and go as they do on the machine", async () => {
    const client = await signedIn();
    const agent = await agentSession({ path: "/home/noor/src/infra" });
    const summary = async (wanted: (s: any) => boolean) => (await client.lists.when((lists) => lists.sessions.some(wanted))).sessions.find(wanted);
    expect(await summary((s) => s.project === "infra" && s.host === "build-02" && s.status === "idle")).toBeDefined();
    agent.alive(true);
    await summary((s) => s.status === "working");
    await agent.ask("t1", "Bash", { command: "rm -rf build" });
    expect((await summary((s) => s.status === "needs-you"))?.line).toBe("Wants to run rm -rf build");
    expect(client.lists.get().waiting).toBe(1);
    await agent.answer("t1");
    await agent.setMetadata({ summary: { text: "Clean up", updatedAt: 1 } });
    await summary((s) => s.title === "Clean up" && s.status === "working");
    await client.archive(agent.id);
    await summary((s) => s.status === "offline" && s.archived);
    agent.alive(false);
    await summary((s) => s.status === "idle" && s.archived);
    await agent.text("Still here.");
    await summary((s) => s.status !== "offline" && !s.archived);
    agent.end();
    await summary((s) => s.status === "offline" && !s.archived);
    await client.deleteSession(agent.id);
    await client.lists.when((lists) => lists.sessions.length === 0);
  });

  it("never go back behind what was seen, not even after a reload", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    const account = relay.onlyAccount;
    const wire = account.sessions.get(agent.id);
    if (wire === undefined) throw new Error();
    const old = wire.agentState as string;
    const oldVersion = wire.agentStateVersion;
    await agent.setState({ mode: "plan" });
    await agent.setState({ mode: "acceptEdits" });
    await session.summary.when((s) => s.agent.mode === "acceptEdits");

    // The old state under a new number.
    relay.emit(account, { t: "update-session", id: agent.id, agentState: { value: old, version: account.revision + 1 } });
    await session.summary.when((s) => s.problem !== null);
    expect(session.summary.get().agent.mode).toBe("acceptEdits");

    // The old state under its old number, in a list, after a reload.
    client.stop();
    wire.agentState = old;
    wire.agentStateVersion = oldVersion;
    const again = await signedIn();
    const reloaded = await again.session(agent.id)?.summary.when((s) => s.problem !== null);
    expect(reloaded?.problem).toMatch(/older state/);
    expect(reloaded?.agent.mode).toBeNull();
  });

  it("tells when the whole history went back", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    for (let i = 0; i < 5; i += 1) await agent.text(`line ${i}`);
    await client.revision.when((revision) => revision >= relay.onlyAccount.revision);
    const database = await Database.open(browser);
    const written = () => database.get<{ revision: number }>("seen", `${relay.onlyAccount.id} position`);
    while (((await written())?.revision ?? 0) < relay.onlyAccount.revision);
    client.stop();
    relay.onlyAccount.revision -= 3;
    relay.onlyAccount.updates.length -= 3;
    const again = await signedIn();
    expect(again.watch.get().alarm.get()?.text).toMatch(/went back/);

    // Once it was acknowledged it is no news, whenever the page is loaded anew.
    await again.watch.get().acknowledge();
    again.stop();
    await agent.text("the relay goes on");
    const later = await signedIn();
    expect(later.watch.get().alarm.get()).toBeNull();
  });

  it("go on in a relay that was set back under an open page: its numbers begin lower", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await agent.setState({ mode: "plan" });
    for (let i = 0; i < 5; i += 1) await agent.text(`line ${i}`);
    const before = await opened(client, agent.id);
    await rowsWhen(before, has("text", "line 4"));
    const account = relay.onlyAccount;
    const wire = account.sessions.get(agent.id) as WireSession & { messages: unknown[] };
    relay.proofs = null;
    account.revision -= 5;
    account.updates.length -= 5;
    wire.messages.length -= 5;
    wire.seq -= 5;
    relay.dropConnections();
    expect((await client.watch.get().alarm.when((alarm) => alarm !== null))?.text).toMatch(/went back|shorter/);
    await live(client);
    await client.lists.when(() => client.session(agent.id) !== before);
    const after = await opened(client, agent.id);
    expect(after.summary.get().count).toBe(wire.seq);

    // What the agent says anew, under the relay's lower numbers, is shown.
    wire.agentState = await agent.sealState({ requests: {}, held: [], mode: "acceptEdits" }, agent.desk.v + 1);
    relay.emit(account, { t: "update-session", id: agent.id, agentState: { value: wire.agentState, version: account.revision + 1 } });
    await after.summary.when((summary) => summary.agent.mode === "acceptEdits");
  });
});

describe("conversation", () => {
  it("joins tool calls with their results, nests subagents, counts strokes", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await client.sendPrompt(agent.id, "Find the bug");
    await until(() => agent.prompts.length === 1);
    const prompt = agent.prompts[0];
    expect(prompt).toMatchObject({ text: "Find the bug", n: 1 });
    expect((await rowsWhen(session, has("prompt", "Find")))[0]).toMatchObject({ state: "stored" });
    await agent.taken(prompt?.id ?? "");
    await rowsWhen(session, (rows) => rows[0]?.kind === "prompt" && rows[0].state === "taken");

    await agent.thinking("Let me look.");
    await agent.tool("t1", "Bash", { command: "ls" });
    await agent.tool("a1", "Agent", { description: "look around" });
    await agent.tool("t2", "Read", { file_path: "/home/noor/src/harbor-api/a.ts" }, "a1");
    await agent.toolResult("t2", "1 line", { parent: "a1" });
    await agent.toolResult("t1", "Exit code 2\nno such file", { isError: true });
    await agent.toolResult("a1", "found it");
    await agent.text("It is **here**.");
    await agent.result();
    const rows = await rowsWhen(session, (all) => all.some((row) => row.kind === "result"));
    expect(rows.map((row) => row.kind)).toEqual(["prompt", "who", "thinking", "tool", "tool", "text", "result"]);
    expect(rows[3]).toMatchObject({ name: "Bash", result: { isError: true, text: "Exit code 2\nno such file" } });
    expect(rows[4]).toMatchObject({ name: "Agent", children: [{ name: "Read", result: { text: "1 line" } }] });
  });

  it("assembles partial text and drops it when the block is finished", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    const partial = (wanted: string) => session.conversation.when((conv) => conv.partials[0]?.text === wanted);
    await agent.stream("m:0", 0, "Hello ");
    await agent.stream("m:0", 6, "wörld 🌍");
    await partial("Hello wörld 🌍");
    await agent.stream("m:0", 14, "!");
    await partial("Hello wörld 🌍!");
    await agent.stream("m:0", 99, "lost");
    await session.conversation.when((conv) => conv.partials[0]?.torn === true);
    await agent.text("Hello wörld 🌍! Bye", "m:0");
    await session.conversation.when((conv) => conv.partials.length === 0 && has("text", "Bye")(conv.rows));
    await agent.stream("m:0", 0, "too late");
    await agent.text("next");
    expect((await session.conversation.when((conv) => has("text", "next")(conv.rows))).partials).toEqual([]);
  });

  it("loads the newest page first and joins older ones, whatever lies across the cut", async () => {
    const agent0 = await signedIn();
    const agent = await agentSession();
    await agent.tool("early", "Bash", { command: "sleep 1" });
    for (let i = 0; i < 330; i += 1) await agent.text(`line ${i}`);
    await agent.toolResult("early", "done at last");
    agent0.stop();
    const client = await signedIn();
    const session = await opened(client, agent.id);
    expect(texts(session.conversation.get().rows).at(-1)).toBe("line 329");
    expect(session.conversation.get().hasOlder).toBe(true);
    while (session.conversation.get().hasOlder) {
      const count = session.conversation.get().rows.length;
      await session.loadOlder();
      await session.conversation.when((conv) => conv.rows.length > count);
    }
    const { rows } = session.conversation.get();
    expect(rows.filter((row) => row.kind === "unverified")).toEqual([]);
    expect(rows.filter((row) => row.kind === "text")).toHaveLength(330);
    expect(rows.filter((row) => row.kind === "tool")).toHaveLength(1);
    expect(rows.find((row) => row.kind === "tool")).toMatchObject({ name: "Bash", result: { text: "done at last" } });
  });

  it("catches up after a break without a gap and without a duplicate", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    for (let i = 0; i < 40; i += 1) {
      await agent.text(`line ${i}`);
      if (i % 10 === 5) relay.dropConnections();
      if (i % 10 === 5) await new Promise<void>((resolve) => agent.socket.once("connect", () => resolve()));
    }
    const rows = await rowsWhen(session, has("text", "line 39"));
    expect(texts(rows)).toEqual(Array.from({ length: 40 }, (_, i) => `line ${i}`));
  });

  it("reloads when the relay cannot continue from where it was", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await agent.text("before");
    await rowsWhen(session, has("text", "before"));
    relay.log = "another";
    relay.dropConnections();
    await client.connection.when((connection) => connection.state !== "live");
    await live(client);
    const reloaded = await opened(client, agent.id);
    expect(texts(reloaded.conversation.get().rows)).toEqual(["before"]);
  });
});

describe("prompts", () => {
  it("wait offline, survive a reload, and are sent once, in order", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await relay.stop();
    await client.connection.when((connection) => connection.state !== "live");
    await client.sendPrompt(agent.id, "one");
    await client.sendPrompt(agent.id, "two");
    await session.conversation.when((conv) => conv.pending.length === 2);
    expect(client.queued.get()).toBe(2);
    client.stop();
    await relay.restart();
    await until(() => agent.socket.connected);

    const again = await signedIn();
    await again.queued.when((count) => count === 0);
    await until(() => agent.prompts.length === 2);
    expect(agent.prompts.map((p) => p.text)).toEqual(["one", "two"]);
    expect(agent.refused).toEqual([]);
    expect(relay.stored.filter((m) => m.localId !== null && m.sid === agent.id)).toHaveLength(2);
  });

  it("are stored once when the answer is lost", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    relay.loseAcks = 1;
    await client.sendPrompt(agent.id, "just once");
    await client.queued.when((count) => count === 0);
    await rowsWhen(session, has("prompt", "just once"));
    expect(relay.stored.filter((m) => m.sid === agent.id)).toHaveLength(1);
    await client.sendPrompt(agent.id, "and another");
    await until(() => agent.prompts.length === 2);
    expect(agent.refused).toEqual([]);
    const rows = await rowsWhen(session, has("prompt", "and another"));
    expect(rows.filter((row) => row.kind === "prompt")).toHaveLength(2);
    await session.conversation.when((conv) => conv.pending.length === 0);
  });

  it("are shown once when they are stored while the conversation loads", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await client.lists.when((lists) => lists.sessions.some((session) => session.id === agent.id));
    const session = client.session(agent.id) as SessionModel;
    const load = client.api.messages.bind(client.api);
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    client.api.messages = async (...page) => {
      await gate;
      return load(...page);
    };
    const opening = session.open();
    await client.sendPrompt(agent.id, "while it loads");
    await client.queued.when((queued) => queued === 0);
    go();
    await opening;
    const conversation = await session.conversation.when((now) => now.state === "ready");
    expect([texts(conversation.rows), conversation.pending.map((row) => row.text)]).toEqual([["while it loads"], []]);
  });

  it("heed what the relay says: later, or never", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    let refusals = 2;
    relay.refuse = () => (refusals-- > 0 ? { code: "overloaded", message: "Later", retry: 10 } : null);
    await client.sendPrompt(agent.id, "patient");
    await until(() => agent.prompts.length === 1);

    // A relay without room is waited for, in its words.
    relay.refuse = () => ({ code: "quota", message: "This account has all it may have", retry: 300 });
    await client.sendPrompt(agent.id, "kept");
    const kept = (await session.conversation.when((conv) => conv.pending[0]?.reason !== undefined)).pending[0];
    expect(kept).toMatchObject({ state: "sending", reason: "This account has all it may have" });
    relay.refuse = null;
    await until(() => agent.prompts.length === 2);
    expect(agent.prompts[1]).toMatchObject({ text: "kept" });

    relay.refuse = () => ({ code: "too-large", message: "Too large", retry: false });
    await client.sendPrompt(agent.id, "never");
    const failed = (await session.conversation.when((conv) => conv.pending[0]?.state === "failed")).pending[0];
    expect(failed?.reason).toBe("Too large");
    relay.refuse = null;
    // What follows is not held up, and begins a chain that the agent accepts.
    await client.sendPrompt(agent.id, "next");
    await until(() => agent.prompts.length === 3);
    expect(agent.prompts[2]).toMatchObject({ text: "next", n: 1 });
    expect(agent.refused).toEqual([]);
    expect(await client.unsend(failed?.localId ?? "")).toBe("never");
    await session.conversation.when((conv) => conv.pending.length === 0);
  });

  it("of two tabs stand side by side in both", async () => {
    const a = await signedIn();
    const b = await signedIn();
    const agent = await agentSession();
    const inA = await opened(a, agent.id);
    const inB = await opened(b, agent.id);
    await Promise.all([a.sendPrompt(agent.id, "from a"), b.sendPrompt(agent.id, "from b")]);
    await a.sendPrompt(agent.id, "again a");
    await until(() => agent.prompts.length === 3);
    expect(new Set(agent.prompts.map((p) => p.from)).size).toBe(2);
    expect(agent.refused).toEqual([]);
    for (const session of [inA, inB]) {
      const rows = await rowsWhen(session, (all) => all.filter((row) => row.kind === "prompt").length === 3);
      expect(rows.some((row) => row.kind === "unverified")).toBe(false);
      await session.conversation.when((conv) => conv.pending.length === 0);
    }
    expect(texts(inA.conversation.get().rows)).toEqual(texts(inB.conversation.get().rows));
  });
});

describe("calls to the agent", () => {
  it("bring its answer, signed by this browser, and only once each", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await opened(client, agent.id);
    let got: unknown;
    agent.desk.rpc.set("permission", (d) => {
      got = d;
      return {};
    });
    await client.call(agent.id, "permission", { id: "t1", ask: "00", decision: "approved", grants: [] });
    expect(got).toEqual({ id: "t1", ask: "00", decision: "approved", grants: [] });
    agent.desk.rpc.set("abort", () => ({ error: "Nothing runs." }));
    await expect(client.call(agent.id, "abort", {})).rejects.toThrow("Nothing runs.");
    expect(await client.reach(agent.id)).toBe(true);
    agent.close();
    await expect(client.call(agent.id, "abort", {})).rejects.toThrow(/not connected.*Nothing was done/);
    expect(await client.reach(agent.id)).toBe(false);
  });
});

describe("what a prompt says of its writer", () => {
  it("is what it has seen, how long it is good by the machine's clock, and whose it is", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await client.sendPrompt(agent.id, "first");
    await until(() => agent.prompts.length === 1);
    expect(agent.prompts[0]).toMatchObject({ seen: null });
    await agent.text("Done.");
    await rowsWhen(session, has("text", "Done."));
    // A phone whose clock is three hours behind that of the machine.
    agent.desk.clock = 3 * 3_600_000;
    expect(await client.reach(agent.id)).toBe(true);
    await client.sendPrompt(agent.id, "second");
    await client.sendPrompt(agent.id, "third", {}, 8 * 3_600_000);
    await until(() => agent.prompts.length === 3);
    const there = Date.now() + agent.desk.clock;
    expect(agent.prompts[1]?.seen).toBe(agent.desk.last);
    expect(Math.abs((agent.prompts[1]?.until ?? 0) - there - 600_000)).toBeLessThan(5_000);
    expect(Math.abs((agent.prompts[2]?.until ?? 0) - there - 8 * 3_600_000)).toBeLessThan(5_000);
    expect(client.signer(agent.prompts[0]?.device ?? "")).toMatchObject({ name: "Firefox on Fedora", standing: "good", kind: "browser", isThis: true });
  });

  it("that waits offline says what its writer had seen when it was written", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await agent.text("one");
    const seen = agent.desk.last;
    await rowsWhen(session, has("text", "one"));
    await relay.stop();
    await client.connection.when((connection) => connection.state !== "live");
    await client.sendPrompt(agent.id, "written before two");
    client.stop();
    await relay.restart();
    await until(() => agent.socket.connected);
    await agent.text("two");
    const again = await signedIn();
    await again.queued.when((count) => count === 0);
    await until(() => agent.prompts.length === 1);
    expect(agent.prompts[0]?.seen).toBe(seen);
  });

  it("stopped from here has seen the end before its message comes", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    const end = await agent.seal({ role: "agent", content: { type: "event", data: { type: "ready" } } });
    agent.desk.rpc.set("abort", () => ({ end: end.id }));
    await client.stopTurn(agent.id);
    await client.sendPrompt(agent.id, "go on otherwise");
    await until(() => agent.prompts.length === 1);
    expect(agent.prompts[0]?.seen).toBe(end.id);
    expect(session.seenUpTo).toBe(end.id);
  });
});

describe("held prompts and answered questions", () => {
  it("stand as the state and the history say, and are decided by a call", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await client.sendPrompt(agent.id, "Deploy it");
    await until(() => agent.prompts.length === 1);
    const { id, from, n } = agent.prompts[0] as { id: string; from: string; n: number };
    await agent.event({ type: "prompt-held", id, from, n, why: "unseen" });
    await agent.setState({ held: [{ id, from, n, why: "unseen" }] });
    expect((await session.summary.when((s) => s.agent.held.length === 1)).line).toMatch(/Holds a prompt/);
    await rowsWhen(session, (rows) => rows[0]?.kind === "prompt" && rows[0].state === "held");
    expect(session.prompt(id)?.text).toBe("Deploy it");
    const decided: unknown[] = [];
    agent.desk.rpc.set("held", (d) => void decided.push(d));
    agent.desk.rpc.set("take-back", () => ({ error: "Claude has it.", code: "conflict" }));
    await client.call(agent.id, "held", { id, run: true });
    expect(decided).toEqual([{ id, run: true }]);
    await expect(client.call(agent.id, "take-back", { id, from, n })).rejects.toMatchObject({ code: "conflict" });
  });

  it("name who allowed a call", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    await agent.ask("t1", "Bash", { command: "ls" });
    const ask = (await session.summary.when((s) => s.agent.requests[0]?.ask != null)).agent.requests[0]?.ask;
    let answered = Promise.resolve();
    agent.desk.rpc.set("permission", (_d, call) => void (answered = agent.answer("t1", call)));
    await client.call(agent.id, "permission", verdictOf(ask as Ask, { decision: "approved", grants: [] }));
    await answered;
    const { answered: found } = await session.conversation.when((conv) => conv.answered.has("t1"));
    expect(client.signer(found.get("t1")?.device ?? "")).toMatchObject({ name: "Firefox on Fedora", isThis: true });
    expect(found.get("t1")).toMatchObject({ tool: "Bash", decision: "approved" });
  });
});

describe("machines", () => {
  it("have the account's name for their device, an id that follows from it, and are former once it is revoked", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await client.lists.when((lists) => lists.sessions.length === 1);
    const { accountId, contentPublicKey, device } = agent.credentials;
    const key = c.randomBytes(32);
    const machine = async (id: string) => ({
      machineId: id, metadata: await c.sealMetadata(c.utf8(JSON.stringify({ host: "says-so" })), key, "machine"), metadataVersion: 1, daemonState: null, daemonStateVersion: 0,
      dataEncryptionKey: c.sealDataKey(key, "machine", accountId, contentPublicKey, device), active: true, activeAt: 1, createdAt: 1, updatedAt: 1,
    });
    const right = c.machineId(accountId, device.publicKey);
    for (const id of [right, crypto.randomUUID()]) relay.emit(relay.onlyAccount, { t: "new-machine", ...(await machine(id)) });
    const { machines } = await client.lists.when((lists) => lists.machines.length === 2);
    expect(machines.map((m) => [m.id === right, m.name, m.host, m.former])).toEqual([[true, "build-02", "says-so", false], [false, null, null, false]]);
    expect(client.lists.get().sessions[0]?.machine).toBe(right);
    await client.revokeDevice(c.toHex(device.publicKey));
    await client.lists.when((lists) => lists.machines.some((m) => m.former));
    expect((await client.lists.when((lists) => lists.sessions[0]?.readOnly !== null)).sessions[0]).toMatchObject({ status: "offline", host: "build-02" });
    // What was written is not sealed under its key.
    await expect(client.sendPrompt(agent.id, "for a machine that is no more")).rejects.toThrow("Nothing was sent");
    expect([client.queued.get(), agent.prompts.length]).toEqual([0, 0]);
  });
});

describe("deletion", () => {
  it("is signed by this browser for this session", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await opened(client, agent.id);
    let said: any;
    relay.tamper = (update) => {
      if (update.body.t === "delete-session") said = update.body;
      return update;
    };
    await client.deleteSession(agent.id);
    expect(c.verifyDeletion(said, relay.onlyAccount.id, agent.id)).toBe(true);
    expect(client.signer(said.device).isThis).toBe(true);
  });

  it("on a relay's bare word costs nothing that was written here, and the session comes back with it", async () => {
    const client = await signedIn();
    const agent = await agentSession();
    await opened(client, agent.id);
    const account = relay.onlyAccount;
    relay.refuse = () => ({ code: "overloaded", message: "Later", retry: 20 });
    await client.sendPrompt(agent.id, "still mine");
    await client.saveDraft(agent.id, "half a thought");
    const stranger = c.signKeyPair();
    for (const by of [{}, c.signDeletion(account.id, agent.id, stranger), c.signDeletion(account.id, crypto.randomUUID(), agent.credentials.device), c.signDeletion(account.id, agent.id, agent.credentials.device)]) {
      relay.emit(account, { t: "delete-session", sid: agent.id, ...by });
      await client.lists.when((lists) => lists.sessions.length === 0);
      expect(client.queued.get()).toBe(1);
      relay.emit(account, { t: "new-session", ...(account.sessions.get(agent.id) as WireSession) });
      await client.lists.when((lists) => lists.sessions.length === 1);
      expect(await client.loadDraft(agent.id)).toBe("half a thought");
    }
    relay.refuse = null;
    await until(() => agent.prompts.length === 1);
    expect(agent.prompts[0]?.text).toBe("still mine");
  });
});

describe("a relay that lies", () => {
  async function withThree(): Promise<{ client: Client; agent: AgentSession; session: SessionModel }> {
    const client = await signedIn();
    const agent = await agentSession();
    const session = await opened(client, agent.id);
    return { client, agent, session };
  }

  it("alters a message: a stub", async () => {
    const { agent, session } = await withThree();
    const { bundle } = await agent.seal({ role: "agent", content: { type: "event", data: { type: "message", message: "x" } } });
    const bytes = c.fromBase64(bundle);
    bytes[40] = (bytes[40] as number) ^ 1;
    await agent.sendBundle(c.toBase64(bytes));
    await rowsWhen(session, has("unverified", "could not be verified"));
  });

  it("moves a message to another session: a stub", async () => {
    const { client, agent, session } = await withThree();
    const other = await agentSession();
    const elsewhere = await opened(client, other.id);
    const { bundle } = await agent.seal({ role: "agent", content: { type: "event", data: { type: "message", message: "x" } } });
    await other.sendBundle(bundle);
    await rowsWhen(elsewhere, has("unverified", "could not be verified"));
    expect(session.conversation.get().rows).toEqual([]);
  });

  it("repeats and reorders: stubs", async () => {
    const { agent, session } = await withThree();
    const event = (message: string) => agent.seal({ role: "agent", content: { type: "event", data: { type: "message", message } } });
    const [a, b, d] = [await event("a"), await event("b"), await event("d")];
    for (const { bundle } of [a, d, b, a]) await agent.sendBundle(bundle);
    const rows = await rowsWhen(session, has("unverified", "repeats"));
    expect(rows.map((row) => row.kind)).toEqual(["event", "unverified", "event", "unverified", "unverified"]);
    expect(texts(rows)[1]).toMatch(/1 entry is missing/);
    expect(texts(rows)[3]).toMatch(/out of order/);
  });

  it("leaves a message out of the stream and out of its lists: a stub", async () => {
    const { agent, session } = await withThree();
    const hidden = (content: string | undefined) => content === secretBundle;
    let secretBundle = "";
    relay.tamper = (update) => (hidden((update.body as any).message?.content.c) ? null : update);
    relay.tamperList = (messages) => messages.filter((m) => !hidden(m.content.c));
    await agent.text("one");
    secretBundle = (await agent.seal({ role: "agent", content: { type: "event", data: { type: "message", message: "two" } } })).bundle;
    await agent.sendBundle(secretBundle);
    await agent.text("three");
    const rows = await rowsWhen(session, has("text", "three"));
    expect(rows.map((row) => row.kind)).toEqual(["who", "text", "unverified", "text"]);
    expect(texts(rows)[1]).toMatch(/did not deliver/);
  });

  it("passes the agent's words off as a prompt, and a prompt as the agent's: stubs", async () => {
    const { agent, session } = await withThree();
    const accountId = relay.onlyAccount.id;
    const chain = new c.SenderChain(c.newSenderId(), accountId, agent.id);
    const asPrompt = await chain.sealPrompt({ role: "agent", content: { type: "event", data: { type: "message", message: "I am you" } } }, agent.key, 1, { seen: null, until: 1 }, c.signKeyPair());
    await agent.sendBundle(asPrompt.bundle);
    const asAgent = await agent.seal({ role: "user", content: { type: "text", text: "I am the agent" }, meta: {} });
    await agent.sendBundle(asAgent.bundle);
    const rows = await rowsWhen(session, (all) => all.length === 2);
    expect(rows.map((row) => row.kind)).toEqual(["unverified", "unverified"]);
  });

  it("puts another value in the place of the agent's state: said, and the one that verified stays", async () => {
    const { agent, session } = await withThree();
    await session.summary.when((s) => s.agent.mode === "default");
    const account = relay.onlyAccount;
    const other = await agentSession();
    const foreign = account.sessions.get(other.id)?.agentState ?? "";
    relay.emit(account, { t: "update-session", id: agent.id, agentState: { value: foreign, version: account.revision + 1 } });
    await session.summary.when((s) => s.problem === "The agent's state could not be verified.");
    // A description that verifies does not make up for it; the next state that verifies does.
    const { metadata = "", metadataVersion = 0 } = account.sessions.get(agent.id) ?? {};
    relay.emit(account, { t: "update-session", id: agent.id, metadata: { value: metadata, version: metadataVersion } });
    expect(session.summary.get().agent.mode).toBe("default");
    await agent.setState({ mode: "plan" });
    const after = await session.summary.when((s) => s.agent.mode === "plan");
    expect(after.problem).toBeNull();
  });

  it("answers a call with an old answer: not known whether it was done", async () => {
    const { client, agent } = await withThree();
    const place = { accountId: relay.onlyAccount.id, scope: agent.id, kind: "rpc-response:abort" as const };
    const stale = await c.sealBundle(c.utf8("{}"), agent.key, place);
    relay.tamperAnswer = (name, result) => (name === "abort" ? stale : result);
    await expect(client.call(agent.id, "abort", {})).rejects.toBeInstanceOf(NotKnown);
  });

  it("shows an old question and an old mode under another log id, with no log to prove it by: not shown as present, and a person is asked", async () => {
    const { client, agent, session } = await withThree();
    await agent.ask("t1", "Bash", { command: "rm -rf precious" });
    await agent.setState({ mode: "bypassPermissions" });
    await session.summary.when((s) => s.agent.mode === "bypassPermissions");
    const wire = relay.onlyAccount.sessions.get(agent.id) as WireSession;
    const old = wire.agentState;
    await agent.answer("t1");
    await agent.setState({ mode: "default" });
    await session.summary.when((s) => s.agent.mode === "default");
    client.stop();

    wire.agentState = old;
    wire.agentStateVersion = 1;
    relay.log = crypto.randomUUID();
    relay.proofs = null;
    const again = await signedIn();
    const shown = await (again.session(agent.id) as SessionModel).summary.when((s) => s.problem !== null);
    expect(shown.problem).toMatch(/older state/);
    expect([shown.agent.mode, shown.agent.requests, shown.status]).toEqual([null, [], "idle"]);
    expect(await again.watch.get().change.when((change) => change !== null)).toMatchObject({ log: relay.log, acknowledged: false });

    // A backup that was really restored: the agent goes on above what was seen.
    wire.agentState = await agent.sealState({ requests: {}, held: [], mode: "plan" }, agent.desk.v + 1);
    wire.agentStateVersion = 2;
    relay.emit(relay.onlyAccount, { t: "update-session", id: agent.id, agentState: { value: wire.agentState, version: 2 } });
    await (again.session(agent.id) as SessionModel).summary.when((s) => s.agent.mode === "plan");
  });

  it("asks to sign a login for somebody else: refused", async () => {
    const client = await page();
    const honest = client.api.challenge.bind(client.api);
    client.api.challenge = async (key) => {
      const lines = c.fromUtf8(c.fromBase64(await honest(key))).split("\n");
      lines[1] = "https://bank.example";
      return c.toBase64(c.utf8(lines.join("\n")));
    };
    await expect(client.signIn(secret, true, { create: true })).rejects.toMatchObject({ code: "wrong-origin" });
  });
});
