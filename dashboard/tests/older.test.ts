// Sessions beyond the end of the relay's list.
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as c from "../src/crypto/index.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import { agentLogin, AgentSession } from "./fake-agent.ts";
import { FakeRelay } from "./fake-relay.ts";

const secret = c.randomBytes(32);
let relay: FakeRelay;
let client: Client;
let agents: AgentSession[];

beforeEach(async () => {
  relay = new FakeRelay();
  relay.listed = 3;
  await relay.start();
  const open = async () => new Client({ origin: relay.origin, database: await Database.open(new IDBFactory()), deviceName: "Firefox on Fedora" });
  const first = await open();
  await first.start();
  await first.signIn(secret, true, { create: true });
  first.stop();
  agents = [];
  const login = await agentLogin(relay.origin, secret);
  for (let number = 0; number < 8; number += 1) agents.push(await AgentSession.create(login, { summary: `Session ${number}` }));
  client = await open();
  await client.start();
  await client.signIn(secret, true);
  await client.connection.when((connection) => connection.state === "live");
  relay.reads = [];
}, 60_000);

afterEach(async () => {
  client.stop();
  for (const agent of agents) agent.close();
  await relay.stop();
});

const ids = () => client.lists.get().sessions.map(({ id }) => id);
const loadAll = async () => {
  while (client.lists.get().older) {
    const had = ids().length;
    await client.loadOlder();
    await client.lists.when((lists) => lists.sessions.length > had || !lists.older);
  }
};
const oldest = () => agents.filter(({ id }) => !ids().includes(id));

describe("sessions beyond the list", () => {
  it("are loaded page by page, until there are no others", async () => {
    expect(ids()).toHaveLength(3);
    expect(client.lists.get().older).toBe(true);
    await loadAll();
    expect(client.lists.get().older).toBe(false);
    await client.lists.when((lists) => lists.sessions.length === agents.length);
    expect(new Set(ids())).toEqual(new Set(agents.map(({ id }) => id)));
    const titles = agents.map((_, number) => `Session ${number}`).join();
    await client.lists.when((lists) => lists.sessions.map(({ title }) => title).sort().join() === titles);
  });

  it("stay in the list when it is read again", async () => {
    await loadAll();
    const read = client.lists.when(({ older }) => older);
    relay.resync("too-old");
    await read;
    await client.connection.when((connection) => connection.state === "live");
    expect(ids()).toHaveLength(agents.length);
  });

  it("are found by their address alone", async () => {
    const [wanted] = oldest();
    expect(client.session(wanted!.id)).toBeUndefined();
    expect(await client.find(wanted!.id)).toBe(true);
    await client.session(wanted!.id)?.summary.when(({ title }) => /^Session \d$/.test(title));
    expect(relay.reads).toEqual([`/v1/sessions/${wanted!.id}`]);
    expect(await client.find("0192f0a0-0000-7000-8000-000000000000")).toBe(false);
  });

  it("come back when something happens in them, each by one request and the list by none", async () => {
    const alive = oldest();
    for (const agent of alive) for (let count = 0; count < 3; count += 1) await agent.text(`line ${count}`);
    await client.lists.when((lists) => lists.sessions.length === agents.length);
    expect(relay.reads.filter((path) => path === "/v1/sessions")).toEqual([]);
    expect(relay.reads.filter((path) => alive.some(({ id }) => path === `/v1/sessions/${id}`))).toHaveLength(alive.length);
    for (const agent of alive) expect(client.session(agent.id)?.summary.get().count).toBe(3);
  });

  it("that are taken away while they are asked for do not come back with the old answer", async () => {
    const [wanted] = oldest();
    const [listed] = agents.filter(({ id }) => ids().includes(id));
    let answer = (): void => undefined;
    relay.holdSession = new Promise((resolve) => (answer = resolve));
    const found = client.find(wanted!.id);
    await vi.waitUntil(() => relay.reads.length === 1, { timeout: 20_000 });
    relay.emit(relay.onlyAccount, { t: "delete-session", sid: wanted!.id });
    await listed!.text("said after that");
    await client.session(listed!.id)?.summary.when(({ count }) => count === 1);
    answer();
    expect(await found).toBe(false);
    expect(client.session(wanted!.id)).toBeUndefined();
    expect(ids()).not.toContain(wanted!.id);
  });
});
