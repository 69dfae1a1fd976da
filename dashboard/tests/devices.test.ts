// The chain of devices between browsers and a relay that is honest, restored from a backup, or lying.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IDBFactory } from "fake-indexeddb";
import * as c from "../src/crypto/index.ts";
import { ApiError } from "../src/api/http.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import { changeInWords, type DeviceBook } from "../src/state/devicebook.ts";
import { Seen } from "../src/state/seen.ts";
import type { SignInChoice } from "../src/state/signin.ts";
import { FakeRelay, Refusal } from "./fake-relay.ts";

let relay: FakeRelay;
let secret: c.Bytes;
let account: c.AccountKeys;
const clients: Client[] = [];

beforeEach(async () => {
  relay = new FakeRelay();
  await relay.start();
  secret = c.randomBytes(32);
  account = await c.accountFromSecret(secret);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.stop();
  await relay.stop();
});

async function page(factory: IDBFactory, name = "Firefox on Fedora"): Promise<Client> {
  const client = new Client({ origin: relay.origin, database: await Database.open(factory), deviceName: name });
  clients.push(client);
  await client.start();
  return client;
}

async function signedIn(factory = new IDBFactory(), name = "Firefox on Fedora", choice: SignInChoice = { create: true }): Promise<Client> {
  const client = await page(factory, name);
  if (client.phase.get() !== "ready") await client.signIn(secret, true, choice);
  await live(client);
  return client;
}

const live = (client: Client) => client.connection.when((connection) => connection.state === "live");
const book = (client: Client) => client.book.get() as DeviceBook;
const names = (client: Client) => book(client).devices.map((device) => `${device.name}${device.revokedAt === null ? "" : " revoked"}`);
const alarm = (client: Client) => client.watch.get().alarm.get()?.text ?? null;
const key = (client: Client) => c.signKeyPair((client.identity.get() as { deviceSeed: c.Bytes }).deviceSeed).publicKey;

/** Another holder of the account's secret appends this to the relay's chain. */
function appendAsAnother(to: { statements: c.Bytes[]; id: string }, what: Partial<c.DeviceStatement> & Pick<c.DeviceStatement, "action">): c.Bytes {
  const { chain } = c.DeviceChain.read(to.id, account.publicKey, to.statements);
  const sealedName = what.action === "add" ? c.sealBox(c.utf8("Another"), account.content.publicKey) : new Uint8Array();
  return chain.next(account.secret, { device: c.signKeyPair().publicKey, kind: "browser", time: Date.now(), sealedName, ...what });
}

describe("signing in", () => {
  it("signs this browser into the chain, under the name that it has", async () => {
    const client = await signedIn();
    expect(names(client)).toEqual(["Firefox on Fedora"]);
    expect(relay.onlyAccount.statements).toHaveLength(1);
    expect(client.firstLook.get()).toBe(false);
    expect(client.seen?.posting).toEqual([]);
  });

  it("with a typed key that has no account makes nothing, signs nothing, and says so", async () => {
    const factory = new IDBFactory();
    const client = await page(factory);
    await expect(client.signIn(secret, true)).rejects.toMatchObject({ problem: "no-account" });
    expect(relay.accounts.size).toBe(0);
    const database = await Database.open(factory);
    expect([await database.all("seen"), await database.get("vault", "identity")]).toEqual([[], undefined]);
    // Only if the person then wants an empty account.
    await client.signIn(secret, true, { create: true });
    expect(relay.accounts.size).toBe(1);
  });

  it("keeps secret, device key and statement on disk before the statement is sent", async () => {
    const factory = new IDBFactory();
    const client = await page(factory);
    let kept: { seed: unknown; statements: number } | null = null;
    const login = client.api.login.bind(client.api);
    client.api.login = async (body) => {
      if ("statement" in body) {
        const database = await Database.open(factory);
        const statement = c.parseStatement(c.fromBase64(body.statement as string));
        const seen = await Seen.open(database, statement.accountId, account.publicKey);
        kept = { seed: await database.get("vault", "identity"), statements: seen.devices.size };
        throw new ApiError(0, "unreachable", "The answer is lost.", 1);
      }
      return login(body);
    };
    await expect(client.signIn(secret, true, { create: true })).rejects.toBeInstanceOf(ApiError);
    expect(kept).toMatchObject({ seed: expect.anything(), statements: 1 });

    // Tried again after a reload: the same device, the same statement.
    const again = await page(factory);
    expect(again.phase.get()).toBe("signed-out");
    const posted: string[] = [];
    const honest = again.api.login.bind(again.api);
    again.api.login = async (body) => {
      if ("statement" in body) posted.push(body.statement as string);
      return honest(body);
    };
    await again.signIn(secret, true, { create: true });
    await live(again);
    expect(posted).toHaveLength(1);
    // The relay made another id for the account meanwhile, so that the first statement counts nowhere.
    expect(names(again)).toEqual(["Firefox on Fedora"]);
  });

  it("after a lost answer adds this browser once", async () => {
    await signedIn(new IDBFactory(), "First");
    const factory = new IDBFactory();
    const client = await page(factory);
    const login = client.api.login.bind(client.api);
    client.api.login = async (body) => {
      const answer = await login(body);
      if ("statement" in body) throw new ApiError(0, "unreachable", "The answer is lost.", 1);
      return answer;
    };
    await expect(client.signIn(secret, true)).rejects.toBeInstanceOf(ApiError);
    const again = await page(factory);
    await again.signIn(secret, true);
    await live(again);
    expect(relay.onlyAccount.statements).toHaveLength(2);
    expect(again.seen?.posting).toEqual([]);
  });

  it("signs again when another device was faster, and gives up after the third time", async () => {
    await signedIn(new IDBFactory(), "First");
    let times = 1;
    relay.beforeStatement = (to) => {
      if (times-- > 0) relay.append(to, appendAsAnother(to, { action: "add" }));
    };
    const second = await signedIn(new IDBFactory(), "Second", {});
    expect(names(second).sort()).toEqual(["Another", "First", "Second"]);

    times = Number.POSITIVE_INFINITY;
    const third = await page(new IDBFactory());
    await expect(third.signIn(secret, true)).rejects.toMatchObject({ code: "conflict" });
    relay.beforeStatement = null;
    // What it signed is out: it is in none of them as an addition that somebody made, and the next try succeeds.
    await third.signIn(secret, true);
    await live(third);
    expect(names(third).filter((name) => name === "Firefox on Fedora")).toHaveLength(1);
  });

  it("refuses a chain that the key cannot have said", async () => {
    await signedIn(new IDBFactory(), "First");
    const other = await c.accountFromSecret(c.randomBytes(32));
    relay.tamperChain = (statements) => {
      const forged = new c.DeviceChain(relay.onlyAccount.id, other.publicKey).next(other.secret, { action: "add", device: c.signKeyPair().publicKey, kind: "browser", time: 1, sealedName: new Uint8Array(80) });
      return [forged, ...statements.slice(1)];
    };
    const before = relay.onlyAccount.statements.length;
    await expect((await page(new IDBFactory())).signIn(secret, true)).rejects.toMatchObject({ rule: "signature" });
    expect(relay.onlyAccount.statements).toHaveLength(before);
  });

  it("says when a key that had one account here is answered with another", async () => {
    const factory = new IDBFactory();
    const client = await signedIn(factory);
    const first = client.accountId;
    relay.accounts.clear();
    await (await page(new IDBFactory())).signIn(secret, true, { create: true });
    await expect(client.signIn(secret, true)).rejects.toMatchObject({ problem: "other-account" });
    expect(relay.onlyAccount.statements).toHaveLength(1);
    await client.signIn(secret, true, { acceptOther: true });
    await live(client);
    expect(client.accountId).not.toBe(first);
    expect(names(client)).toHaveLength(2);
  });

  it("never accepts an account that was deleted from here", async () => {
    const client = await signedIn();
    const account = relay.onlyAccount;
    await client.deleteAccount();
    relay.accounts.set(c.toBase64((await c.accountFromSecret(secret)).publicKey), account);
    await expect(client.signIn(secret, true)).rejects.toMatchObject({ problem: "deleted-account" });
    await expect(client.signIn(secret, true, { create: true, acceptOther: true })).rejects.toMatchObject({ problem: "deleted-account" });
    expect(account.statements).toHaveLength(1);
    // A new account of the same key has another id, and nothing of the old one counts in it.
    relay.accounts.clear();
    await client.signIn(secret, true, { create: true });
    await live(client);
    expect(client.accountId).not.toBe(account.id);
    expect(client.seen?.devices.size).toBe(1);
  });

  it("shows the list of devices first, unless the account is new", async () => {
    await signedIn(new IDBFactory(), "First");
    const second = await signedIn(new IDBFactory(), "Second", {});
    expect(second.firstLook.get()).toBe(true);
    expect(book(second).unannounced.map((device) => device.name)).toEqual(["First"]);
    await second.acknowledgeDevices();
    expect([second.firstLook.get(), book(second).unannounced]).toEqual([false, []]);
  });
});

describe("renewing the token", () => {
  it("takes the browser's own key alone", async () => {
    const client = await signedIn();
    const bodies: object[] = [];
    const login = client.api.login.bind(client.api);
    client.api.login = (body) => {
      bodies.push(body);
      return login(body);
    };
    relay.forgetTokens();
    relay.dropConnections();
    await client.connection.when((connection) => connection.state !== "live");
    await live(client);
    expect(bodies).toHaveLength(1);
    expect(bodies[0]).toMatchObject({ accountId: client.accountId });
    expect(bodies[0]).not.toHaveProperty("signature");
  });

  it("locks the page that a statement revoked, which keeps what it saw", async () => {
    const factory = new IDBFactory();
    const client = await signedIn(factory, "First");
    const other = await signedIn(new IDBFactory(), "Second", {});
    await client.seen?.pins.see("s1", key(other), c.randomBytes(32), "box");
    await other.revokeDevice(c.toHex(key(client)));
    await client.phase.when((phase) => phase === "revoked");
    expect(client.api.token).toBeNull();
    client.stop();
    const again = await page(factory);
    expect(again.phase.get()).toBe("revoked");
    const seen = await Seen.open(await Database.open(factory), relay.onlyAccount.id, account.publicKey);
    expect(seen.devices.standingOf(key(client))).toBe("revoked");
    expect(seen.pins.get("s1")).toBeDefined();
  });

  it("does not lock on the relay's word alone", async () => {
    const client = await signedIn();
    relay.refuseLogin = () => new Refusal(401, "revoked", "This device was revoked");
    relay.forgetTokens();
    relay.dropConnections();
    const said = await client.connection.when((connection) => connection.state === "refused" || (connection.state === "offline" && connection.message !== null));
    expect(client.phase.get()).toBe("ready");
    expect(said.message).not.toBeNull();
  });

  it("believes no proxy: what is not the relay's own answer ends nothing", async () => {
    let between: (() => Response) | null = null;
    const database = await Database.open(new IDBFactory());
    const client = new Client({ origin: relay.origin, database, deviceName: "Behind a proxy", fetch: (...args) => (between === null ? fetch(...args) : Promise.resolve(between())) });
    clients.push(client);
    await client.start();
    await client.signIn(secret, true, { create: true });
    await live(client);
    const pages: [number, string][] = [
      [404, "<h1>404 page not found</h1>"], [404, "{}"], [404, '{"error":"Not found"}'], [404, '{"error":"Not found","code":"page-not-found"}'], [401, '{"message":"Unauthorized"}'], [302, ""], [502, "<html>"],
    ];
    for (const [status, body] of pages) {
      between = () => new Response(status === 302 ? null : body, { status, headers: { "Content-Type": "text/html" } });
      await expect(client.api.login({ accountId: "", device: { publicKey: "", kind: "browser" }, challenge: "", deviceSignature: "" }), body).rejects.toMatchObject({ code: "bad-answer" });
    }
    between = () => new Response("<h1>404 page not found</h1>", { status: 404 });
    relay.forgetTokens();
    relay.dropConnections();
    await client.connection.when((connection) => connection.state === "offline" && connection.message !== null);
    expect(client.phase.get()).toBe("ready");
    between = null;
    client.tryNow();
    await live(client);
  });

  it("is voided by signing out, which wipes everything", async () => {
    const factory = new IDBFactory();
    const client = await signedIn(factory);
    const token = client.api.token;
    await client.signOut();
    const response = await fetch(`${relay.origin}/v1/devices`, { headers: { Authorization: `Bearer ${token}` } });
    expect(response.status).toBe(401);
    const database = await Database.open(factory);
    for (const store of ["vault", "seen", "notes", "outbox"] as const) expect(await database.all(store)).toEqual([]);
    // The chain still names it: only a revocation ends that.
    expect(relay.onlyAccount.statements).toHaveLength(1);
  });
});

describe("what was seen stays", () => {
  it("when a backup was restored: the browser gives the rest back and says so", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    await signedIn(new IDBFactory(), "Second", {});
    await client.devices();
    const digest = client.seen?.devices.digest();
    relay.restoreChain(1);
    await book(client).read();
    expect(relay.onlyAccount.statements).toHaveLength(2);
    expect(book(client).returned.get()).toBe(1);
    expect([alarm(client), client.seen?.devices.digest()]).toEqual([null, digest]);
  });

  it("a browser younger than the backup comes back by itself", async () => {
    await signedIn(new IDBFactory(), "First");
    const second = await signedIn(new IDBFactory(), "Second", {});
    relay.restoreChain(1);
    relay.forgetTokens();
    relay.dropConnections();
    await second.connection.when((connection) => connection.state !== "live");
    await live(second);
    expect(relay.onlyAccount.statements).toHaveLength(2);
    expect(alarm(second)).toBeNull();
  });

  it("served short again and again: alarm, and the devices stay", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    const second = await signedIn(new IDBFactory(), "Second", {});
    await client.devices();
    const digest = client.seen?.devices.digest();
    relay.tamperChain = (statements) => statements.slice(0, 1);
    await book(client).read();
    expect(alarm(client)).toMatch(/leaves out.*browser Second was added/);
    expect(book(client).lacking.get().map(changeInWords)).toEqual(["that the browser Second was added"]);
    expect([client.seen?.devices.digest(), client.seen?.devices.standingOf(key(second))]).toEqual([digest, "good"]);
    // Shown again: the alarm stays until it is acknowledged, the lack is over.
    relay.tamperChain = null;
    await book(client).read();
    expect(book(client).lacking.get()).toEqual([]);
  });

  it("a restored backup that went on: alarm, the union counts, and a person takes over what is missing", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    const second = await signedIn(new IDBFactory(), "Second", {});
    const third = await signedIn(new IDBFactory(), "Third", {});
    await client.devices();
    await client.revokeDevice(c.toHex(key(third)));
    third.stop();
    second.stop();
    relay.restoreChain(1);
    relay.append(relay.onlyAccount, appendAsAnother(relay.onlyAccount, { action: "add" }));
    await book(client).read();
    expect(book(client).lacking.get().map(changeInWords)).toEqual(["that the browser Second was added", "that the browser Third was added", "that the browser Third was revoked"]);
    expect(alarm(client)).toMatch(/leaves out/);
    expect(names(client)).toEqual(["First", "Second", "Third revoked", "Another"]);
    expect(relay.onlyAccount.statements).toHaveLength(2);

    await book(client).takeOver();
    expect(book(client).lacking.get()).toEqual([]);
    const { chain, problem } = c.DeviceChain.read(relay.onlyAccount.id, account.publicKey, relay.onlyAccount.statements);
    expect([problem, chain.size]).toEqual([null, 5]);
    // Whoever was away meanwhile takes it without a person: nothing that it kept lacks.
    const seen = second.seen ?? (await Seen.open(await Database.open(new IDBFactory()), relay.onlyAccount.id, account.publicKey));
    await seen.learnChain(chain);
    expect(seen.lacking(chain)).toEqual([]);
  });

  it("a revocation that the relay left out counts from the moment it is learned elsewhere", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    const lost = await signedIn(new IDBFactory(), "Lost", {});
    await client.devices();
    const shown = [...relay.onlyAccount.statements];
    await client.revokeDevice(c.toHex(key(lost)));
    const withheld = relay.onlyAccount.statements.at(-1) as c.Bytes;
    const other = await page(new IDBFactory(), "Second");
    relay.tamperChain = () => shown;
    relay.onlyAccount.statements.length = shown.length;
    await other.signIn(secret, true);
    expect(other.seen?.devices.standingOf(key(lost))).toBe("good");
    expect(await other.seen?.learn([withheld])).toHaveLength(1);
    expect(other.seen?.devices.standingOf(key(lost))).toBe("revoked");
  });

  it("says what the key cannot have said, and takes the chain up to there", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    relay.tamperChain = (statements) => [...statements, (statements[0] as c.Bytes).map((byte, i) => (i === 100 ? byte ^ 1 : byte))];
    await book(client).read();
    expect(alarm(client)).toMatch(/cannot have said/);
    expect(names(client)).toEqual(["First"]);
  });

  it("a device that somebody else added is announced until it is acknowledged", async () => {
    const factory = new IDBFactory();
    const client = await signedIn(factory, "First");
    relay.append(relay.onlyAccount, appendAsAnother(relay.onlyAccount, { action: "add" }));
    await client.devicesChanged.when(() => book(client).unannounced.length === 1);
    client.stop();
    const again = await signedIn(factory);
    expect(book(again).unannounced.map((device) => device.name)).toEqual(["Another"]);
    await again.acknowledgeDevices();
    expect(book(again).unannounced).toEqual([]);
  });

  it("a revocation whose answer was lost is posted again", async () => {
    const factory = new IDBFactory();
    const client = await signedIn(factory, "First");
    const other = await signedIn(new IDBFactory(), "Second", {});
    await client.devices();
    client.api.postStatements = async () => Promise.reject(new ApiError(0, "unreachable", "Gone.", 1));
    await expect(client.revokeDevice(c.toHex(key(other)))).rejects.toBeInstanceOf(ApiError);
    expect(client.seen?.devices.standingOf(key(other))).toBe("revoked");
    expect(relay.onlyAccount.statements).toHaveLength(2);
    client.stop();
    const again = await signedIn(factory);
    expect(relay.onlyAccount.statements).toHaveLength(3);
    expect([again.seen?.posting, alarm(again)]).toEqual([[], null]);
  });

  it("statements that the relay takes and drops are lacking from then on", async () => {
    const client = await signedIn(new IDBFactory(), "First");
    const other = await signedIn(new IDBFactory(), "Second", {});
    await client.devices();
    relay.dropStatements = true;
    await client.revokeDevice(c.toHex(key(other)));
    await book(client).read();
    expect(alarm(client)).toMatch(/browser Second was revoked/);
    expect(client.seen?.devices.standingOf(key(other))).toBe("revoked");
  });
});
