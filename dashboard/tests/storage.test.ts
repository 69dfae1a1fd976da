// What a page does when its browser does not keep what it should.
import { forceCloseDatabase, IDBFactory, IDBObjectStore } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as c from "../src/crypto/index.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import { Seen } from "../src/state/seen.ts";
import { Vault } from "../src/state/vault.ts";
import { agentLogin, AgentSession } from "./fake-agent.ts";
import { FakeRelay } from "./fake-relay.ts";
import { failStorage, noStorage } from "./failing-storage.ts";

let browser: IDBFactory;
beforeEach(() => {
  browser = new IDBFactory();
  vi.spyOn(console, "warn").mockReturnValue();
});
afterEach(() => vi.restoreAllMocks());

const whole = (database: Database) => database.trouble.when((trouble) => trouble === null);

/** Opens a database of this browser beside the page, as the browser itself or another tab would. */
function open(version: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = browser.open("consortium", version);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** All connections that are opened from now on. */
function watchConnections(): IDBDatabase[] {
  const connections: IDBDatabase[] = [];
  const original = browser.open.bind(browser);
  browser.open = (...args: Parameters<IDBFactory["open"]>) => {
    const request = original(...args);
    request.addEventListener("success", () => connections.push(request.result));
    return request;
  };
  return connections;
}

describe("a connection that the browser closed", () => {
  it("is opened again, without a word", async () => {
    const connections = watchConnections();
    const database = await Database.open(browser);
    await database.put("notes", "a", 1);
    forceCloseDatabase(connections[0] as never);
    expect(await database.get("notes", "a")).toBe(1);
    // Closed without telling: only the next transaction finds out.
    connections[1]?.close();
    await database.put("notes", "a", 2);
    expect(await (await Database.open(browser)).get("notes", "a")).toBe(2);
    expect([connections.length >= 3, database.trouble.get()]).toEqual([true, null]);
  });

  it("is not opened again as an empty one: what was erased is said, and what the page has seen counts on", async () => {
    const connections = watchConnections();
    const database = await Database.open(browser);
    await database.put("seen", "pin", "first");
    await new Promise((resolve) => (browser.deleteDatabase("consortium").onsuccess = resolve));
    expect(connections).toHaveLength(1);
    expect(await database.update("seen", "pin", (stored) => stored ?? "another")).toBe("first");
    expect(database.trouble.get()).toEqual({ why: "cleared", forGood: true });
    expect(await database.all("seen")).toEqual([["pin", "first"]]);
    expect(await browser.databases()).toEqual([]);
  });

  it("is left to a newer page", async () => {
    const database = await Database.open(browser);
    await database.put("notes", "a", 1);
    const newer = await open(99);
    await database.put("notes", "a", 2);
    expect(database.trouble.get()).toEqual({ why: "newer", forGood: true });
    expect(await database.get("notes", "a")).toBe(2);
    newer.close();
  });
});

describe("a disk that takes nothing", () => {
  it("is full: the page goes on from memory, and stores what it has once there is room", async () => {
    const [database, other] = [await Database.open(browser), await Database.open(browser)];
    await database.put("notes", "a", "old");
    failStorage({ puts: "full" });
    await database.put("notes", "a", "new");
    await database.update<number>("seen", "n", (stored) => (stored ?? 0) + 1);
    await database.update<number>("seen", "n", (stored) => (stored ?? 0) + 1);
    await database.delete("notes", "b");
    expect(database.trouble.get()).toEqual({ why: "full", forGood: false });
    expect([await database.get("notes", "a"), await database.get("seen", "n"), await database.all("seen")]).toEqual(["new", 2, [["n", 2]]]);
    expect([await other.get("notes", "a"), await other.get("seen", "n")]).toEqual(["old", undefined]);
    expect([database.hasUnsaved("notes", "a"), database.hasUnsaved("notes", "b")]).toEqual([true, false]);
    failStorage();
    await whole(database);
    expect([await other.get("notes", "a"), await other.get("seen", "n"), database.hasUnsaved("notes", "")]).toEqual(["new", 2, false]);
  });

  it("stores what is written while it stores the rest", async () => {
    const [database, other] = [await Database.open(browser), await Database.open(browser)];
    failStorage({ puts: "full" });
    await database.put("notes", "a", 1);
    failStorage();
    const { put } = IDBObjectStore.prototype;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementationOnce(function (this: IDBObjectStore, ...args) {
      void database.put("notes", "b", 2);
      return put.apply(this, args);
    });
    await whole(database);
    expect([await other.get("notes", "a"), await other.get("notes", "b"), database.hasUnsaved("notes", "")]).toEqual([1, 2, false]);
  });

  it("does to what another tab wrote meanwhile what it did last", async () => {
    const [database, other] = [await Database.open(browser), await Database.open(browser)];
    failStorage({ puts: "full" });
    await database.update<string[]>("seen", "list", (stored = []) => [...stored, "mine"]);
    failStorage();
    await other.put("seen", "list", ["theirs"]);
    await whole(database);
    expect(await database.get("seen", "list")).toEqual(["theirs", "mine"]);
  });

  it("forgets no key that was pinned, and goes back behind no count", async () => {
    const { publicKey } = c.signKeyPair(c.randomBytes(32));
    const [account, device, key] = [crypto.randomUUID(), c.randomBytes(32), c.randomBytes(32)];
    const seen = await Seen.open(await Database.open(browser), account, publicKey);
    expect((await seen.pins.see("s1", device, key, "box")).verdict).toBe("first");
    await seen.counts.sawState("s1", 7, "seven");
    failStorage({ puts: "broken", reads: true });
    expect((await seen.pins.see("s1", device, c.randomBytes(32), "other")).verdict).toBe("another");
    expect((await seen.pins.see("s2", device, c.randomBytes(32), "new")).verdict).toBe("first");
    expect((await seen.pins.see("s2", device, c.randomBytes(32), "newer")).verdict).toBe("another");
    expect([await seen.counts.sawState("s1", 6, "six"), await seen.counts.sawState("s1", 8, "eight"), await seen.counts.sawState("s1", 7, "seven")]).toEqual(["back", "forward", "back"]);
  });

  it("keeps the pin of a log while nothing can be read", async () => {
    const database = await Database.open(browser);
    const { publicKey } = c.signKeyPair(c.randomBytes(32));
    const first = await Seen.open(database, "account", publicKey);
    await first.log.pin("log", "the key", 1);
    const page = await Database.open(browser);
    failStorage({ reads: true });
    const { log } = await Seen.open(page, "account", publicKey);
    expect((await log.get("log"))?.key).toBe("the key");
    expect((await log.pin("log", "another key", 2)).key).toBe("the key");
  });

  it("gets nothing that was sealed under a key it did not take", async () => {
    const database = await Database.open(browser);
    failStorage({ puts: "full" });
    const vault = await Vault.open(database);
    failStorage();
    await vault.save({ secret: c.randomBytes(32), deviceSeed: c.randomBytes(32), deviceName: "x", login: null, keyConfirmed: true });
    expect(database.trouble.get()).toEqual({ why: "full", forGood: true });
    expect((await vault.load())?.deviceName).toBe("x");
    expect(await (await Database.open(browser)).all("vault")).toEqual([]);
  });

  it("says that it could not be wiped", async () => {
    const database = await Database.open(browser);
    await database.put("vault", "identity", "secret");
    failStorage({ deletes: true });
    await database.clear();
    expect(database.trouble.get()).toEqual({ why: "unerased", forGood: true });
    expect(await database.get("vault", "identity")).toBeUndefined();
  });
});

describe("a page", () => {
  let relay: FakeRelay;
  const secret = c.randomBytes(32);
  const clients: Client[] = [];
  const agents: AgentSession[] = [];
  beforeEach(async () => {
    relay = new FakeRelay();
    await relay.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop();
    for (const agent of agents.splice(0)) agent.close();
    await relay.stop();
  });

  async function page(factory = browser): Promise<{ client: Client; database: Database }> {
    const database = await Database.open(factory);
    const client = new Client({ origin: relay.origin, database, deviceName: "Firefox on Fedora" });
    clients.push(client);
    await client.start();
    if (client.phase.get() !== "ready") await client.signIn(secret, true, { create: true });
    await client.connection.when(({ state }) => state === "live");
    return { client, database };
  }

  async function withSession(factory = browser) {
    const { client, database } = await page(factory);
    const agent = await AgentSession.create(await agentLogin(relay.origin, secret), {});
    agents.push(agent);
    await client.lists.when(({ sessions }) => sessions.some(({ id }) => id === agent.id));
    const session = client.session(agent.id)!;
    await session.open();
    await session.conversation.when(({ state }) => state === "ready");
    const pending = () => session.conversation.get().pending;
    const prompts = () => session.conversation.get().rows.flatMap((row) => (row.kind === "prompt" ? [row.text] : []));
    return { client, database, agent, session, pending, prompts };
  }

  /** The relay does not answer for messages until it is told to. */
  const offline = async (client: Client) => {
    await relay.stop();
    await client.connection.when(({ state }) => state === "offline" || state === "reconnecting");
  };

  it("that may store nothing works all the same, and a later one knows nothing of it", async () => {
    const { client, agent, session, prompts } = await withSession(noStorage);
    expect(client.trouble.get()).toEqual({ why: "refused", forGood: true });
    await client.sendPrompt(agent.id, "from memory");
    await session.conversation.when(() => prompts().includes("from memory"));
    await client.saveDraft(agent.id, "half a thought");
    expect([await client.loadDraft(agent.id), client.wouldLose]).toEqual(["half a thought", true]);
    const later = new Client({ origin: relay.origin, database: await Database.open(noStorage), deviceName: "x" });
    await later.start();
    expect(later.phase.get()).toBe("signed-out");
  });

  it("has a prompt in memory where the disk is full, says so, and delivers it", async () => {
    const { client, agent, session, pending, prompts } = await withSession();
    await offline(client);
    failStorage({ puts: "full" });
    await client.sendPrompt(agent.id, "no room for this");
    await session.conversation.when(() => pending().length === 1);
    expect(pending()[0]).toMatchObject({ text: "no room for this", state: "queued", unkept: true });
    expect(client.wouldLose).toBe(true);
    await relay.start(relay.port);
    await session.conversation.when(() => prompts().includes("no room for this"));
    expect(client.wouldLose).toBe(false);
    expect(await (await Database.open(browser)).all("outbox")).toEqual([]);
  });

  it("puts a prompt of its memory on disk once there is room", async () => {
    const { client, database, agent, session, pending } = await withSession();
    await offline(client);
    failStorage({ puts: "full" });
    await client.sendPrompt(agent.id, "soon on disk");
    await database.put("notes", "x", 1);
    failStorage();
    await whole(database);
    await session.conversation.when(() => pending()[0]?.unkept === undefined);
    expect(await (await Database.open(browser)).all("outbox")).toHaveLength(1);
    expect(client.wouldLose).toBe(false);
  });

  it("sends nothing that another page could seal a second time", async () => {
    const { client, agent, session, pending, prompts } = await withSession();
    await offline(client);
    await client.sendPrompt(agent.id, "just once");
    // It lies on disk unsealed; what it is sent as can neither be written there, nor it be taken away.
    failStorage({ puts: "full", deletes: true });
    await relay.start(relay.port);
    await client.connection.when(({ state }) => state === "live");
    await session.conversation.when(() => pending()[0]?.reason !== undefined);
    expect(pending()[0]).toMatchObject({ state: "queued" });
    expect(prompts()).toEqual([]);
    await expect(client.unsend(pending()[0]?.localId as string)).rejects.toThrow("could not be taken back");
    expect(pending()).toHaveLength(1);
    // It can be taken away: that is enough.
    failStorage({ puts: "full" });
    await session.conversation.when(() => prompts().includes("just once"));
    expect(await (await Database.open(browser)).all("outbox")).toEqual([]);
    expect(prompts()).toEqual(["just once"]);
  });

  it("says why a prompt cannot be sent, instead of losing it", async () => {
    const { client, agent } = await withSession();
    await expect(client.sendPrompt("another", "x")).rejects.toThrow("Nothing was sent");
    await client.signOut();
    await expect(client.sendPrompt(agent.id, "x")).rejects.toThrow("Nothing was sent");
  });

  it("sends a refused prompt again before it lets go of it", async () => {
    const { client, agent, session, pending, prompts } = await withSession();
    relay.refuse = () => ({ code: "too-large", message: "Too large", retry: false });
    await client.sendPrompt(agent.id, "again", { model: "opus" });
    await session.conversation.when(() => pending()[0]?.state === "failed");
    relay.refuse = null;
    failStorage({ puts: "full", deletes: true });
    await client.sendAgain(pending()[0]?.localId as string);
    await session.conversation.when(() => prompts().includes("again"));
    expect(pending()[0]).toMatchObject({ text: "again", state: "failed" });
  });
});
