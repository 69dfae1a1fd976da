// What this browser saw: kept over reloads and by several tabs, never taken back.
import { beforeEach, describe, expect, it } from "vitest";
import { IDBFactory } from "fake-indexeddb";
import * as c from "../src/crypto/index.ts";
import { Database } from "../src/state/database.ts";
import { knownAccount, noteAccount, Seen } from "../src/state/seen.ts";

const accountId = "8f14e45f-ceea-467f-a0e6-3f2b1c7d9a10";
let account: c.AccountKeys;
let factory: IDBFactory;
const open = async () => Seen.open(await Database.open(factory), accountId, account.publicKey);
const name = () => c.sealBox(c.utf8("a device"), account.content.publicKey);
const addition = (device: Uint8Array, kind: c.DeviceKind = "browser") => ({ action: "add" as const, device: c.owned(device), kind, time: 1, sealedName: name() });
const emptyChain = () => new c.DeviceChain(accountId, account.publicKey);

beforeEach(async () => {
  account = await c.accountFromSecret(c.randomBytes(32));
  factory = new IDBFactory();
});

describe("devices", () => {
  it("are kept on disk before a statement is handed out, with the branch it stands on", async () => {
    const first = c.signKeyPair();
    const second = c.signKeyPair();
    const seen = await open();
    const chain = emptyChain();
    chain.append(await seen.sign(chain, account.secret, addition(first.publicKey)));
    const again = await open();
    expect(again.devices.standingOf(first.publicKey)).toBe("good");
    expect(again.posting).toHaveLength(1);
    // Still on its way: it does not lack. Once answered for, a relay that does not show it leaves it out.
    expect(again.lacking(emptyChain())).toEqual([]);
    await again.posted(again.posting);
    expect(again.lacking(emptyChain())).toHaveLength(1);

    await again.sign(chain, account.secret, addition(second.publicKey, "agent"));
    expect((await open()).devices.devices.map((device) => device.kind)).toEqual(["browser", "agent"]);
  });

  it("of another tab are not overwritten", async () => {
    const [one, two] = [await open(), await open()];
    const keys = [c.signKeyPair(), c.signKeyPair()];
    await one.sign(emptyChain(), account.secret, addition((keys[0] as c.KeyPair).publicKey));
    await two.sign(emptyChain(), account.secret, addition((keys[1] as c.KeyPair).publicKey));
    expect(two.devices.devices).toHaveLength(2);
    const later = await open();
    expect(later.devices.devices).toHaveLength(2);
    expect(later.posting).toHaveLength(2);
  });

  it("added elsewhere are announced until acknowledged; those added here are not", async () => {
    const seen = await open();
    const chain = emptyChain();
    chain.append(await seen.sign(chain, account.secret, addition(c.signKeyPair().publicKey)));
    expect(seen.unannounced).toEqual([]);
    const stranger = c.signKeyPair();
    chain.append(chain.next(account.secret, addition(stranger.publicKey)));
    expect(await seen.learnChain(chain)).toHaveLength(1);
    expect((await open()).unannounced.map((device) => c.toHex(device.key))).toEqual([c.toHex(stranger.publicKey)]);
    await seen.acknowledge(seen.unannounced);
    expect(seen.unannounced).toEqual([]);
    expect((await open()).unannounced).toEqual([]);
  });

  it("that nobody signed for are not learned", async () => {
    const other = await c.accountFromSecret(c.randomBytes(32));
    const chain = new c.DeviceChain(accountId, other.publicKey);
    chain.append(chain.next(other.secret, addition(c.signKeyPair().publicKey)));
    const seen = await open();
    expect(await seen.learn(chain.statements)).toEqual([]);
    expect((await open()).devices.size).toBe(0);
  });
});

describe("keys of sessions", () => {
  it("are pinned at first sight, whoever comes later, and whatever tab", async () => {
    const [one, two] = [await open(), await open()];
    const device = c.signKeyPair().publicKey;
    const [key, other] = [c.randomBytes(32), c.randomBytes(32)];
    expect((await one.pins.see("s1", device, key, "box")).verdict).toBe("first");
    expect((await one.pins.see("s1", device, key, "box")).verdict).toBe("same");
    expect(await two.pins.see("s1", device, other, "other")).toMatchObject({ verdict: "another", pinned: { dataKeyHash: c.toHex(c.sha256(key)) } });
    expect((await one.pins.see("s1", c.signKeyPair().publicKey, key, "other")).verdict).toBe("another");
    const later = await open();
    expect(later.pins.get("s1")).toEqual({ device: c.toHex(device), dataKeyHash: c.toHex(c.sha256(key)), sealed: "box" });
    expect(await later.pins.see("s2", device, key, "box")).toMatchObject({ verdict: "elsewhere", at: "s1" });
    expect(later.pins.get("s2")).toBeUndefined();
  });
});

describe("counts", () => {
  it("never go back, over a reload and between tabs", async () => {
    const [one, two] = [await open(), await open()];
    expect(one.counts.state("s1")).toBeNull();
    expect(await one.counts.sawState("s1", 4, "aa")).toBe("forward");
    expect(await one.counts.sawState("s1", 4, "aa")).toBe("same");
    expect(await one.counts.sawState("s1", 4, "bb")).toBe("other");
    expect(await one.counts.sawState("s1", 3, "cc")).toBe("back");
    // The other tab has not seen it, but what it writes does not take it back.
    await two.counts.sawState("s1", 2, "dd");
    expect((await open()).counts.state("s1")).toMatchObject({ v: 4, hash: "aa" });

    one.counts.sawSender("s1", "me", 7);
    one.counts.sawSender("s1", "me", 5);
    await one.counts.flush();
    two.counts.sawSender("s1", "me", 6);
    two.counts.sawSender("s1", "you", 2);
    await two.counts.flush();
    const later = await open();
    expect([later.counts.sender("s1", "me"), later.counts.sender("s1", "you"), later.counts.sender("s1", "nobody")]).toEqual([7, 2, 0]);
    expect(later.counts.state("s1")).toMatchObject({ v: 4, hash: "aa" });
  });

  it("of one account say nothing of another", async () => {
    await (await open()).counts.sawState("s1", 4, "aa");
    const other = await Seen.open(await Database.open(factory), "8f14e45f-ceea-467f-a0e6-3f2b1c7d9a11", account.publicKey);
    expect(other.counts.state("s1")).toBeNull();
  });
});

it("which account a key opened, and which were deleted, is known without an account", async () => {
  const database = await Database.open(factory);
  expect(await knownAccount(database, account.publicKey)).toEqual({ accountId: null, deleted: [] });
  await noteAccount(database, account.publicKey, (known) => ({ ...known, accountId }));
  await noteAccount(database, account.publicKey, (known) => ({ accountId: null, deleted: [...known.deleted, accountId] }));
  expect(await knownAccount(await Database.open(factory), account.publicKey)).toEqual({ accountId: null, deleted: [accountId] });
});

it("what is on its way when everything is wiped does not come after it", async () => {
  const database = await Database.open(factory);
  const before = database.untilWiped();
  const seen = await Seen.open(before, accountId, account.publicKey);
  const wiped = database.clear();
  await seen.counts.sawState("s1", 4, "aa");
  await seen.log.pin("log", "key", 1);
  await before.put("notes", "late", 1);
  await wiped;
  for (const store of ["seen", "notes"] as const) expect(await database.all(store)).toEqual([]);
  // Whoever signs in next writes as ever.
  await database.put("notes", "root", 1);
  await database.untilWiped().put("notes", "next", 1);
  expect(await database.all("notes")).toHaveLength(2);
});
