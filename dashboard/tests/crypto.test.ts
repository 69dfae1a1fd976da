// The vectors of docs/protocol.md 6, and what must be refused.
import { describe, expect, it } from "vitest";
import * as c from "../src/crypto/index.ts";

const run = (first: number, size = 32): c.Bytes => Uint8Array.from({ length: size }, (_, i) => first + i);
const json = (value: unknown) => c.utf8(JSON.stringify(value));
const b64 = c.fromBase64;

const secret = run(0x00);
const dataKey = run(0x80);
const ephemeral = { ephemeralSecret: run(0xa0), nonce: run(0x10, 24) };

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof c.CryptoError) return error.code;
    throw error;
  }
  return "accepted";
}

function flipped(bytes: Uint8Array, bit: number): c.Bytes {
  const out = c.owned(bytes);
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
}

describe("account keys", () => {
  it("derives login and content keys from the secret", async () => {
    const account = await c.accountFromSecret(secret);
    expect(c.toBase64(account.publicKey)).toBe("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    expect(c.toHex(account.content.secretKey)).toBe("56f43aee0c93b2163b5e45b14264d06b0c9613195e23da0190f6838d6ac9c562");
    expect(c.toHex(account.content.publicKey)).toBe("241af979415ad6dbc99d93af8c2babf288cf96084ad6e8fe7072ed4e229d445b");
  });

  it("derives the key tree", async () => {
    const hex = async (seed: c.Bytes, usage: string, path: string[]) => c.toHex(await c.deriveKey(seed, usage, path));
    expect(await hex(secret, "Happy EnCoder", ["content"])).toBe("67eebf3ff0eb241774d2f6e45e4869ca3e01785630dae7635428076e725351be");
    expect(await hex(secret, "Happy Blobs", ["master"])).toBe("c1c73ca3c5c5e2d17a27b07881bb0bd5b2d373d68db37c53d8d270d1d96c6b52");
    expect(await hex(dataKey, "Happy Blobs", ["session"])).toBe("0e7f158ef09d6c957e9a84ff727a51dbd7573b0e052f671abdcab6e05a7c5cf5");
    expect((await hex(secret, "Happy Coder", ["analytics", "id"])).slice(0, 16)).toBe("c7763c5f6394a306");
  });

  it("signs", async () => {
    const account = await c.accountFromSecret(secret);
    const signature = c.sign(run(0x40), secret);
    expect(c.toBase64(signature)).toBe("1k8t0QgZuXhHdlYGtzb0Qwc4iUJBaCzdiDS8v2xyUFJyqMKJB14yF4/T+Grtl1Xtsq+Sx238PF3SufJWNg0IDA==");
    expect(c.verifySignature(signature, run(0x40), account.publicKey)).toBe(true);
    expect(c.verifySignature(flipped(signature, 9), run(0x40), account.publicKey)).toBe(false);
  });
});

describe("the written key", () => {
  const written = "AAAQE-AYEAU-DAOCA-JBIFQ-YDIOB-4IBCE-QTCQK-RMFYY-DENBW-HA5DY-PQ";

  it("is ten groups of five and one of two", () => {
    expect(c.formatSecret(secret)).toBe(written);
    expect(c.secretGroups(secret)).toHaveLength(11);
  });

  it("is read in every usual spelling", () => {
    for (const text of [written, written.toLowerCase(), written.replaceAll("-", " "), `  ${written}\n`, written.replaceAll("O", "0").replaceAll("I", "1").replaceAll("B", "8").replaceAll("G", "9"), written.replaceAll("-", ""), c.toBase64Url(secret)]) {
      expect(c.toHex(c.parseSecret(text))).toBe(c.toHex(secret));
    }
  });

  it("reads every random secret in both spellings", () => {
    for (let i = 0; i < 200; i += 1) {
      const random = c.randomBytes(32);
      expect(c.toHex(c.parseSecret(c.formatSecret(random)))).toBe(c.toHex(random));
      expect(c.toHex(c.parseSecret(c.toBase64Url(random)))).toBe(c.toHex(random));
    }
  });

  it("reads a base64url secret that begins like groups", () => {
    const text = `Ab-cd-efg-${"h".repeat(32)}A`;
    expect(c.toBase64Url(c.parseSecret(text))).toBe(text);
  });

  it("says what is wrong", () => {
    expect(() => c.parseSecret("")).toThrow("Enter your secret key");
    expect(() => c.parseSecret(written.slice(0, -3))).toThrow("Some are missing");
    expect(() => c.parseSecret(`${written}-AAAAA`)).toThrow("too many");
    expect(() => c.parseSecret(`${written.slice(0, -1)}7`)).toThrow("last group");
    expect(() => c.parseSecret("hello")).toThrow("43 characters");
    expect(() => c.parseSecret("hello!")).toThrow("not a secret key");
    // As long as a base64url key, but it is the beginning of the groups.
    expect(() => c.parseSecret(written.slice(0, 43))).toThrow("Some are missing");
  });
});

describe("bundles", () => {
  const place: c.Place = { accountId: "acc", scope: "sid", kind: "message" };
  const vector = "ATAxMjM0NTY3ODk6Ozw9Pj8gISIjJCUmJygpKivgnLqmbAnNyYJbdpZGK7olwEDWzuUAQA==";

  it("version 1 has its bytes", async () => {
    expect(await c.sealBundle(json({ a: 1 }), dataKey, place, { id: run(0x30, 16), nonce: run(0x20, 12) })).toBe(vector);
    const opened = await c.openBundle(vector, dataKey, place);
    expect(c.fromUtf8(opened.plaintext)).toBe('{"a":1}');
    expect(opened.id).toBe(c.toBase64(run(0x30, 16)));
    expect(c.bundleId(vector)).toBe(opened.id);
  });

  it("version 1 opens nowhere else", async () => {
    for (const other of [{ accountId: "acd" }, { scope: "sie" }, { kind: "prompt" as const }]) {
      expect(await refusal(() => c.openBundle(vector, dataKey, { ...place, ...other }))).toBe("not-authentic");
    }
    expect(await refusal(() => c.openBundle(vector, run(0x81), place))).toBe("not-authentic");
    expect(await refusal(() => c.sealBundle(json(1), dataKey, { ...place, scope: "" }))).toBe("bad-format");
    expect(await refusal(() => c.sealBundle(json(1), dataKey, { ...place, scope: "a b" }))).toBe("bad-format");
  });

  it("version 1 refuses every flipped bit and every truncation", async () => {
    const bytes = b64(vector);
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      expect(await refusal(() => c.openBundle(c.toBase64(flipped(bytes, bit)), dataKey, place))).not.toBe("accepted");
    }
    for (let size = 0; size < bytes.length; size += 1) {
      expect(await refusal(() => c.openBundle(c.toBase64(bytes.subarray(0, size)), dataKey, place, { acceptUnbound: true }))).not.toBe("accepted");
    }
  });

  it("version 0 has its bytes, and is read only where it may be", async () => {
    const zero = "ACAhIiMkJSYnKCkqK+CcuqZsCc0bhXlOOptAaJ+uHkjByRdf";
    expect(await c.sealUnbound(json({ a: 1 }), dataKey, run(0x20, 12))).toBe(zero);
    expect(await c.sealUnbound(new Uint8Array(), dataKey, run(0x20, 12))).toBe("ACAhIiMkJSYnKCkqK/nF7XBrZLi6Fqlr0vVrfOk=");
    expect(await refusal(() => c.openBundle(zero, dataKey, place))).toBe("bad-version");
    const opened = await c.openBundle(zero, dataKey, place, { acceptUnbound: true });
    expect([opened.version, opened.id, c.fromUtf8(opened.plaintext)]).toEqual([0, null, '{"a":1}']);
  });

  it("a bound bundle cannot be turned into an unbound one", async () => {
    const bytes = b64(vector);
    const stripped = c.toBase64(c.concat(Uint8Array.of(0), bytes.subarray(17)));
    expect(await refusal(() => c.openBundle(stripped, dataKey, place, { acceptUnbound: true }))).toBe("not-authentic");
  });

  it("takes canonical base64 only", () => {
    for (const text of ["A", "AA", "AB==", "AAA", "AAB=", "A A=", "AA-_", "====", "AA==AAAA"]) expect(() => b64(text), text).toThrow(c.CryptoError);
    expect(b64("")).toHaveLength(0);
  });
});

describe("boxes and wrapped keys", () => {
  it("legacy secretbox has its bytes", () => {
    const sealed = "EBESExQVFhcYGRobHB0eHyAhIiMkJSYn2nOC1zvvqgRuBWZMEVUZUNAxd3PgKW8=";
    expect(c.toBase64(c.sealSecretbox(json({ a: 1 }), secret, run(0x10, 24)))).toBe(sealed);
    expect(c.fromUtf8(c.openSecretbox(b64(sealed), secret))).toBe('{"a":1}');
  });

  it("box bundles have their bytes", async () => {
    const terminal = c.boxKeyPair(run(0xc0));
    expect(c.toBase64Url(terminal.publicKey)).toBe("3CzKMejkO72R3_fkdcyjNH60eBB9W9dlq6SuSjDDXUQ");
    const one = "YFpyXSpK3+6xop4X7dYhwbdZPujNvESsbEq24vgF0jwQERITFBUWFxgZGhscHR4fICEiIyQlJifgjYnO0N1CCpAjr1BrWqumI5wdYkxULG3v0UoAH/KUe2UheT4jCkeNoUPpy3JfC+U=";
    expect(c.toBase64(c.sealBox(secret, terminal.publicKey, ephemeral))).toBe(one);
    expect(c.toHex(c.openBox(b64(one), terminal.secretKey))).toBe(c.toHex(secret));
    const account = await c.accountFromSecret(secret);
    expect(c.toBase64(c.sealBox(c.concat(Uint8Array.of(0), account.content.publicKey), terminal.publicKey, ephemeral))).toBe(
      "YFpyXSpK3+6xop4X7dYhwbdZPujNvESsbEq24vgF0jwQERITFBUWFxgZGhscHR4fICEiIyQlJif9Wih/XFP6tiwYuHVn8tIdI7kFmDEQcLw8Ed2YvHOx34e4pLs/VYdyRyqBPSBgiL5a",
    );
    expect(await refusal(() => c.sealBox(secret, new Uint8Array(32)))).toBe("bad-format");
    expect(await refusal(() => c.openBox(b64(one).subarray(0, 71), terminal.secretKey))).toBe("bad-format");
  });

  it("metadata keys have their bytes, and both forms are read", async () => {
    expect(c.toHex(await c.metadataKey(dataKey, "session"))).toBe("35728459acbceb0982617b05d0d693cc1946aa7974c4eb99297c2811b0a9640c");
    expect(c.toHex(await c.metadataKey(dataKey, "machine"))).toBe("ca68a379e15fa3e24f4e7e5ce15f48bf7ac98c8e23a286123497426f47d23ad5");
    for (const first of [0, 1, 2]) {
      const sealed = await c.sealMetadata(json({ path: "/" }), dataKey, "session", c.concat(Uint8Array.of(first), run(1, 23)));
      expect(c.fromUtf8(await c.openMetadata(sealed, dataKey, "session"))).toBe('{"path":"/"}');
      expect(await refusal(() => c.openMetadata(sealed, dataKey, "machine"))).toBe("not-authentic");
    }
    expect(c.fromUtf8(await c.openMetadata(await c.sealUnbound(json({ b: 2 }), dataKey), dataKey, "machine"))).toBe('{"b":2}');
  });
});

describe("login (docs/protocol.md 2.1)", () => {
  const now = 1_700_000_000_000;
  const origin = "https://relay.example";

  async function challenge(change: (lines: string[]) => void = () => {}): Promise<c.Bytes> {
    const account = await c.accountFromSecret(secret);
    const lines = ["consortium-login-1", origin, c.toBase64(account.publicKey), String(now + 60_000), c.toBase64(run(7))];
    change(lines);
    return c.utf8(lines.join("\n"));
  }

  it("signs its own challenge, alone and with a device", async () => {
    const account = await c.accountFromSecret(secret);
    const bytes = await challenge();
    c.checkChallenge(bytes, origin, account.publicKey);
    const alone = c.loginBody(bytes, account);
    expect(c.verifySignature(b64(alone.signature), bytes, account.publicKey)).toBe(true);

    const keys = c.signKeyPair();
    const body = c.loginBody(bytes, account, { keys, kind: "browser" });
    const signed = c.concat(bytes, keys.publicKey);
    expect(c.verifySignature(b64(body.signature), signed, account.publicKey)).toBe(true);
    expect(c.verifySignature(b64(body.deviceSignature ?? ""), signed, keys.publicKey)).toBe(true);
    expect(b64(body.challenge)).toEqual(bytes);

    const own = c.deviceLoginBody(bytes, "8f14e45f-ceea-467f-a0e6-3f2b1c7d9a10", { keys, kind: "browser" });
    expect(c.verifySignature(b64(own.deviceSignature), signed, keys.publicKey)).toBe(true);
  });

  it("refuses every challenge that is not its own", async () => {
    const { publicKey } = await c.accountFromSecret(secret);
    const check = async (change: (lines: string[]) => void) => {
      const bytes = await challenge(change);
      return refusal(() => c.checkChallenge(bytes, origin, publicKey));
    };
    expect(await check((l) => (l[1] = "https://evil.example"))).toBe("wrong-origin");
    expect(await check((l) => (l[2] = c.toBase64(run(1))))).toBe("wrong-identity");
    expect(await check((l) => (l[0] = "something-else"))).toBe("bad-format");
    expect(await check((l) => l.push("more"))).toBe("bad-format");
    expect(await check((l) => (l[3] = "soon"))).toBe("bad-format");
    expect(await check((l) => (l[3] = "1000"))).toBe("accepted"); // a clock that is wrong by years keeps nobody out
    expect(await check((l) => (l[4] = "AAAA"))).toBe("bad-format");
    expect(await refusal(() => c.checkChallenge(run(0x40), origin, publicKey))).not.toBe("accepted");
  });

  it("reads tokens", () => {
    const token = (claims: unknown) => `e30.${c.toBase64Url(json(claims))}.c2ln`;
    const sub = "8f14e45f-ceea-467f-a0e6-3f2b1c7d9a10";
    expect(c.readToken(token({ sub, jti: "dev" }))).toEqual({ accountId: sub, deviceId: "dev" });
    for (const bad of ["", "a.b", "a.b.c", token({}), token({ sub: 1 }), token({ sub: sub.toUpperCase() }), token({ sub: "acc" })]) expect(() => c.readToken(bad)).toThrow(c.CryptoError);
  });
});

describe("pairing (docs/protocol.md 2.2)", () => {
  const link: c.PairingLink = { relay: null, publicKey: run(0x40), secret: run(0x60) };

  it("reads links as people paste them", () => {
    const text = c.formatPairingLink("https://relay.example:3005/", link.publicKey, link.secret);
    expect(text).toMatch(/^https:\/\/relay\.example:3005\/pair#v=2&pk=[\w-]{43}&s=[\w-]{43}$/);
    const read = c.parsePairingLink(`  ${text.slice(0, 60)}\n${text.slice(60)} `);
    expect(read.relay).toBe("https://relay.example:3005");
    expect(c.toHex(read.publicKey) + c.toHex(read.secret)).toBe(c.toHex(link.publicKey) + c.toHex(link.secret));
    expect(c.parsePairingLink(text.slice(text.indexOf("#"))).relay).toBeNull();
  });

  it("refuses what is no link", async () => {
    const text = c.formatPairingLink("https://relay.example", link.publicKey, link.secret);
    for (const bad of ["", "hello", "https://relay.example/pair", text.slice(0, -2), text.replace("/pair", "/other"), text.replace("https", "ftp"), text.replace("s=", "x=")]) {
      expect(await refusal(() => c.parsePairingLink(bad)), bad).not.toBe("accepted");
    }
    for (const version of ["1", "3"]) expect(await refusal(() => c.parsePairingLink(text.replace("v=2", `v=${version}`)))).toBe("bad-version");
  });
});

describe("envelopes and chains (docs/protocol.md 5)", () => {
  const place = { accountId: "acc", scope: "sid" };

  async function chain(count: number): Promise<c.Link[]> {
    const sender = new c.SenderChain(c.newSenderId(), place.accountId, place.scope);
    const sealed = await Promise.all(Array.from({ length: count }, (_, i) => sender.seal({ i }, dataKey, i)));
    return Promise.all(
      sealed.map(async ({ bundle }) => {
        const opened = await c.openBundle(bundle, dataKey, { ...place, kind: "message" });
        return { ...c.parseEnvelope(c.fromUtf8(opened.plaintext)), id: opened.id as string };
      }),
    );
  }

  it("a sender's bundles follow one another", async () => {
    const links = await chain(20);
    const checker = new c.ChainChecker();
    expect(links.map((l) => l.n)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(links.map((l) => checker.append(l)).filter(Boolean)).toEqual([]);
    expect(checker.beginning().size).toBe(0);
  });

  it("shows a gap, a repetition, a reordering and a broken chain, each once", async () => {
    const [a, b, d, e, f] = (await chain(5)) as [c.Link, c.Link, c.Link, c.Link, c.Link];
    const gap = new c.ChainChecker();
    expect([a, d, e].map((l) => gap.append(l)?.kind)).toEqual([undefined, "gap", undefined]);
    const again = new c.ChainChecker();
    expect([a, b, a, d].map((l) => again.append(l)?.kind)).toEqual([undefined, undefined, "repeated", undefined]);
    const order = new c.ChainChecker();
    expect([a, d, b, e].map((l) => order.append(l)?.kind)).toEqual([undefined, "gap", "out-of-order", undefined]);
    const broken = new c.ChainChecker();
    expect([a, { ...b, prev: f.id }, d].map((l) => broken.append(l)?.kind)).toEqual([undefined, "broken", undefined]);
  });

  it("joins pages however a history is cut, in any interleaving of senders", async () => {
    for (let round = 0; round < 30; round += 1) {
      const senders = [await chain(6), await chain(5), await chain(4)];
      const history: c.Link[] = [];
      while (senders.some((s) => s.length > 0)) {
        const alive = senders.filter((s) => s.length > 0);
        history.push((alive[Math.floor(Math.random() * alive.length)] as c.Link[]).shift() as c.Link);
      }
      const first = Math.floor(Math.random() * history.length);
      const second = first + Math.floor(Math.random() * (history.length - first));
      const checker = new c.ChainChecker();
      const problems: unknown[] = history.slice(second).map((l) => checker.append(l));
      for (const page of [history.slice(first, second), history.slice(0, first)]) {
        const { page: inner, joints } = checker.prepend(page);
        problems.push(...inner, ...joints.values());
      }
      expect(problems.filter(Boolean)).toEqual([]);
      expect(checker.beginning().size).toBe(0);
    }
  });

  it("finds what is missing between pages and at the beginning", async () => {
    const links = await chain(6);
    const checker = new c.ChainChecker();
    links.slice(4).forEach((l) => checker.append(l));
    const { joints } = checker.prepend(links.slice(1, 3));
    expect([...joints.values()]).toEqual([{ kind: "gap", missing: 1, expected: 4, got: 5 }]);
    expect([...checker.beginning().values()]).toEqual([{ kind: "gap", missing: 1, expected: 1, got: 2 }]);
    // With the beginning known, a sender that is new must begin with 1 as well.
    const [other, follows] = (await chain(2)) as [c.Link, c.Link];
    expect(checker.append(follows)?.kind).toBe("gap");
    expect(checker.append({ ...other, from: "f".repeat(32) })).toBeUndefined();
  });

  it("refuses envelopes that are none", async () => {
    const good = { at: 1, from: "0".repeat(32), n: 1, prev: null, d: {} };
    expect(c.parseEnvelope(JSON.stringify(good)).n).toBe(1);
    for (const bad of [{ n: 0 }, { n: 1.5 }, { n: 2 }, { prev: "x" }, { from: "x" }, { at: "now" }, { d: undefined }, { to: 1 }]) {
      expect(await refusal(() => c.parseEnvelope(JSON.stringify({ ...good, ...bad }))), JSON.stringify(bad)).toBe("bad-format");
    }
    for (const bad of ["null", "[]", "", "{"]) expect(await refusal(() => c.parseEnvelope(bad))).toBe("bad-format");
  });
});
