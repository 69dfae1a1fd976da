// Signed boxes and signed acts: what opens, what verifies, and what must not.
import { describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import * as c from "../src/crypto/index.ts";
import { parseAsk } from "../src/state/ask.ts";

const accountId = "10111213-1415-1617-1819-1a1b1c1d1e1f";
const otherAccount = "20111213-1415-1617-1819-1a1b1c1d1e1f";
const sessionId = "30111213-1415-1617-1819-1a1b1c1d1e1f";
const content = c.boxKeyPair();
const device = c.signKeyPair();
const dataKey = c.randomBytes(32);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof c.CryptoError) return error.code;
    throw error;
  }
  return "accepted";
}

/** The bytes inside a signed box, changed, and sealed again: anybody who has the content public key can do this. */
function resealed(sealed: string, change: (inside: Uint8Array) => Uint8Array, to = content.publicKey): string {
  const inside = c.openBox(c.fromBase64(sealed).subarray(1), content.secretKey);
  return c.toBase64(c.concat(Uint8Array.of(1), c.sealBox(change(inside), to)));
}

describe("data keys", () => {
  const sealed = c.sealDataKey(dataKey, "session", accountId, content.publicKey, device);

  it("open for their recipient, and name who made them", () => {
    const opened = c.openDataKey(sealed, "session", accountId, content);
    expect(c.toHex(opened.key)).toBe(c.toHex(dataKey));
    expect(c.toHex(opened.device)).toBe(c.toHex(device.publicKey));
  });

  it("are refused for another account, content key, scope or label, unsigned, and by another's signature", () => {
    expect(refusal(() => c.openDataKey(sealed, "machine", accountId, content))).toBe("not-authentic");
    expect(refusal(() => c.openDataKey(sealed, "session", otherAccount, content))).toBe("not-authentic");
    expect(refusal(() => c.openDataKey(sealed, "session", accountId, c.boxKeyPair()))).toBe("not-authentic");
    // A box that was made for somebody else and is passed on.
    const other = c.boxKeyPair();
    const passedOn = resealed(sealed, (inside) => inside, other.publicKey);
    expect(refusal(() => c.openDataKey(passedOn, "session", accountId, other))).toBe("not-authentic");
    // A's signature on B's box, and B's name on A's.
    const mine = c.openBox(c.fromBase64(sealed).subarray(1), content.secretKey);
    const stranger = c.signKeyPair();
    expect(refusal(() => c.openDataKey(resealed(sealed, (inside) => c.concat(stranger.publicKey, inside.subarray(32))), "session", accountId, content))).toBe("not-authentic");
    expect(refusal(() => c.openDataKey(resealed(sealed, () => c.concat(mine.subarray(0, 96), c.randomBytes(32))), "session", accountId, content))).toBe("not-authentic");
    const notice = c.sealNotice({ at: 1 }, "0".repeat(32), accountId, content.publicKey, device);
    expect(refusal(() => c.openDataKey(notice, "session", accountId, content))).toBe("not-authentic");
  });

  it("have 32 bytes exactly, and one form", () => {
    for (const size of [0, 31, 33]) {
      const odd = c.sealDataKey(c.randomBytes(size), "session", accountId, content.publicKey, device);
      expect(refusal(() => c.openDataKey(odd, "session", accountId, content)), String(size)).toBe("bad-format");
    }
    const bytes = c.fromBase64(sealed);
    for (const version of [0, 2]) expect(refusal(() => c.openDataKey(c.toBase64(c.concat(Uint8Array.of(version), bytes.subarray(1))), "session", accountId, content))).toBe("bad-version");
    for (let size = 0; size < bytes.length; size += 1) expect(refusal(() => c.openDataKey(c.toBase64(bytes.subarray(0, size)), "session", accountId, content))).not.toBe("accepted");
    for (let inside = 0; inside < 96; inside += 1) expect(refusal(() => c.openDataKey(resealed(sealed, (all) => all.subarray(0, inside)), "session", accountId, content))).toBe("bad-format");
  });

  it("random bytes open nothing", () => {
    for (let round = 0; round < 300; round += 1) {
      const bytes = c.concat(Uint8Array.of(1), c.randomBytes(Math.floor(Math.random() * 260)));
      expect(refusal(() => c.openDataKey(c.toBase64(bytes), "session", accountId, content))).not.toBe("accepted");
    }
  });
});

describe("notices", () => {
  const id = "00112233445566778899aabbccddeeff";

  it("open under their id alone", () => {
    const sealed = c.sealNotice({ at: 5, text: "build-02 needs you" }, id, accountId, content.publicKey, device);
    expect(c.openNotice(sealed, id, accountId, content).notice).toEqual({ at: 5, text: "build-02 needs you" });
    expect(refusal(() => c.openNotice(sealed, `${id.slice(0, 31)}0`, accountId, content))).toBe("not-authentic");
    expect(refusal(() => c.openNotice(sealed, id.toUpperCase(), accountId, content))).toBe("bad-format");
    expect(refusal(() => c.openNotice(c.sealNotice({} as { at: number }, id, accountId, content.publicKey, device), id, accountId, content))).toBe("bad-format");
  });
});

describe("machine ids", () => {
  it("follow from account and key", () => {
    const id = c.machineId(accountId, device.publicKey);
    expect(c.isUuid(id)).toBe(true);
    expect(id).not.toBe(c.machineId(otherAccount, device.publicKey));
    expect(id).not.toBe(c.machineId(accountId, c.signKeyPair().publicKey));
  });
});

describe("acts", () => {
  const id = c.randomBytes(16);
  const place = { accountId, scope: sessionId, kind: "rpc-request:permission" } as const;
  const text = c.actText({ challenge: "0".repeat(32), d: { id: "t1" } });
  const act = c.signAct(text, place, id, device);

  it("verify for their place only", () => {
    expect(c.verifyAct(act, place, id)).toBe(true);
    expect(c.verifyAct(act, { ...place, accountId: otherAccount }, id)).toBe(false);
    expect(c.verifyAct(act, { ...place, scope: otherAccount }, id)).toBe(false);
    expect(c.verifyAct(act, { ...place, kind: "rpc-request:set-mode" }, id)).toBe(false);
    expect(c.verifyAct(act, { ...place, kind: "prompt" }, id)).toBe(false);
    expect(c.verifyAct(act, place, c.randomBytes(16))).toBe(false);
    expect(c.verifyAct({ ...act, text: `${text} ` }, place, id)).toBe(false);
    expect(c.verifyAct({ ...act, device: c.toBase64(c.signKeyPair().publicKey) }, place, id)).toBe(false);
  });

  it("are read in one form", () => {
    const json = (value: unknown) => c.utf8(JSON.stringify(value));
    expect(c.parseAct(json(act))).toEqual(act);
    for (const bad of [null, [], "x", {}, { ...act, text: 1 }, { ...act, device: undefined }, { ...act, signature: "AAAA" }, { ...act, device: act.signature }, { ...act, text: "half \ud800" }]) {
      expect(refusal(() => c.parseAct(json(bad))), JSON.stringify(bad)).toBe("bad-format");
    }
    expect(refusal(() => c.parseAct(json({ ...act, signature: "!" })))).toBe("bad-encoding");
    expect(refusal(() => c.parseAct(c.utf8("{")))).toBe("bad-format");
  });

  it("hold whole characters, also in names, and what looks like an escape stays", () => {
    expect(c.actText({ a: "x\ud800y", "k\udfff": "\\ud800", b: "🌍" })).toBe('{"a":"x\ufffdy","k\ufffd":"\\\\ud800","b":"🌍"}');
  });

  it("a deletion is signed for one session of one account", () => {
    const deletion = c.signDeletion(accountId, sessionId, device);
    expect(c.verifyDeletion(deletion, accountId, sessionId)).toBe(true);
    expect(c.verifyDeletion(deletion, accountId, otherAccount)).toBe(false);
    expect(c.verifyDeletion(deletion, otherAccount, sessionId)).toBe(false);
    expect(c.verifyDeletion({ ...deletion, signature: "?" }, accountId, sessionId)).toBe(false);
  });
});

// --- What C++, the relay and this page must agree on (tests/vectors) ---

const vectors = (name: string) => JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}.json`, import.meta.url), "utf8"));

const named = (cases: any[]): [string, any][] => cases.map((one) => [one.name, one]);

function known(vector: any): c.DeviceSet {
  const set = new c.DeviceSet(vector.account.id, c.fromBase64(vector.account.publicKey));
  set.learn(vector.chain.map(c.fromBase64));
  return set;
}

describe("vectors of signed boxes", () => {
  const vector = vectors("signed_box");
  const account = vector.account;
  const keys: c.KeyPair = { publicKey: c.fromBase64(account.contentPublicKey), secretKey: c.fromBase64(account.contentSecretKey) };
  const devices = known(vector);
  const isNotice = ({ label }: { label: string }) => label === "consortium notice 1\n";
  const open = (found: any): { device: c.Bytes } => (isNotice(found) ? c.openNotice(found.box, found.scope, account.id, keys) : c.openDataKey(found.box, found.scope, account.id, keys));

  it.each(named(vector.good))("opens %s", (_name, good) => {
    expect(c.toBase64(open(good).device)).toBe(good.device);
    expect(devices.standingOf(c.fromBase64(good.device))).toBe(good.standing);
    if (isNotice(good)) return;
    const opened = c.openDataKey(good.box, good.scope, account.id, keys);
    expect(c.toBase64(opened.key)).toBe(good.payload);
    const maker = Object.values(vector.devices as Record<string, { seed: string; publicKey: string }>).find((one) => one.publicKey === good.device);
    const randomness = { ephemeralSecret: c.fromBase64(good.ephemeralSecret), nonce: c.fromBase64(good.nonce) };
    expect(c.sealDataKey(opened.key, good.scope, account.id, keys.publicKey, c.signKeyPair(c.fromBase64(maker?.seed ?? "")), randomness)).toBe(good.box);
  });

  const codes: Record<string, string> = { base64: "bad-encoding", version: "bad-version", length: "bad-format", box: "not-authentic", signature: "not-authentic", payload: "bad-format" };
  it.each(named(vector.bad))("refuses one %s", (_name, bad) => {
    if (bad.rule === "unknown" || bad.rule === "kind") {
      const { device } = open(bad);
      expect(devices.kindOf(device)).toBe(bad.rule === "kind" ? "browser" : undefined);
    } else if (bad.rule === "version") {
      expect(["bad-version", "bad-format"]).toContain(refusal(() => open(bad)));
    } else if (bad.rule === "box") {
      expect(["not-authentic", "bad-format"]).toContain(refusal(() => open(bad)));
    } else {
      expect(refusal(() => open(bad))).toBe(codes[bad.rule]);
    }
  });

  it("gives machines their ids", () => {
    for (const machine of vector.machines) expect(c.machineId(machine.account, c.fromBase64(machine.device))).toBe(machine.id);
  });
});

describe("vectors of acts", () => {
  const vector = vectors("acts");
  const account: string = vector.account.id;
  const devices = known(vector);

  async function read(found: any): Promise<{ act: c.SignedAct; good: boolean }> {
    const place = { accountId: account, scope: found.scope, kind: found.kind } as c.ActPlace;
    const opened = await c.openBundle(found.bundle, c.fromBase64(vector.dataKey), place);
    const act = c.parseAct(opened.plaintext);
    return { act, good: c.verifyAct(act, place, c.fromBase64(opened.id as string)) };
  }

  it.each(named(vector.good))("verifies %s", async (_name, good) => {
    const { act, good: verified } = await read(good);
    expect(verified).toBe(true);
    expect(act).toEqual({ text: good.text, device: good.device, signature: good.signature });
    const maker = Object.values(vector.devices as Record<string, { seed: string; publicKey: string }>).find((one) => one.publicKey === good.device);
    const place = { accountId: account, scope: good.scope, kind: good.kind } as c.ActPlace;
    expect(c.signAct(good.text, place, c.fromBase64(good.bundleId), c.signKeyPair(c.fromBase64(maker?.seed ?? "")))).toEqual(act);
  });

  it.each(named(vector.bad))("knows %s for what it is", async (_name, bad) => {
    if (bad.rule === "form") {
      await expect(read(bad)).rejects.toMatchObject({ code: "bad-format" });
      return;
    }
    const { act, good } = await read(bad);
    expect(good).toBe(bad.rule !== "signature");
    if (!good) return;
    const key = c.fromBase64(act.device);
    expect(bad.rule === "agent" ? devices.kindOf(key) : devices.standingOf(key)).toBe(bad.rule);
  });

  it("knows deletions", () => {
    expect(c.verifyDeletion(vector.deletion, account, vector.deletion.session)).toBe(true);
    for (const bad of vector.badDeletions) {
      const signed = c.verifyDeletion(bad, account, vector.deletion.session);
      expect(signed, bad.name).toBe(bad.rule !== "signature");
      if (!signed) continue;
      const key = c.fromBase64(bad.device);
      expect(bad.rule === "agent" ? devices.kindOf(key) : devices.standingOf(key), bad.name).toBe(bad.rule);
    }
  });

  it("hashes asks, and shows as text what does not come out the same", () => {
    for (const { name, ask, same, hash } of vector.asks) {
      expect(c.askHash(ask), name).toBe(hash);
      const parsed = parseAsk(ask, JSON.parse(ask).id);
      expect(parsed?.exact, name).toBe(same);
      expect(parsed?.hash, name).toBe(hash);
    }
  });
});
