// The log watcher against a relay that is honest, old, replaced, or lying.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IDBFactory } from "fake-indexeddb";
import * as c from "../src/crypto/index.ts";
import { ApiError } from "../src/api/http.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import type { LogStatus } from "../src/state/logwatch.ts";
import type { AlarmKind, Pin } from "../src/state/logmemory.ts";
import type { SessionModel } from "../src/state/session.ts";
import { agentLogin, AgentSession } from "./fake-agent.ts";
import { FakeLog } from "./fake-log.ts";
import { FakeRelay, Refusal } from "./fake-relay.ts";

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

async function page(factory = browser): Promise<Client> {
  const client = new Client({ origin: relay.origin, database: await Database.open(factory), deviceName: "Firefox on Fedora", watchIntervalMs: 10 });
  clients.push(client);
  await client.start();
  if (client.phase.get() !== "ready") await client.signIn(secret, true, { create: true });
  await client.connection.when((connection) => connection.state === "live");
  return client;
}

const status = (client: Client, wanted: (log: LogStatus) => boolean) => client.watch.get().status.when(wanted);
const verified = (client: Client) => status(client, (log) => log.state === "verified" && log.proved === relay.onlyAccount.revision);
const alarmOf = async (client: Client) => (await client.watch.get().alarm.when((alarm) => alarm !== null))?.kind;
const log = () => relay.proofs as FakeLog;

async function agentSession(): Promise<AgentSession> {
  const agent = await AgentSession.create(await agentLogin(relay.origin, secret));
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

/** Records of somebody else between ours. */
function others(count: number): void {
  for (let i = 0; i < count; i += 1) log().append({ type: 4, account: "b2b2b2b2-b2b2-b2b2-b2b2-b2b2b2b2b2b2", stream: "b3b3b3b3-b3b3-b3b3-b3b3-b3b3b3b3b3b3", revision: i + 1, seq: 1 }, c.randomBytes(9));
}

describe("an honest relay", () => {
  it("is verified from where this browser first looked, and then on, entry by entry", async () => {
    others(3);
    const client = await page();
    const first = await verified(client);
    expect(first).toMatchObject({ state: "verified", first: 2, proved: 2, from: null, key: c.verifierText(log().verifier) });
    expect(client.watch.get().change.get()).toBeNull();

    const agent = await agentSession();
    for (let i = 0; i < 7; i += 1) {
      await agent.text(`line ${i}`);
      others(1);
    }
    await verified(client);
    const { proved, latest, checkpoint } = client.watch.get().status.get();
    expect(proved).toBe(relay.onlyAccount.revision);
    expect(latest.map((entry) => entry.header.revision)).toEqual(Array.from({ length: 8 }, (_, i) => relay.onlyAccount.revision - 7 + i));
    expect(checkpoint?.size).toBeLessThanOrEqual(log().size);
    expect(client.watch.get().alarm.get()).toBeNull();
  });

  it("is compared with what was accepted before, after a reload and many entries", async () => {
    const client = await page();
    await verified(client);
    const size = log().size;
    client.stop();
    const agent = await agentSession();
    for (let i = 0; i < 230; i += 1) await agent.text(`line ${i}`);
    others(20);
    relay.asked = [];
    const again = await page();
    await verified(again);
    expect(again.watch.get().status.get()).toMatchObject({ first: 2, from: { size } });
    // Three requests of at most a hundred records, each consistent with the one before; the key once.
    expect(relay.asked.filter((path) => path.startsWith("/v1/log/proof")).map((path) => /count=(\d+)/.exec(path)?.[1])).toEqual(["100", "100", String(relay.onlyAccount.revision - 202)]);
    expect(relay.asked.filter((path) => path.startsWith("/v1/log/key"))).toHaveLength(1);
    expect(relay.asked.every((path) => path === "/v1/log/key" || path.includes("from="))).toBe(true);
  });

  it("proves what is looked at while the lists are still read", async () => {
    for (let i = 0; i < 3; i += 1) await agentSession();
    const agent = agents[0] as AgentSession;
    for (const line of ["one", "two", "three"]) await agent.text(line);
    const first = await page();
    await verified(first);
    first.stop();
    const client = new Client({ origin: relay.origin, database: await Database.open(browser), deviceName: "Firefox on Fedora", watchIntervalMs: 10 });
    clients.push(client);
    // A session is opened as soon as it is there, long before the last of the list is.
    let rest = (): void => undefined;
    const gate = new Promise<void>((resolve) => (rest = resolve));
    const starting = client.start();
    while (client.session(agent.id) === undefined) await new Promise((resolve) => setImmediate(resolve));
    const session = client.session(agent.id) as SessionModel;
    const seen = client.seen as NonNullable<Client["seen"]>;
    const see = seen.pins.see.bind(seen.pins);
    seen.pins.see = async (...key) => {
      await gate;
      return see(...key);
    };
    await session.open();
    rest();
    await starting;
    const { rows } = await session.conversation.when((conversation) => conversation.state === "ready");
    const revisions = rows.flatMap((row) => (row.revision === null ? [] : [row.revision]));
    expect(revisions).toHaveLength(3);
    await client.watch.get().proofs.when(() => revisions.every((revision) => client.watch.get().proofOf(revision) === "proved"));
  });

  it("is asked rarely while entries flow", async () => {
    const client = new Client({ origin: relay.origin, database: await Database.open(browser), deviceName: "Firefox on Fedora", watchIntervalMs: 60_000 });
    clients.push(client);
    await client.signIn(secret, true, { create: true });
    await verified(client);
    relay.asked = [];
    const agent = await agentSession();
    for (let i = 0; i < 50; i += 1) await agent.text(`line ${i}`);
    await client.revision.when((revision) => revision >= relay.onlyAccount.revision);
    expect(relay.asked).toEqual([]);
    expect(client.watch.get().status.get().state).toBe("checking");
    await client.watch.get().settle();
    expect(relay.asked).toHaveLength(1);
    expect(client.watch.get().status.get()).toMatchObject({ state: "verified", proved: relay.onlyAccount.revision });
  });

  it("has what conversations show, also from before this browser first looked", async () => {
    const agent = await agentSession();
    for (let i = 0; i < 5; i += 1) await agent.text(`old ${i}`);
    const client = await page();
    await verified(client);
    const watch = client.watch.get();
    const session = await opened(client, agent.id);
    const account = relay.onlyAccount;
    const messages = () => account.sessions.get(agent.id)?.messages ?? [];
    await status(client, (now) => now.compared === 5 && now.waiting === 0);
    for (const message of messages()) expect(watch.proofOf(message.revision)).toBe("proved");

    await agent.text("new");
    await status(client, (now) => now.compared === 6);
    await client.sendPrompt(agent.id, "my own words");
    await status(client, (now) => now.compared === 7 && now.state === "verified");
    expect(watch.proofOf(messages().at(-1)?.revision ?? 0)).toBe("proved");
    expect(session.conversation.get().rows.length).toBeGreaterThan(6);
    expect(watch.alarm.get()).toBeNull();
  });

  it("gives proofs that can be saved and checked elsewhere", async () => {
    const client = await page();
    const agent = await agentSession();
    await agent.text("one");
    await verified(client);
    await client.watch.get().again();
    const saved = client.watch.get().saved;
    expect(saved).not.toBeNull();
    const { key, checkpoint, records } = JSON.parse(JSON.stringify(saved)) as NonNullable<typeof saved>;
    const under = c.openCheckpoint(checkpoint, c.parseVerifier(key));
    expect(records.map((record) => record.revision)).toEqual(Array.from({ length: relay.onlyAccount.revision }, (_, i) => i + 1));
    for (const record of records) await c.checkRecord(record, under);
  });

  it("may answer in parts when entries are large", async () => {
    const client = await page();
    await verified(client);
    client.stop();
    const agent = await agentSession();
    for (let i = 0; i < 30; i += 1) await agent.text(`line ${i}`);
    relay.tamperProof = (answer, path) => (path === "/v1/log/proof" ? { ...answer, records: answer["records"].slice(0, 4) } : answer);
    const again = await page();
    await verified(again);
    await opened(again, agent.id);
    await status(again, (now) => now.compared === 30 && now.waiting === 0);
    await again.watch.get().again();
    expect(again.watch.get().saved?.records.at(-1)?.revision).toBe(relay.onlyAccount.revision);
    expect(again.watch.get().alarm.get()).toBeNull();
  });

  it("may seem shorter once, when another log took its place in between", async () => {
    const client = await page();
    const agent = await agentSession();
    for (let i = 0; i < 5; i += 1) await agent.text(`line ${i}`);
    await verified(client);
    let once = true;
    relay.tamperProof = (answer, path) => {
      if (!once || path === "/v1/log/key") return answer;
      once = false;
      throw new Refusal(409, "conflict", "The log has no such size");
    };
    await client.watch.get().settle();
    await client.watch.get().settle();
    expect(client.watch.get().status.get().state).toBe("verified");
    expect(client.watch.get().alarm.get()).toBeNull();
  });

  it("is watched by two tabs that share what they accepted", async () => {
    const [a, b] = [await page(), await page()];
    const agent = await agentSession();
    for (let i = 0; i < 20; i += 1) await agent.text(`line ${i}`);
    await Promise.all([verified(a), verified(b)]);
    const pin = await (await Database.open(browser)).get<Pin>("seen", `${relay.onlyAccount.id} log ${relay.log}`);
    expect(pin?.proved?.revision).toBe(relay.onlyAccount.revision);
    expect([a, b].map((client) => client.watch.get().alarm.get())).toEqual([null, null]);
  });

  it("may shred what was shown before it could be compared", async () => {
    const agent = await agentSession();
    await agent.text("soon gone");
    log().shred(agent.id);
    const client = await page();
    await opened(client, agent.id);
    await status(client, (now) => now.waiting === 0 && now.state === "verified");
    const message = relay.onlyAccount.sessions.get(agent.id)?.messages[0];
    // Stored, as far as one can tell: neither proved nor refuted.
    expect(client.watch.get().proofOf(message?.revision ?? 0)).toBe("none");
    expect(client.watch.get().alarm.get()).toBeNull();
  });
});

describe("a relay without proofs", () => {
  it("is not checked, and never called verified", async () => {
    relay.proofs = null;
    const client = await page();
    const now = await status(client, (log) => log.state === "unavailable");
    expect(now).toMatchObject({ proved: null, checkpoint: null, key: null });
    const agent = await agentSession();
    await agent.text("one");
    await opened(client, agent.id);
    expect(client.watch.get().status.get()).toMatchObject({ state: "unavailable", waiting: 0 });
    await expect(client.deleteSession(agent.id)).resolves.toMatchObject({ receipt: null, note: null });
  });

  it("may learn to; when it forgets again, a person is told", async () => {
    const proofs = log();
    relay.proofs = null;
    const client = await page();
    await status(client, (log) => log.state === "unavailable");
    client.stop();
    relay.proofs = proofs;
    for (let revision = 1; revision <= relay.onlyAccount.revision; revision += 1) proofs.append({ type: 1, account: relay.onlyAccount.id, stream: relay.onlyAccount.id, revision, seq: 0 }, new Uint8Array());
    const later = await page();
    await verified(later);
    later.stop();
    relay.proofs = null;
    const after = await page();
    expect((await after.watch.get().alarm.when((alarm) => alarm !== null))?.text).toMatch(/does not show its log's key any more/);
  });

  it("is checked again after it could not be reached", async () => {
    let broken = true;
    relay.tamperProof = (answer, path) => {
      if (broken && path === "/v1/log/proof") throw new Error("not now");
      return answer;
    };
    const client = await page();
    const now = await status(client, (log) => log.trouble !== null);
    expect(now.state).toBe("checking");
    broken = false;
    await client.watch.get().settle();
    expect(client.watch.get().status.get()).toMatchObject({ state: "verified", trouble: null });
    expect(client.watch.get().alarm.get()).toBeNull();
  });
});

describe("a lying relay", () => {
  /** A browser that accepted some entries; then the relay changes, and the browser comes back. */
  async function afterwards(change: () => void | Promise<void>): Promise<Client> {
    const client = await page();
    const agent = await agentSession();
    for (let i = 0; i < 5; i += 1) await agent.text(`line ${i}`);
    await verified(client);
    client.stop();
    await change();
    return page();
  }
  const text = async () => {
    const agent = await agentSession();
    await agent.text("more");
  };

  const lies: [string, AlarmKind, () => void | Promise<void>][] = [
    ["an old entry was rewritten", "history", () => log().rewrite(3, c.utf8("rewritten"))],
    [
      "an old entry was rewritten, and the log went on",
      "history",
      async () => {
        log().rewrite(3, c.utf8("rewritten"));
        await text();
      },
    ],
    ["the log got shorter", "shorter", () => void log().records.splice(-2)],
    ["the log signs with another key", "key", () => log().newKey()],
    ["the key is another log's", "key", () => void (relay.tamperProof = (answer, path) => (path === "/v1/log/key" ? { ...answer, origin: "consortium-log/elsewhere" } : answer))],
    ["a checkpoint is signed by somebody else", "signature", () => void (relay.tamperProof = (answer) => (answer["checkpoint"] === undefined ? answer : { ...answer, checkpoint: new FakeLog(relay.log).checkpoint() }))],
    [
      "a checkpoint's number was changed",
      "signature",
      () => void (relay.tamperProof = (answer) => (answer["checkpoint"] === undefined ? answer : { ...answer, checkpoint: String(answer["checkpoint"]).replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`) })),
    ],
  ];
  for (const [what, kind, lie] of lies) {
    it(`is found out: ${what}`, async () => {
      const client = await afterwards(lie);
      expect(await alarmOf(client)).toBe(kind);
      expect(client.watch.get().status.get().state).toBe("refuted");
      // What was pinned and accepted stays.
      const pin = await client.watch.get().pin();
      expect(pin?.version).toBeGreaterThan(1);

      // It stays an alarm over a reload, and until it is acknowledged; then it is not raised again for the same.
      client.stop();
      const again = await page();
      await status(again, (log) => log.state === "refuted");
      expect(again.watch.get().alarm.get()?.kind).toBe(kind);
      await again.watch.get().acknowledge();
      expect(again.watch.get().alarm.get()).toBeNull();
      await again.watch.get().settle();
      expect(again.watch.get().status.get().state).toBe("refuted");
      expect(again.watch.get().alarm.get()).toBeNull();
      expect(again.watch.get().alarms.get()).toHaveLength(1);
    });
  }

  const proofLies: [string, AlarmKind, (records: c.WireRecord[], log: FakeLog) => c.WireRecord[]][] = [
    ["an entry's body was replaced", "entry", (records) => records.map((record) => ({ ...record, body: c.toBase64(c.randomBytes(c.fromBase64(record.body ?? "").length)) }))],
    ["an entry is of another account", "entry", (records, log) => records.map((record) => ({ ...log.record(0), revision: record.revision }))],
    ["entries were exchanged", "entry", (records) => records.map((record, i) => ({ ...(records[records.length - 1 - i] as c.WireRecord), revision: record.revision }))],
    ["an entry is not in the tree", "entry", (records) => records.map((record) => ({ ...record, path: record.path.slice(1) }))],
    ["an entry is left out", "missing", () => []],
    ["an entry is left out and the one before shown in its place", "entry", (records, log) => records.map((record) => ({ ...log.record(log.find(relay.onlyAccount.id, record.revision - 1)) }))],
  ];
  for (const [what, kind, lie] of proofLies) {
    it(`is found out: ${what}`, async () => {
      others(1);
      const client = await page();
      await verified(client);
      relay.tamperProof = (answer, path) => (path === "/v1/log/proof" ? { ...answer, records: lie(answer["records"], log()) } : answer);
      await text();
      expect(await alarmOf(client)).toBe(kind);
      expect(client.watch.get().status.get().state).toBe("refuted");
      // The truth comes back: the state does, the alarm stays to be read.
      relay.tamperProof = null;
      await client.watch.get().settle();
      // An entry that came meanwhile is checked a moment later.
      await verified(client);
      expect(client.watch.get().alarm.get()?.kind).toBe(kind);
    });
  }

  it("is found out: an entry stands twice in the log", async () => {
    (await page()).stop();
    const account = relay.onlyAccount;
    // In front of what another browser will see first there is a second entry with a number that is to come.
    log().append({ type: 4, account: account.id, stream: account.id, revision: account.revision + 2, seq: 0 }, c.utf8("ahead of its time"));
    const other = await page(new IDBFactory());
    await verified(other);
    await text();
    expect(await alarmOf(other)).toBe("entry");
    expect(other.watch.get().alarm.get()?.text).toMatch(/does not stand behind/);
  });

  it("is found out: a conversation shows what the log does not hold", async () => {
    const agent = await agentSession();
    for (let i = 0; i < 3; i += 1) await agent.text(`line ${i}`);
    const client = await page();
    await verified(client);
    // The second entry is handed out in place of the first, in the first one's place.
    relay.tamperList = (messages) => messages.map((message, i) => (i === 0 ? { ...message, content: (messages[1] as (typeof messages)[number]).content } : message));
    await opened(client, agent.id);
    expect(await alarmOf(client)).toBe("shown");
    const first = relay.onlyAccount.sessions.get(agent.id)?.messages[0];
    expect(client.watch.get().proofOf(first?.revision ?? 0)).toBe("refuted");
  });

  it("is found out: what it sends live is not what it stores", async () => {
    const client = await page();
    const agent = await agentSession();
    await agent.text("before");
    await opened(client, agent.id);
    await verified(client);
    relay.tamper = (update) =>
      update.body.t === "new-message" ? { ...update, body: { ...update.body, message: { ...(update.body as unknown as { message: { content: { c: string } } }).message, content: { t: "encrypted", c: c.toBase64(c.randomBytes(60)) } } } as never } : update;
    await agent.text("changed on the way");
    expect(await alarmOf(client)).toBe("shown");
  });

  it("cannot replace a log unseen", async () => {
    const client = await page();
    await verified(client);
    client.stop();
    const before = relay.log;
    const next = new FakeLog("00000000-0000-4000-8000-00000000000e");
    for (const { header, body } of log().records) next.append(header, body);
    relay.log = next.id;
    relay.proofs = next;
    const again = await page();
    await verified(again);
    expect(again.watch.get().change.get()).toMatchObject({ before, log: next.id });
    await again.watch.get().acknowledgeChange();
    expect(again.watch.get().change.get()).toBeNull();

    // Back to the old one: its key is still pinned.
    again.stop();
    const old = new FakeLog(before);
    for (const { header, body } of next.records) old.append(header, body);
    relay.log = before;
    relay.proofs = old;
    const third = await page();
    expect(await alarmOf(third)).toBe("key");
    expect(third.watch.get().change.get()).toMatchObject({ before: next.id, log: before });
  });
});

describe("deletion", () => {
  it("of a session gives a receipt that is verified before it is shown as one", async () => {
    const client = await page();
    const agent = await agentSession();
    for (let i = 0; i < 3; i += 1) await agent.text(`line ${i}`);
    await verified(client);
    const certificate = await client.deleteSession(agent.id);
    expect(certificate).toMatchObject({ problem: null, extends: true, receipt: { about: "session", id: agent.id, messages: 3, deleted: relay.onlyAccount.revision } });
    expect(c.openReceipt(certificate.note ?? "", log().verifier).id).toBe(agent.id);
    expect(await client.receipt(agent.id)).toMatchObject({ problem: null, title: certificate.title });
    expect(client.session(agent.id)).toBeUndefined();
    await verified(client);
  });

  const lies: [string, (answer: Record<string, any>) => Record<string, any>][] = [
    ["has a changed number", (answer) => ({ ...answer, receipt: String(answer["receipt"]).replace("messages 1", "messages 0") })],
    ["is signed by another key", (answer) => ({ ...answer, receipt: new FakeLog(relay.log).sign(String(answer["receipt"]).split("\n\n")[0] + "\n") })],
    ["is for another session", (answer) => ({ ...answer, receipt: log().receipt("session", relay.onlyAccount.id, [1, relay.onlyAccount.revision], ["messages 1"], log().records.at(-1)?.header.time ?? 0) })],
    ["names another time", (answer) => ({ ...answer, receipt: log().receipt("session", String(/session (\S+)/.exec(String(answer["receipt"]))?.[1]), [1, relay.onlyAccount.revision], ["messages 1"], 1) })],
    ["names another entry", (answer) => ({ ...answer, proof: { ...answer["proof"], record: log().record(1) } })],
    ["comes with a record that is not in the log", (answer) => ({ ...answer, proof: { ...answer["proof"], record: { ...answer["proof"].record, path: [] } } })],
    ["comes with no deletion", (answer) => {
      const index = log().append({ type: 4, account: relay.onlyAccount.id, stream: "51515151-5151-4151-8151-515151515151", revision: 99, seq: 1 }, c.utf8("x"));
      void index;
      return { ...answer, proof: { checkpoint: log().checkpoint(), record: log().record(log().size - 1) } };
    }],
  ];
  for (const [what, lie] of lies) {
    it(`is not shown as certified when the receipt ${what}`, async () => {
      const client = await page();
      const agent = await agentSession();
      await agent.text("one");
      await verified(client);
      relay.tamperProof = (answer, path) => (path === "/deletion" ? lie(answer) : answer);
      const certificate = await client.deleteSession(agent.id);
      expect(certificate.receipt).toBeNull();
      expect(certificate.problem).not.toBeNull();
    });
  }

  it("raises the alarm when the receipt's log is not the one that was accepted", async () => {
    const client = await page();
    const agent = await agentSession();
    await agent.text("one");
    await verified(client);
    relay.tamperProof = (answer, path) => {
      if (path !== "/deletion") return answer;
      // A fork for this browser alone: the same key, another history.
      const real = log().records;
      log().records = [...real];
      log().rewrite(0, c.utf8("forked"));
      const revision = relay.onlyAccount.revision;
      const forked = { receipt: log().receipt("session", agent.id, [1, revision], ["messages 1"], log().records.at(-1)?.header.time ?? 0), proof: { checkpoint: log().checkpoint(), record: log().record(log().find(relay.onlyAccount.id, revision)) } };
      log().records = real;
      return { ...answer, ...forked };
    };
    const certificate = await client.deleteSession(agent.id);
    expect(certificate).toMatchObject({ receipt: null, extends: false });
    expect(await alarmOf(client)).toBe("history");
  });

  it("of the account gives a receipt and leaves nothing here", async () => {
    const client = await page();
    const agent = await agentSession();
    await agent.text("one");
    await verified(client);
    const id = client.accountId;
    await client.deleteAccount();
    expect(client.phase.get()).toBe("signed-out");
    expect(client.farewell.get()).toMatchObject({ problem: null, extends: true, receipt: { about: "account", id, sessions: 1, machines: 0 } });
    const database = await Database.open(browser);
    expect(await database.all("notes")).toEqual([]);
    // Of the account only that it was deleted from here.
    const account = await c.accountFromSecret(secret);
    expect(await database.all("seen")).toEqual([[`account ${c.toHex(account.publicKey)}`, { accountId: null, deleted: [id] }]]);
    expect(await database.all("vault")).toEqual([]);
    expect(relay.accounts.size).toBe(0);

    // The same key begins anew.
    await client.signIn(secret, true, { create: true });
    await verified(client);
    expect(client.accountId).not.toBe(id);
    expect(client.farewell.get()).toBeNull();
  });

  it("of the account is told to other devices, which make a new one only when asked to", async () => {
    const client = await page();
    const id = client.accountId;
    const other = await page(new IDBFactory());
    await client.deleteAccount();
    await other.phase.when((now) => now === "gone");
    expect(relay.accounts.size).toBe(0);
    await other.beginAnew();
    expect(other.accountId).not.toBe(id);
    await verified(other);
  });

  it("of the account in another log than the accepted one is not certified", async () => {
    const client = await page();
    const agent = await agentSession();
    await agent.text("one");
    await verified(client);
    // Everything is asked for the last time before the deletion; then the past is another.
    const settle = client.watch.get().settle.bind(client.watch.get());
    client.watch.get().settle = async () => {
      await settle();
      log().rewrite(1, c.utf8("another past"));
    };
    await client.deleteAccount();
    expect(client.farewell.get()).toMatchObject({ receipt: null, extends: null });
    expect(client.farewell.get()?.problem).toMatch(/another log/);
  });

  it("of the account that is refused wipes nothing", async () => {
    const client = await page();
    await verified(client);
    relay.tamperProof = (answer, path) => {
      if (path === "/deletion") throw new Error("disk full");
      return answer;
    };
    await expect(client.deleteAccount()).rejects.toBeInstanceOf(ApiError);
    expect(client.phase.get()).toBe("ready");
    expect((await (await Database.open(browser)).all("vault")).length).toBeGreaterThan(0);
  });
});
