// One session under a relay that lies: whose key it has, what state is shown, what is asked of its agent, and what became of it.
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it } from "vitest";
import type { RelaySocket } from "../src/api/socket.ts";
import type { RpcAnswer, WireMessage, WireSession } from "../src/api/types.ts";
import * as c from "../src/crypto/index.ts";
import { AgentCalls, NotKnown, RpcError } from "../src/state/agentcall.ts";
import { verdictOf } from "../src/state/ask.ts";
import { Database } from "../src/state/database.ts";
import { Seen } from "../src/state/seen.ts";
import { SessionModel } from "../src/state/session.ts";
import { AgentDesk, askText, type Call } from "./fake-agent.ts";

const accountId = "01a00000-0000-7000-8000-0000000000a1";
let account: c.AccountKeys;
let chain: c.DeviceChain;
let database: Database;
let seen: Seen;
let relayChain: readonly c.Bytes[];
/** Alarms of what the relay contradicts. */
let lies: string[];
const browser = c.signKeyPair();

/** Adds a device to the account's chain, or revokes it. */
function state(action: "add" | "revoke", device: c.KeyPair, kind: c.DeviceKind, name = ""): void {
  const sealedName = action === "add" ? c.sealBox(c.utf8(name), account.content.publicKey) : new Uint8Array();
  chain.append(chain.next(account.secret, { action, device: device.publicKey, kind, time: 1, sealedName }));
}

beforeEach(async () => {
  account = await c.accountFromSecret(c.randomBytes(32));
  chain = new c.DeviceChain(accountId, account.publicKey);
  state("add", browser, "browser", "Firefox on Fedora");
  database = await Database.open(new IDBFactory());
  seen = await Seen.open(database, accountId, account.publicKey);
  relayChain = [];
  lies = [];
});

async function readChain(): Promise<void> {
  await seen.learnChain(c.DeviceChain.read(accountId, account.publicKey, relayChain).chain);
}

class Agent {
  readonly id = crypto.randomUUID();
  readonly key = c.randomBytes(32);
  readonly device: c.KeyPair;
  readonly sender: c.SenderChain;
  readonly desk: AgentDesk;
  readonly messages: WireMessage[] = [];

  constructor(device: c.KeyPair) {
    this.device = device;
    this.sender = new c.SenderChain(c.newSenderId(), accountId, this.id);
    this.desk = new AgentDesk(accountId, this.id, this.key, new c.DeviceSet(accountId, account.publicKey), async () => void this.desk.devices.learn(relayChain));
  }

  sealedKey(device = this.device, key = this.key): string {
    return c.sealDataKey(key, "session", accountId, account.content.publicKey, device);
  }

  async wire(fields: Partial<WireSession> = {}): Promise<WireSession> {
    const metadata = await c.sealMetadata(c.utf8(JSON.stringify({ path: "/srv/app", host: "says-so", after: 0 })), this.key, "session");
    return {
      id: this.id, seq: this.messages.length, createdAt: 1, updatedAt: 1, active: true, activeAt: 1, metadata, metadataVersion: 1, agentState: null, agentStateVersion: 0,
      dataEncryptionKey: this.sealedKey(), ...fields,
    };
  }

  sealState(plain: Record<string, unknown>): Promise<string> {
    return c.sealBundle(c.utf8(JSON.stringify({ requests: {}, held: [], ...plain })), this.key, { accountId, scope: this.id, kind: "agentState" });
  }

  async store(bundle: string): Promise<WireMessage> {
    const seq = this.messages.length + 1;
    const message: WireMessage = { id: crypto.randomUUID(), seq, revision: seq + 10, content: { t: "encrypted", c: bundle }, localId: null, createdAt: 1, updatedAt: 1 };
    this.messages.push(message);
    return message;
  }

  async say(data: Record<string, unknown>): Promise<{ message: WireMessage; id: string }> {
    const { bundle, id } = await this.sender.seal({ role: "agent", content: { type: "event", id: "e", data } }, this.key, 1);
    this.desk.last = id;
    return { message: await this.store(bundle), id };
  }
}

function open(wire: WireSession, agent?: Agent, shownMessages = () => agent?.messages ?? []): SessionModel {
  const { content } = account;
  const known = seen;
  const nameOf = (key: Uint8Array) => {
    const stated = known.devices.find(key);
    return stated === undefined ? null : c.fromUtf8(c.openBox(stated.sealedName, content.secretKey));
  };
  const model = new SessionModel(wire, {
    accountId, content, seen, readChain, lies: (words) => lies.push(words), nameOf, clockOf: () => 0, now: () => 1, pending: () => [], shown: () => undefined, remembered: async () => undefined, remember: () => undefined, changed: () => undefined,
    fetchMessages: async (_sid, page, limit) => {
      const all = shownMessages();
      const found = "after" in page ? all.filter((m) => m.seq > page.after) : all.filter((m) => m.seq < page.before).reverse();
      return { messages: found.slice(0, limit), hasMore: found.length > limit };
    },
  });
  return model;
}
async function shown(wire: WireSession, agent?: Agent): Promise<SessionModel> {
  const model = open(wire, agent);
  await model.applyWire(wire, 5, false);
  await settled(model);
  return model;
}
const settled = (model: SessionModel) => new Promise((resolve) => setTimeout(resolve, 40)).then(() => model.summary.get());
const problem = (model: SessionModel) => model.summary.get().problem;

async function addAgent(name = "build-02"): Promise<Agent> {
  const device = c.signKeyPair();
  state("add", device, "agent", name);
  relayChain = [...chain.statements];
  return new Agent(device);
}

describe("whose key a session has", () => {
  it("names the device that made it by the account's name; what metadata says is said by the agent", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire());
    expect(model.summary.get()).toMatchObject({ host: "build-02", says: "says-so", openable: true, readOnly: null, problem: null, path: "/srv/app" });
  });

  it("does not open what an unknown device, a browser or nobody signed, and pins nothing by it", async () => {
    const agent = await addAgent();
    const stranger = c.signKeyPair();
    const unsigned = c.toBase64(c.concat(Uint8Array.of(0), c.sealBox(agent.key, account.content.publicKey)));
    for (const sealed of [agent.sealedKey(stranger), agent.sealedKey(browser), unsigned, null, "!", c.sealDataKey(agent.key, "machine", accountId, account.content.publicKey, agent.device)]) {
      const model = await shown(await agent.wire({ dataEncryptionKey: sealed }));
      expect(model.summary.get().openable).toBe(false);
      expect(problem(model)).not.toBeNull();
    }
    expect(seen.pins.get(agent.id)).toBeUndefined();
    expect((await shown(await agent.wire())).summary.get()).toMatchObject({ openable: true, problem: null });
  });

  it("reads the chain before it calls a device unknown", async () => {
    const agent = await addAgent();
    expect(seen.devices.standingOf(agent.device.publicKey)).toBe("unknown");
    expect((await shown(await agent.wire())).summary.get().openable).toBe(true);
  });

  it("takes the first key, also from another agent of the account, with an alarm, and goes on using the first", async () => {
    const agent = await addAgent();
    const other = await addAgent("laptop");
    const model = await shown(await agent.wire());
    const swapped = await agent.wire({ dataEncryptionKey: agent.sealedKey(other.device, other.key) });
    await model.applyWire(swapped, 6, false);
    expect((await settled(model)).problem).toMatch(/another key/);
    expect(lies).toEqual([expect.stringContaining(agent.id)]);
    expect(c.toHex(model.key ?? new Uint8Array())).toBe(c.toHex(agent.key));
    // The same after a reload, whatever the relay shows first, and whatever its log is called.
    seen = await Seen.open(database, accountId, account.publicKey);
    for (const wire of [swapped, await agent.wire({ dataEncryptionKey: null }), await agent.wire({ dataEncryptionKey: agent.sealedKey(other.device) })]) {
      const again = await shown(wire);
      expect(problem(again)).toMatch(/another key/);
      expect(c.toHex(again.key ?? new Uint8Array())).toBe(c.toHex(agent.key));
      expect(again.summary.get().host).toBe("build-02");
    }
  });

  it("does not use one data key at two sessions", async () => {
    const agent = await addAgent();
    await shown(await agent.wire());
    const model = await shown(await agent.wire({ id: crypto.randomUUID() }));
    expect(problem(model)).toMatch(/one key for two/);
    expect(model.key).toBeNull();
  });

  it("shows what a revoked device made for reading only, whenever it was first seen, and says nothing under its keys", async () => {
    const agent = await addAgent();
    state("revoke", agent.device, "agent");
    relayChain = [...chain.statements];
    const fresh = await shown(await agent.wire(), agent);
    expect(fresh.summary.get()).toMatchObject({ openable: true, host: "build-02" });
    expect(fresh.summary.get().readOnly).toMatch(/build-02 was revoked/);
    expect(fresh.writeKey).toBeNull();
    const line = lineTo(agent);
    for (const [name, d] of [["permission", {}], ["abort", {}], ["set-mode", { mode: "plan" }]] as const) await expect(line.calls.call(fresh, name, d)).rejects.toThrow(/reading only.*Nothing was done/);
    expect(line.sent).toEqual([]);
  });

  it("becomes read-only while it is looked at", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire());
    expect(model.writeKey).not.toBeNull();
    state("revoke", agent.device, "agent");
    await seen.learnChain(chain);
    model.devicesChanged();
    expect((await settled(model)).readOnly).not.toBeNull();
    expect(model.writeKey).toBeNull();
  });
});

describe("what state is shown", () => {
  it("goes forward by the agent's own count, whatever the relay calls newer and whatever log it has", async () => {
    const agent = await addAgent();
    const old = await agent.sealState({ v: 3, mode: "bypassPermissions" });
    const model = await shown(await agent.wire({ agentState: old, agentStateVersion: 3 }));
    await model.applyUpdate("agentState", await agent.sealState({ v: 4, mode: "plan" }), 7);
    expect((await settled(model)).agent.mode).toBe("plan");
    await model.applyUpdate("agentState", old, 9);
    expect(await settled(model)).toMatchObject({ problem: expect.stringMatching(/older state/), agent: { mode: "plan" } });

    // After a reload, under another log id: a model that knows nothing but what was seen of the account.
    seen = await Seen.open(database, accountId, account.publicKey);
    const again = await shown(await agent.wire({ agentState: old, agentStateVersion: 1 }));
    expect(again.summary.get().agent.mode).toBeNull();
    expect(problem(again)).toMatch(/older state/);
    // The agent goes on above what was seen.
    await again.applyUpdate("agentState", await agent.sealState({ v: 5, mode: "default" }), 2);
    expect((await settled(again)).agent.mode).toBe("default");
  });

  it("refuses another state of the same count, none where there was one, and one without a count", async () => {
    const agent = await addAgent();
    const first = await agent.sealState({ v: 3, mode: "plan" });
    const model = await shown(await agent.wire({ agentState: first, agentStateVersion: 3 }));
    await model.applyUpdate("agentState", await agent.sealState({ v: 3, mode: "default" }), 8);
    expect(await settled(model)).toMatchObject({ problem: expect.stringMatching(/older state/), agent: { mode: "plan" } });
    for (const wire of [{ agentState: null, agentStateVersion: 9 }, { agentState: await agent.sealState({ mode: "default" }), agentStateVersion: 9 }]) {
      const again = await shown(await agent.wire(wire));
      expect(again.summary.get().agent.mode).toBeNull();
      expect(problem(again)).not.toBeNull();
    }
    // The same state again is no news and no lie.
    expect(problem(await shown(await agent.wire({ agentState: first, agentStateVersion: 3 })))).toBeNull();
  });

  it("says that entries it has seen are gone", async () => {
    const agent = await addAgent();
    for (let i = 0; i < 4; i += 1) await agent.say({ type: "message", message: `line ${i}` });
    const model = open(await agent.wire(), agent);
    await model.applyWire(await agent.wire(), 5, false);
    await model.open();
    expect((await settled(model)).problem).toBeNull();
    agent.messages.length = 2;
    await model.reload();
    expect((await settled(model)).problem).toMatch(/2 entries of this session that the relay does not show/);
  });
});

describe("questions", () => {
  it("are read from the text that the state holds or that came as a message, in either order", async () => {
    const agent = await addAgent();
    const large = askText("t2", "Write", { file_path: "/a", content: "x".repeat(900_000) });
    const before = await agent.say({ type: "ask", id: "t2", ask: large });
    const wire = await agent.wire({
      agentState: await agent.sealState({ v: 1, requests: { t1: { ask: askText("t1", "Bash", { command: "ls" }), createdAt: 1 }, t2: { ask: null, hash: c.askHash(large), in: before.id, createdAt: 2 } } }),
      agentStateVersion: 2,
    });
    const model = await shown(wire, agent);
    await model.summary.when((summary) => summary.agent.requests.every((request) => request.ask !== null));
    expect(model.summary.get().agent.requests.map((request) => [request.id, request.ask?.tool, request.problem])).toEqual([["t1", "Bash", null], ["t2", "Write", null]]);

    const late = askText("t3", "Bash", { command: "late" });
    const sealed = await agent.sender.seal({ role: "agent", content: { type: "event", id: "e", data: { type: "ask", id: "t3", ask: late } } }, agent.key, 1);
    await model.applyUpdate("agentState", await agent.sealState({ v: 2, requests: { t3: { ask: null, hash: c.askHash(late), in: sealed.id, createdAt: 1 } } }), 3);
    expect((await settled(model)).agent.requests[0]).toMatchObject({ ask: null, problem: null });
    await model.receive(await agent.store(sealed.bundle));
    expect((await settled(model)).agent.requests[0]?.ask?.arguments).toEqual({ command: "late" });
  });

  it("show no other question than the state names, and none under another's id", async () => {
    const agent = await addAgent();
    const said = await agent.say({ type: "ask", id: "t1", ask: askText("t1", "Bash", { command: "harmless" }) });
    const requests = {
      t1: { ask: null, hash: c.askHash("another"), in: said.id, createdAt: 1 },
      t2: { ask: askText("t9", "Bash", { command: "ls" }), createdAt: 2 },
      t3: { ask: "{", createdAt: 3 },
      t4: { createdAt: 4 },
    };
    const model = await shown(await agent.wire({ agentState: await agent.sealState({ v: 1, requests }), agentStateVersion: 2 }), agent);
    const { agent: read } = await model.summary.when((summary) => summary.agent.requests.every(({ problem }) => problem !== null));
    expect(read.requests.map(({ id, ask }) => [id, ask])).toEqual([["t1", null], ["t2", null], ["t3", null], ["t4", null]]);
  });
});

// --- Calls ---

interface Line {
  readonly calls: AgentCalls;
  readonly sent: { name: string; params: string }[];
  /** What becomes of a call on its way and of its answer. */
  carry: (name: string, params: string) => Promise<RpcAnswer>;
  readonly heldBack: string[];
  readonly clocks: number[];
  /** The steady clock, and when each call went out by it. It goes on while somebody waits. */
  steady: number;
  readonly at: number[];
}

function lineTo(agent: Agent): Line {
  const sent: Line["sent"] = [];
  const heldBack: string[] = [];
  const clocks: number[] = [];
  const line: Line = {
    sent, heldBack, clocks, steady: 5_000, at: [],
    carry: async (name, params) => ({ ok: true, result: await agent.desk.answer(name, params) }),
    calls: new AgentCalls({
      socket: () => ({ call: (method: string, params: string) => {
        const name = method.slice(agent.id.length + 1);
        sent.push({ name, params });
        line.at.push(line.steady);
        return line.carry(name, params);
      } }) as unknown as RelaySocket,
      accountId, device: browser, seen, readChain, heldBack: (words) => heldBack.push(words), clock: (_session, difference) => clocks.push(difference),
      now: Date.now, steady: () => line.steady, wait: async (ms) => void (line.steady += ms),
    }),
  };
  return line;
}

describe("calls", () => {
  async function ready(): Promise<{ agent: Agent; model: SessionModel; line: Line; done: { d: any; call: Call }[] }> {
    const agent = await addAgent();
    await readChain();
    agent.desk.devices.learn(relayChain);
    agent.desk.v = 1;
    const model = await shown(await agent.wire({ agentState: await agent.sealState({ v: 1 }), agentStateVersion: 2 }), agent);
    const done: { d: any; call: Call }[] = [];
    agent.desk.rpc.set("set-mode", (d, call) => {
      done.push({ d, call });
      return { mode: d.mode };
    });
    return { agent, model, line: lineTo(agent), done };
  }

  it("begin, then act once under the challenge, signed for their place", async () => {
    const { model, line, done } = await ready();
    expect(await line.calls.call(model, "set-mode", { mode: "plan" })).toEqual({ mode: "plan" });
    expect(line.sent.map((call) => call.name)).toEqual(["begin", "set-mode"]);
    expect(done[0]?.call.act.device).toBe(c.toBase64(browser.publicKey));
    // The same once more does nothing: its challenge is used.
    const answer = await line.carry("set-mode", line.sent[1]?.params ?? "");
    expect(answer).toEqual({ ok: true, result: "" });
    expect(done).toHaveLength(1);
  });

  it("that get a sealed refusal are known not to be done; those without a challenge too", async () => {
    const { agent, model, line } = await ready();
    agent.desk.rpc.set("set-mode", () => ({ error: "It may not.", code: "forbidden" }));
    await expect(line.calls.call(model, "set-mode", {})).rejects.toMatchObject({ message: "It may not.", code: "forbidden" });
    for (const answer of [{ ok: true, result: "" }, { ok: true, result: "AAAA" }, { ok: false, error: "RPC method not available" }] as RpcAnswer[]) {
      line.carry = async () => answer;
      const failure = await line.calls.call(model, "set-mode", {}).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(RpcError);
      expect(failure).not.toBeInstanceOf(NotKnown);
      expect((failure as Error).message).toMatch(/Nothing was done/);
    }
  });

  it("that the relay does not pass on say why by its code, whatever its text is", async () => {
    const { model, line } = await ready();
    const said = async (code?: string) => {
      line.carry = async () => ({ ok: false, error: "operation has timed out", ...(code === undefined ? {} : { code }) });
      return ((await line.calls.call(model, "set-mode", {}).catch((error: unknown) => error)) as Error).message;
    };
    expect(await said("not-found")).toContain("is not connected to the relay, as the relay says. Nothing was done.");
    expect(await said("timeout")).toContain("did not answer the relay in time");
    expect(await said("closed")).toContain("lost its connection on the way");
    expect(await said()).toBe("The relay did not pass it on. Nothing was done.");
  });

  it.each([
    ["the empty string", async () => ({ ok: true, result: "" }) as RpcAnswer],
    ["what somebody else sealed", async (agent: Agent) => ({ ok: true, result: await c.sealBundle(c.utf8('{"error":"not authentic"}'), agent.key, { accountId, scope: agent.id, kind: "rpc-response:set-mode" }) }) as RpcAnswer],
    ["the relay's word that it is not there", async () => ({ ok: false, error: "RPC method not available" }) as RpcAnswer],
    ["nothing", async () => Promise.reject(new Error("no answer"))],
  ])("are not known whether done when the answer is %s, and final after 60 s", async (_name, answer) => {
    const { agent, model, line, done } = await ready();
    const honest = line.carry;
    let late = "";
    line.carry = async (name, params) => {
      if (name === "begin") return honest(name, params);
      late = params;
      return answer(agent);
    };
    const failure = (await line.calls.call(model, "set-mode", { mode: "plan" }).catch((error: unknown) => error)) as NotKnown;
    expect(failure).toBeInstanceOf(NotKnown);
    expect(failure.message).not.toMatch(/Nothing was done/);
    expect(await failure.final).toEqual({ reached: true });
    expect(line.sent.map((call) => call.name)).toEqual(["begin", "set-mode", "begin"]);
    expect((line.at[2] as number) - (line.at[0] as number)).toBeGreaterThanOrEqual(60_000);
    expect(done).toEqual([]);
    expect(late).not.toBe("");
  });

  it("tell each other what they know of the devices: what the relay kept from either is counted from then on", async () => {
    const { agent, model, line } = await ready();
    // The relay keeps a revocation from the agent, and an addition from us.
    const lost = c.signKeyPair();
    const fresh = c.signKeyPair();
    state("add", lost, "browser", "Lost phone");
    await seen.learnChain(chain);
    state("add", fresh, "browser", "New laptop");
    agent.desk.devices.learn(chain.statements.slice(0, 2));
    agent.desk.devices.learn(chain.statements);
    const further = new c.DeviceChain(accountId, account.publicKey);
    for (const statement of chain.statements.slice(0, 3)) further.append(statement);
    further.append(further.next(account.secret, { action: "revoke", device: lost.publicKey, kind: "browser", time: 2, sealedName: new Uint8Array() }));
    await seen.learnChain(further);
    expect(agent.desk.devices.standingOf(lost.publicKey)).toBe("good");
    agent.desk.rpc.set("set-mode", () => ({ mode: "plan" }));
    await line.calls.call(model, "set-mode", { mode: "plan" });
    expect(line.sent.map((call) => call.name)).toEqual(["begin", "devices", "begin", "set-mode"]);
    expect(agent.desk.devices.standingOf(lost.publicKey)).toBe("revoked");
    expect(seen.devices.standingOf(fresh.publicKey)).toBe("good");
    expect(line.heldBack).toHaveLength(1);
    expect(line.heldBack[0]).toMatch(/build-02/);
    // Once they agree there is nothing to tell.
    await line.calls.call(model, "set-mode", { mode: "plan" });
    expect(line.sent.slice(4).map((call) => call.name)).toEqual(["begin", "set-mode"]);
  });

  it("learn what the agent's clock shows", async () => {
    const { agent, model, line } = await ready();
    agent.desk.clock = 3 * 3_600_000;
    await line.calls.begin(model);
    expect(Math.abs((line.clocks[0] ?? 0) - agent.desk.clock)).toBeLessThan(2_000);
  });

  it("a verdict names the question by its hash, and the grants by index", async () => {
    const { agent, model, line } = await ready();
    const text = askText("t1", "Bash", { command: "ls" }, { grants: [{ type: "setMode", mode: "plan", destination: "session" }] });
    await model.applyUpdate("agentState", await agent.sealState({ v: 2, requests: { t1: { ask: text, createdAt: 1 } } }), 5);
    const ask = (await settled(model)).agent.requests[0]?.ask;
    if (ask == null) throw new Error();
    let got: unknown;
    agent.desk.rpc.set("permission", (d) => void (got = d));
    await line.calls.call(model, "permission", verdictOf(ask, { decision: "approved", grants: [0] }));
    expect(got).toEqual({ id: "t1", ask: c.askHash(text), decision: "approved", grants: [0] });
  });
});

describe("a reader that is behind what the agent says it has", () => {
  const later = () => new Promise((resolve) => setTimeout(resolve, 60));
  const begun = { challenge: "", devices: "", at: 0 };

  it("says that the relay holds something back, ten seconds later, and no more once it came", async () => {
    const agent = await addAgent();
    await agent.say({ type: "message", message: "one" });
    const model = await shown(await agent.wire({ agentState: await agent.sealState({ v: 1 }), agentStateVersion: 2 }), agent);
    await model.open();
    const { message, id } = await agent.say({ type: "message", message: "two" });
    model.expect({ ...begun, v: 2, last: id, unsent: 0 }, 20);
    expect((await model.summary.when((summary) => summary.behind !== null)).behind).toMatchObject({ accuses: true });
    await model.receive(message);
    await model.applyUpdate("agentState", await agent.sealState({ v: 2 }), 4);
    await model.summary.when((summary) => summary.behind === null);
  });

  it("accuses nobody of what the agent has not sent", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire(), agent);
    await model.open();
    model.expect({ ...begun, v: 0, last: c.toBase64(c.randomBytes(16)), unsent: 3 }, 20);
    expect((await model.summary.when((summary) => summary.behind !== null)).behind).toEqual({ words: expect.stringContaining("3 entries that it has not been able to send"), accuses: false });
  });

  it("says nothing when all is here", async () => {
    const agent = await addAgent();
    const { id } = await agent.say({ type: "message", message: "one" });
    const model = await shown(await agent.wire({ agentState: await agent.sealState({ v: 4 }), agentStateVersion: 2 }), agent);
    await model.open();
    model.expect({ ...begun, v: 4, last: id, unsent: 0 }, 5);
    await later();
    expect(model.summary.get().behind).toBeNull();
  });
});

describe("what a prompt has taken into account", () => {
  it("is the agent's newest message here, and the end of a turn that was stopped from here", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire(), agent);
    await model.open();
    expect(model.seenUpTo).toBeNull();
    const first = await agent.say({ type: "message", message: "one" });
    await model.receive(first.message);
    expect(model.seenUpTo).toBe(first.id);
    const sender = new c.SenderChain(c.newSenderId(), accountId, agent.id);
    const { bundle } = await sender.sealPrompt({ role: "user", content: { type: "text", text: "mine" } }, agent.key, 1, { seen: null, until: 1 }, browser);
    await model.receive(await agent.store(bundle));
    expect(model.seenUpTo).toBe(first.id);
    const end = await agent.sender.seal({ role: "agent", content: { type: "event", id: "e", data: { type: "ready" } } }, agent.key, 1);
    model.sawEnd(end.id);
    expect(model.seenUpTo).toBe(end.id);
    await model.receive(await agent.store(end.bundle));
    const next = await agent.say({ type: "message", message: "two" });
    await model.receive(next.message);
    expect(model.seenUpTo).toBe(next.id);
    model.sawEnd(end.id);
    expect(model.seenUpTo).toBe(next.id);
  });
});

describe("the history", () => {
  it("says \"You\" in the list only of what a browser of the account signed", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire(), agent);
    for (const [device, line] of [[browser, "You: rm -rf"], [agent.device, "Somebody: rm -rf"], [c.signKeyPair(), "Somebody: rm -rf"]] as const) {
      const sender = new c.SenderChain(c.newSenderId(), accountId, agent.id);
      const { bundle } = await sender.sealPrompt({ role: "user", content: { type: "text", text: "rm -rf" } }, agent.key, 1, { seen: null, until: 1 }, device);
      await model.receive(await agent.store(bundle));
      expect((await settled(model)).line).toBe(line);
    }
  });

  it("names who allowed something only where that signature verifies for this session and question", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire(), agent);
    await model.open();
    const ask = askText("t1", "Bash", { command: "ls" }, { toolUseId: "t1" });
    const id = c.randomBytes(16);
    const sign = (scope: string, hash: string, device = browser) =>
      c.signAct(c.actText({ challenge: "0".repeat(32), d: { id: "t1", ask: hash, decision: "approved", grants: [] } }), { accountId, scope, kind: "rpc-request:permission" }, id, device);
    const good = sign(agent.id, c.askHash(ask));
    const cases: [Record<string, unknown>, string | null][] = [
      [{ ask, ...good }, good.device],
      [{ ask: `${ask} `, ...good }, null],
      [{ ask, ...sign(crypto.randomUUID(), c.askHash(ask)) }, null],
      [{ ask, ...good, text: good.text.replace('"grants":[]', '"grants":[0]') }, null],
      [{ ask, ...good, device: c.toBase64(agent.device.publicKey) }, null],
      [{ ask, ...good, signature: "" }, null],
      [{ ask: null, ...good }, good.device],
    ];
    for (const [fields, device] of cases) {
      const { message } = await agent.say({ type: "approval", id: c.toBase64(id), ...fields });
      await model.receive(message);
      await settled(model);
      expect(model.conversation.get().answered.get("t1")?.device).toBe(device);
      // Of a call that is not here: a row of its own.
      const row = model.conversation.get().rows.at(-1);
      expect(row?.kind === "approval" && row.approval.device).toBe(device);
    }
    const rows = model.conversation.get().rows.length;
    const data = { type: "assistant", message: { content: [{ type: "tool_use", id: "t1", name: "Bash", input: { command: "ls" } }] }, parent_tool_use_id: null };
    const { bundle } = await agent.sender.seal({ role: "agent", content: { type: "output", data } }, agent.key, 1);
    await model.receive(await agent.store(bundle));
    await model.receive((await agent.say({ type: "approval", id: c.toBase64(id), ask, ...good })).message);
    await settled(model);
    expect(model.conversation.get().rows.slice(rows).map((row) => row.kind)).toEqual(["who", "tool"]);
  });

  it("shows a prompt that nobody signed, or that was signed for another place, as unverified", async () => {
    const agent = await addAgent();
    const model = await shown(await agent.wire(), agent);
    await model.open();
    const place = { accountId, scope: agent.id, kind: "prompt" } as const;
    const text = c.actText({ at: 1, from: "0".repeat(32), n: 1, prev: null, seen: null, until: 1, d: { role: "user", content: { type: "text", text: "rm -rf" } } });
    const id = c.randomBytes(16);
    for (const plain of [text, JSON.stringify(c.signAct(text, { ...place, scope: crypto.randomUUID() }, id, browser)), JSON.stringify(c.signAct(text, place, c.randomBytes(16), browser))]) {
      await model.receive(await agent.store(await c.sealBundle(c.utf8(plain), agent.key, place, { id })));
    }
    await settled(model);
    expect(model.conversation.get().rows.map((row) => row.kind)).toEqual(["unverified", "unverified", "unverified"]);
  });
});
