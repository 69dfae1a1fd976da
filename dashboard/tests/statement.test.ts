// The chain of devices and Ed25519, against vectors that all implementations share; and the union of what was seen.
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as c from "../src/crypto/index.ts";

const vectors = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "../../tests/vectors", name), "utf8"));
const signatures = vectors("ed25519.json");
const devices = vectors("device_chain.json");
const bytes = (texts: readonly string[]) => texts.map(c.fromBase64);
const accountKey = c.fromBase64(devices.account.publicKey);
const accountId: string = devices.account.id;
const main: readonly string[] = devices.statements.map((statement: { bytes: string }) => statement.bytes);

function setOf(...branches: readonly (readonly string[])[]): c.DeviceSet {
  const set = new c.DeviceSet(accountId, accountKey);
  for (const branch of branches) set.learn(bytes(branch));
  return set;
}

function read(statements: readonly string[], key = accountKey): { chain: c.DeviceChain; problem: c.StatementError | null } {
  return c.DeviceChain.read(accountId, key, bytes(statements));
}

describe("Ed25519", () => {
  for (const { name, publicKey, message, signature, verdict } of signatures.cases) {
    it(`${verdict}: ${name}`, () => {
      expect(c.verifySignature(c.fromBase64(signature), c.fromBase64(message), c.fromBase64(publicKey))).toBe(verdict === "good");
    });
  }
});

/** Node's own Ed25519, which is many times faster: for long chains. */
const nodeKey = (seed: Uint8Array) => createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });
const publicBytes = (key: ReturnType<typeof nodeKey>) => new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));

describe("a chain of devices", () => {
  for (const { name, statements, head, devices: digest, good, revoked } of devices.valid) {
    it(`is valid: ${name}`, () => {
      const { chain, problem } = read(statements);
      expect(problem).toBeNull();
      expect(c.toHex(chain.head)).toBe(head);
      expect(chain.devices.filter((d) => d.revokedAt === null).map((d) => c.toBase64(d.key))).toEqual(good);
      expect(chain.devices.filter((d) => d.revokedAt !== null).map((d) => c.toBase64(d.key))).toEqual(revoked);
      const set = setOf(statements);
      expect(set.digest()).toBe(digest);
      for (const key of good) expect(set.standingOf(c.fromBase64(key))).toBe("good");
      for (const key of revoked) expect(set.standingOf(c.fromBase64(key))).toBe("revoked");
    });
  }

  for (const { name, after, statement, devices: digest } of devices.edges) {
    it(`may go on: ${name}`, () => {
      const statements = [...main.slice(0, after), statement];
      expect(read(statements).problem).toBeNull();
      expect(setOf(statements).digest()).toBe(digest);
    });
  }

  for (const { name, rule, form, after, statement, behind, ends, devices: digest } of devices.invalid) {
    it(`ends (${rule}): ${name}`, () => {
      const before = main.slice(0, after);
      const { chain, problem } = read([...before, statement, behind]);
      expect(problem?.rule).toBe(rule);
      expect(chain.size).toBe(ends);
      if (form === true) expect(() => c.parseStatement(c.fromBase64(statement))).toThrow(c.StatementError);
      else expect(() => c.parseStatement(c.fromBase64(statement))).not.toThrow();
      // The union takes neither it.
      const set = setOf(before);
      set.learn(bytes([statement]));
      expect(set.digest()).toBe(digest);
    });
  }

  for (const { name, publicKey, ends } of devices.invalidAccountKeys) {
    it(`is refused under ${name}`, () => {
      const { chain, problem } = read(main, c.fromBase64(publicKey));
      expect(problem?.rule).toBe("signature");
      expect(chain.size).toBe(ends);
    });
  }

  it("is signed as the vectors are", async () => {
    const account = await c.accountFromSecret(c.fromBase64(devices.account.seed));
    expect(c.toBase64(account.publicKey)).toBe(devices.account.publicKey);
    for (const [i, statement] of main.entries()) {
      const { chain } = read(main.slice(0, i));
      expect(c.toBase64(chain.next(account.secret, c.parseStatement(c.fromBase64(statement))))).toBe(statement);
    }
  });

  it("names 2 048 devices, revokes each, and goes no further: there is no statement 4 097", () => {
    // The limit alone: checking 4 096 signatures is the shared suite's work.
    const { next, last } = devices.many;
    expect(c.parseStatement(c.fromBase64(next.statement)).n).toBe(2049);
    expect(c.parseStatement(c.fromBase64(last.statement)).n).toBe(c.statementsMax + 1);
    const secret = nodeKey(c.fromBase64(devices.account.seed));
    const set = new c.DeviceSet(accountId, accountKey);
    const many: c.Bytes[] = [];
    let previous: c.Bytes = new Uint8Array(32);
    const say = (what: Pick<c.DeviceStatement, "action" | "device" | "sealedName">) => {
      const n = many.length + 1;
      const text = c.signedPart({ accountId, n, previous, kind: "agent", time: 1_750_000_000_000 + n, ...what });
      const statement = c.concat(text, sign(null, text, secret));
      previous = c.statementHash(statement);
      many.push(statement);
    };
    const keys = Array.from({ length: c.additionsMax }, (_, i) => publicBytes(nodeKey(c.sha256(c.utf8("vector many"), c.u64be(i + 1)))));
    for (const device of keys) say({ action: "add", device, sealedName: new Uint8Array(73).fill(9) });
    expect(c.toHex(previous)).toBe(devices.many.headAfterAdditions);
    expect(set.learn(many, { trusted: true })).toHaveLength(c.additionsMax);
    expect(set.learn(bytes([next.statement]))).toEqual([]);
    expect(set.devices).toHaveLength(c.additionsMax);

    // Full, it can still be revoked from, to the last.
    for (const device of keys) say({ action: "revoke", device, sealedName: new Uint8Array() });
    expect(c.toHex(previous)).toBe(devices.many.headAfterRevocations);
    expect(set.learn(many, { trusted: true })).toHaveLength(c.additionsMax);
    const { chain, problem } = c.DeviceChain.read(accountId, accountKey, [...many, c.fromBase64(last.statement)], set);
    expect([chain.size, problem?.rule]).toEqual([c.statementsMax, "too-many"]);
    expect(set.learn(bytes([last.statement]))).toEqual([]);
    expect(set.size).toBe(c.statementsMax);
  }, 600_000);
});

describe("what was seen stays", () => {
  for (const { name, kept, relay, lacking, outcome, post, devicesBefore, devicesAfter, after } of devices.views) {
    it(`${outcome}: ${name}`, () => {
      const set = setOf(...kept);
      expect(set.digest()).toBe(devicesBefore);
      const { chain } = read(relay);
      const lacks = set.lacking(chain);
      expect(new Set(lacks.map((statement) => c.toHex(c.statementHash(statement))))).toEqual(new Set(lacking));
      const rest = set.rest(chain);
      expect(lacks.length === 0 ? "nothing" : rest !== null ? "rest" : "alarm").toBe(outcome);
      if (outcome === "rest") expect(rest?.map(c.toBase64)).toEqual(post);
      set.learnChain(chain);
      expect(set.digest()).toBe(devicesAfter);
      for (const { device, kind, revoked } of after) {
        expect(set.standingOf(c.fromBase64(device))).toBe(revoked ? "revoked" : "good");
        expect(set.kindOf(c.fromBase64(device))).toBe(kind);
      }
    });
  }

  it("in whatever order the statements of several branches come", () => {
    for (const { kept } of devices.views) {
      const set = setOf(...kept);
      const backwards = [...new Set((kept as string[][]).flat())].reverse();
      const other = new c.DeviceSet(accountId, accountKey);
      expect(other.learn(bytes(backwards))).toHaveLength(set.size);
      expect(other.digest()).toBe(set.digest());
      const again = new c.DeviceSet(accountId, accountKey);
      again.learn(other.statements());
      expect(again.size).toBe(set.size);
    }
  });
});

describe("bytes that are nearly a statement", () => {
  const last = c.fromBase64(main.at(-1) as string);
  const first = c.fromBase64(main[0] as string);

  it("cut anywhere, or with anything behind, are none", () => {
    for (let size = 0; size < first.length; size += 1) expect(() => c.parseStatement(first.subarray(0, size)), String(size)).toThrow(c.StatementError);
    for (const more of [1, 64]) expect(() => c.parseStatement(c.concat(first, c.randomBytes(more)))).toThrow(c.StatementError);
  });

  it("with any bit changed do not follow", () => {
    const before = main.slice(0, -1);
    const { chain } = read(before);
    for (let bit = 0; bit < 8 * last.length; bit += 5) {
      const changed = last.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(() => chain.append(changed), `bit ${bit}`).toThrow(c.StatementError);
    }
    chain.append(last);
  });

  it("of random content teach nothing, and do nothing but be refused", () => {
    for (let i = 0; i < 300; i += 1) {
      const bytes = c.concat(i % 2 === 0 ? first.subarray(0, c.randomBytes(1)[0]) : new Uint8Array(), c.randomBytes(1 + (i % 330)));
      try {
        c.parseStatement(bytes); // Where only the signature is random, the form is right.
      } catch (error) {
        expect(error).toBeInstanceOf(c.StatementError);
      }
      expect(setOf().learn([bytes])).toEqual([]);
    }
  });
});
