// Checkpoints, proofs, records and receipts: against the vectors that the C++ code is tested with, and against every alteration.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as c from "../src/crypto/index.ts";
import { compare, ranges } from "../src/state/proofs.ts";

const vectors = <T>(name: string): T => JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}`, import.meta.url), "utf8")) as T;

interface MerkleVectors {
  leaves: string[];
  roots: string[];
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { before: number; after: number; proof: string[] }[];
}
interface RecordVectors {
  key: string;
  origin: string;
  checkpoint: string;
  checkpoints: { size: number; note: string; consistency: string[] }[];
  records: { record: c.WireRecord; expected: c.RecordHeader; content: string | null; leaf: string }[];
  sessionReceipt: string;
  accountReceipt: string;
}
const merkle = vectors<MerkleVectors>("merkle.json");
const given = vectors<RecordVectors>("records.json");
const by = c.parseVerifier(given.key);
const checkpoint = c.openCheckpoint(given.checkpoint, by);

const flip = (bytes: Uint8Array, bit: number): Uint8Array => bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof c.CryptoError) return error.code;
    throw error;
  }
  return "accepted";
};

describe("merkle tree", () => {
  const leaves = merkle.leaves.map((leaf) => c.leafHash(c.fromHex(leaf)));
  const roots = merkle.roots.map(c.fromHex);
  const root = (size: number) => roots[size] as Uint8Array;

  it("accepts every proof of the shared vectors", () => {
    for (const { index, size, proof } of merkle.inclusion) expect(c.verifyInclusion(leaves[index] as Uint8Array, index, size, proof.map(c.fromHex), root(size))).toBe(true);
    for (const { before, after, proof } of merkle.consistency) expect(c.verifyConsistency(before, after, root(before), root(after), proof.map(c.fromHex))).toBe(true);
    expect(c.toHex(c.emptyRoot())).toBe(merkle.roots[0]);
  });

  it("accepts no altered inclusion proof", () => {
    for (const { index, size, proof } of merkle.inclusion) {
      const path = proof.map(c.fromHex);
      const leaf = leaves[index] as Uint8Array;
      for (let other = 0; other <= 8; other += 1) {
        if (other !== index) expect(c.verifyInclusion(leaf, other, size, path, root(size))).toBe(false);
        if (other !== size) expect(c.verifyInclusion(leaf, index, size, path, root(other))).toBe(false);
        if (other !== index && other < size) expect(c.verifyInclusion(leaves[other] as Uint8Array, index, size, path, root(size))).toBe(false);
      }
      expect(c.verifyInclusion(leaf, index, size, [...path, leaf], root(size))).toBe(false);
      for (let at = 0; at < path.length; at += 1) {
        expect(c.verifyInclusion(leaf, index, size, path.toSpliced(at, 1), root(size))).toBe(false);
        for (let bit = 0; bit < 256; bit += 1) expect(c.verifyInclusion(leaf, index, size, path.with(at, flip(path[at] as Uint8Array, bit) as c.Bytes), root(size))).toBe(false);
      }
      for (let bit = 0; bit < 256; bit += 1) expect(c.verifyInclusion(leaf, index, size, path, flip(root(size), bit))).toBe(false);
    }
  });

  it("accepts no altered consistency proof", () => {
    for (const { before, after, proof } of merkle.consistency) {
      const path = proof.map(c.fromHex);
      for (let other = 0; other <= 8; other += 1) {
        if (other !== before && before > 0) expect(c.verifyConsistency(before, after, root(other), root(after), path)).toBe(false);
        if (other !== after && before > 0) expect(c.verifyConsistency(before, after, root(before), root(other), path)).toBe(false);
      }
      expect(c.verifyConsistency(before, after, root(before), root(after), [...path, root(1)])).toBe(false);
      for (let at = 0; at < path.length; at += 1) {
        expect(c.verifyConsistency(before, after, root(before), root(after), path.toSpliced(at, 1))).toBe(false);
        for (let bit = 0; bit < 256; bit += 1) expect(c.verifyConsistency(before, after, root(before), root(after), path.with(at, flip(path[at] as Uint8Array, bit) as c.Bytes))).toBe(false);
      }
    }
  });

  it("refuses what is no number and what is no hash", () => {
    const leaf = leaves[0] as Uint8Array;
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(c.verifyInclusion(leaf, bad, 1, [], leaf)).toBe(false);
      expect(c.verifyInclusion(leaf, 0, bad, [], leaf)).toBe(false);
      expect(c.verifyConsistency(bad, 1, leaf, leaf, [])).toBe(false);
      expect(c.verifyConsistency(0, bad, c.emptyRoot(), leaf, [])).toBe(false);
    }
    expect(c.verifyInclusion(leaf.subarray(1), 0, 1, [], leaf.subarray(1))).toBe(false);
  });
});

describe("signed notes", () => {
  it("agrees with the reference implementation", () => {
    const key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const neumann = c.parseVerifier(key);
    expect(c.verifierText(neumann)).toBe(key);
    const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    expect(c.openNote(`${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`, neumann)).toBe(text);
  });

  it("opens every checkpoint of the shared vectors, each the beginning of the last", () => {
    expect(given.origin).toBe(by.name);
    for (const { size, note, consistency } of given.checkpoints) {
      const before = c.openCheckpoint(note, by);
      expect(before).toMatchObject({ origin: given.origin, size });
      expect(c.verifyConsistency(size, checkpoint.size, before.root, checkpoint.root, c.parseProof(consistency))).toBe(true);
    }
  });

  it("opens no altered and no cut note", () => {
    for (const note of [given.checkpoint, given.sessionReceipt, given.accountReceipt]) {
      const bytes = c.utf8(note);
      // One bit of each byte: signatures take their time.
      for (let bit = 0; bit < bytes.length * 8; bit += 8 + (bit % 8 === 7 ? -7 : 1)) {
        const changed = new TextDecoder().decode(flip(bytes, bit));
        expect(code(() => c.openNote(changed, by)), `bit ${bit}`).not.toBe("accepted");
      }
      for (let size = 0; size < note.length; size += 1) expect(code(() => c.openNote(note.slice(0, size), by))).not.toBe("accepted");
    }
  });

  it("opens nothing under another name or key", () => {
    expect(code(() => c.openNote(given.checkpoint, { ...by, name: "consortium-log/another" }))).toBe("not-authentic");
    expect(code(() => c.openNote(given.checkpoint, { ...by, key: c.randomBytes(32) }))).toBe("not-authentic");
    for (let at = 0; at < given.key.length; at += 1) {
      const changed = given.key.slice(0, at) + (given.key[at] === "x" ? "y" : "x") + given.key.slice(at + 1);
      expect(code(() => c.parseVerifier(changed)), changed).not.toBe("accepted");
    }
  });

  it("passes over the signatures of others", () => {
    const line = given.sessionReceipt.slice(given.sessionReceipt.lastIndexOf("\n\n") + 2).replace("consortium-log/", "witness/");
    expect(c.openCheckpoint(given.checkpoint + line, by)).toEqual(checkpoint);
    expect(c.openCheckpoint(given.checkpoint.replace("\n\n", `\n\n${line}`), by)).toEqual(checkpoint);
  });

  it("has one text for each checkpoint", () => {
    const root = c.toBase64(checkpoint.root);
    expect(c.parseCheckpoint(`a\n0\n${root}\n`).size).toBe(0);
    expect(c.parseCheckpoint(`a\n0\n${root}\nextension\n`).size).toBe(0);
    for (const text of ["", "a\n0\n", `a\n00\n${root}\n`, `a\n+1\n${root}\n`, `a\n-1\n${root}\n`, `\n1\n${root}\n`, `a\n1\n${root}`, `a\n18446744073709551616\n${root}\n`, "a\n1\nAAAA\n", `a\n1\n${root.slice(1)}\n`]) {
      expect(code(() => c.parseCheckpoint(text)), text).toBe("bad-format");
    }
  });
});

describe("records", () => {
  const accepted = async (record: c.WireRecord, under = checkpoint): Promise<boolean> => {
    try {
      await c.checkRecord(record, under);
      return true;
    } catch (error) {
      if (error instanceof c.CryptoError) return false;
      throw error;
    }
  };

  it("proves those of the shared vectors, and reads their headers", async () => {
    for (const { record, expected, content, leaf } of given.records) {
      const checked = await c.checkRecord(record, checkpoint);
      expect(checked.header).toEqual(expected);
      expect(c.toBase64(checked.leaf)).toBe(leaf);
      expect(checked.body === null).toBe(record.body === null);
      expect(c.toBase64(c.writeRecordHeader(expected))).toBe(record.header);
      if (content !== null) expect(c.bodyHolds(checked.body as Uint8Array, content)).toBe(true);
    }
    expect(given.records.filter(({ record }) => record.body === null)).toHaveLength(2);
  });

  it("accepts no alteration of any bit of header, keys, body, commitment or path", async () => {
    for (const { record } of given.records) {
      for (const field of ["header", "headerKey", "body", "bodyKey", "bodyCommitment"] as const) {
        const text = record[field];
        if (text === null) continue;
        const bytes = c.fromBase64(text);
        for (let bit = 0; bit < bytes.length * 8; bit += 1) {
          expect(await accepted({ ...record, [field]: c.toBase64(flip(bytes, bit)) }), `${field} bit ${bit}`).toBe(false);
        }
        if (bytes.length > 0) expect(await accepted({ ...record, [field]: c.toBase64(bytes.subarray(1)) })).toBe(false);
        expect(await accepted({ ...record, [field]: c.toBase64(c.concat(bytes, Uint8Array.of(0))) })).toBe(false);
      }
      for (const [at, hash] of record.path.entries()) {
        for (let bit = 0; bit < 256; bit += 1) expect(await accepted({ ...record, path: record.path.with(at, c.toBase64(flip(c.fromBase64(hash), bit))) })).toBe(false);
      }
      for (const index of [-1, record.index + 1, record.index - 1, checkpoint.size, 0.5]) expect(await accepted({ ...record, index })).toBe(false);
      expect(await accepted({ ...record, revision: record.revision + 1 })).toBe(false);
      expect(await accepted({ ...record, path: [...record.path, record.headerKey] })).toBe(false);
      expect(await accepted(record, { ...checkpoint, size: record.index })).toBe(false);
    }
  }, 60_000);

  it("takes a body away only together with its commitment", async () => {
    const said = given.records.find(({ content }) => content !== null) as RecordVectors["records"][number];
    // A relay may say that the key is gone: then nothing is compared, and nothing is claimed of the body.
    expect((await c.checkRecord({ ...said.record, body: null, bodyKey: null }, checkpoint)).body).toBeNull();
    expect(await accepted({ ...said.record, bodyKey: null })).toBe(false);
    expect(await accepted({ ...said.record, body: null, bodyCommitment: c.toBase64(c.randomBytes(32)) })).toBe(false);
  });

  it("refuses what is not of the right shape", async () => {
    const { record } = given.records[0] as RecordVectors["records"][number];
    for (const bad of [{ header: 5 }, { path: "no list" }, { path: [7] }, { headerKey: "" }, { body: "!" }, { index: "3" }]) {
      expect(await accepted({ ...record, ...(bad as object) } as c.WireRecord)).toBe(false);
    }
  });

  it("finds a bundle in a body and nothing like it", () => {
    const bundle = c.randomBytes(40);
    const body = c.concat(bundle.subarray(0, 20), c.randomBytes(7), bundle, c.randomBytes(3));
    expect(c.bodyHolds(body, c.toBase64(bundle))).toBe(true);
    for (let bit = 0; bit < 320; bit += 1) expect(c.bodyHolds(body, c.toBase64(flip(bundle, bit)))).toBe(false);
    expect(c.bodyHolds(body, "")).toBe(false);
    expect(c.bodyHolds(c.utf8("xx not base64 xx"), "not base64")).toBe(true);
  });

  it("compares what was shown with what the log holds", async () => {
    const { record, expected, content } = given.records.find((entry) => entry.content !== null) as RecordVectors["records"][number];
    const checked = await c.checkRecord(record, checkpoint);
    const shown = { revision: expected.revision, sid: expected.stream, seq: expected.seq, at: expected.time, bundle: content as string };
    expect(compare(shown, checked, null)).toBe(true);
    expect(compare(shown, { ...checked, body: null }, null)).toBeNull();
    for (const other of [{ sid: expected.account }, { seq: expected.seq + 1 }, { at: expected.time + 1 }, { bundle: c.toBase64(c.randomBytes(61)) }]) {
      expect(() => compare({ ...shown, ...other }, checked, null)).toThrow(/was shown here/);
    }
  });

  it("asks for few records beside those it wants", () => {
    expect(ranges([])).toEqual([]);
    expect(ranges([5, 3, 4, 4])).toEqual([{ first: 3, count: 3 }]);
    expect(ranges([1, 9, 30])).toEqual([{ first: 1, count: 9 }, { first: 30, count: 1 }]);
    expect(ranges(Array.from({ length: 250 }, (_, i) => i + 1))).toEqual([{ first: 1, count: 100 }, { first: 101, count: 100 }, { first: 201, count: 50 }]);
  });
});

describe("the example of docs/protocol.md", () => {
  const example = vectors<{ key: { key: string; origin: string }; older: string; checkpoint: string; consistency: string[]; commitments: { leaf: string }; record: c.WireRecord; shredded: c.WireRecord; receipt: string }>("log_proof.json");

  it("is understood", async () => {
    const key = c.parseVerifier(example.key.key);
    const [older, now] = [c.openCheckpoint(example.older, key), c.openCheckpoint(example.checkpoint, key)];
    expect(c.verifyConsistency(older.size, now.size, older.root, now.root, c.parseProof(example.consistency))).toBe(true);
    for (const record of [example.record, example.shredded]) expect(c.toHex((await c.checkRecord(record, now)).leaf)).toBe(example.commitments.leaf);
    expect(c.fromUtf8((await c.checkRecord(example.record, now)).body ?? new Uint8Array())).toBe("hello");
    expect(c.openReceipt(example.receipt, key).checkpoint).toEqual(now);
  });
});

describe("receipts", () => {
  it("reads those of the shared vectors", () => {
    expect(c.openReceipt(given.sessionReceipt, by)).toMatchObject({ about: "session", id: "51515151-5151-5151-5151-515151515151", created: 3, deleted: 8, messages: 3, checkpoint });
    expect(c.openReceipt(given.accountReceipt, by)).toMatchObject({ about: "account", id: "a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1", created: 1, deleted: 9, sessions: 1, machines: 0, checkpoint });
  });

  it("has one text", () => {
    const text = c.openNote(given.sessionReceipt, by);
    expect(c.parseReceipt(text).deleted).toBe(8);
    const lines = text.split("\n");
    const changed = [
      text.replace("receipt 1", "receipt 2"), text.replace("session 5151", "machine 5151"), text.replace("session 5151", "session X151"), text.replace("3 to 8", "8 to 3"),
      text.replace("3 to 8", "03 to 8"), text.replace("messages", "sessions"), `${text}more\n`, text.slice(0, -1), text.replace("time ", "time -"), text.replace(/checkpoint 11 ..../, "checkpoint 11 "),
      ...lines.slice(0, -1).map((_, i) => lines.toSpliced(i, 1).join("\n")),
    ];
    for (const other of changed) expect(code(() => c.parseReceipt(other)), other).toBe("bad-format");
    expect(code(() => c.parseReceipt(c.openNote(given.accountReceipt, by).replace("1 to 9", "2 to 9")))).toBe("bad-format");
  });
});
