// A log like the relay's, in memory: records of several accounts, their tree, checkpoints, proofs, receipts. It can be told to lie.
import { ed25519 } from "@noble/curves/ed25519.js";
import { createHmac, randomBytes } from "node:crypto";
import * as c from "../src/crypto/index.ts";

interface Kept {
  header: c.RecordHeader;
  image: c.Bytes;
  headerKey: Buffer;
  body: c.Bytes;
  bodyKey: Buffer;
  shredded: boolean;
  leaf: c.Bytes;
}

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest();

/** MTH, PATH and SUBPROOF of RFC 6962, word for word. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
function root(leaves: readonly c.Bytes[]): c.Bytes {
  if (leaves.length === 0) return c.emptyRoot();
  if (leaves.length === 1) return leaves[0] as c.Bytes;
  const k = split(leaves.length);
  return c.nodeHash(root(leaves.slice(0, k)), root(leaves.slice(k)));
}
function path(m: number, leaves: readonly c.Bytes[]): c.Bytes[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k ? [...path(m, leaves.slice(0, k)), root(leaves.slice(k))] : [...path(m - k, leaves.slice(k)), root(leaves.slice(0, k))];
}
function subproof(m: number, leaves: readonly c.Bytes[], known: boolean): c.Bytes[] {
  if (m === leaves.length) return known ? [] : [root(leaves)];
  const k = split(leaves.length);
  return m <= k ? [...subproof(m, leaves.slice(0, k), known), root(leaves.slice(k))] : [...subproof(m - k, leaves.slice(k), false), root(leaves.slice(0, k))];
}

export class FakeLog {
  readonly id: string;
  records: Kept[] = [];
  #seed = new Uint8Array(randomBytes(32));

  constructor(id: string) {
    this.id = id;
  }

  get origin(): string {
    return `consortium-log/${this.id}`;
  }
  get verifier(): c.NoteVerifier {
    return { name: this.origin, key: c.owned(ed25519.getPublicKey(this.#seed)) };
  }
  get size(): number {
    return this.records.length;
  }
  /** Another key, as a relay that was replaced would have. */
  newKey(): void {
    this.#seed = new Uint8Array(randomBytes(32));
  }

  append(header: Omit<c.RecordHeader, "bodyBytes" | "time"> & { time?: number }, content: Uint8Array): c.RecordHeader {
    const body = content.length === 0 ? c.owned(content) : c.concat(randomBytes(12), content, randomBytes(4));
    const full = { ...header, time: Math.max(header.time ?? Date.now(), this.records.at(-1)?.header.time ?? 0), bodyBytes: body.length };
    const image = c.writeRecordHeader(full);
    const [headerKey, bodyKey] = [randomBytes(32), randomBytes(32)];
    const leaf = c.leafHash(hmac(headerKey, image), hmac(bodyKey, body));
    this.records.push({ header: full, image, headerKey, body, bodyKey, shredded: false, leaf });
    return full;
  }

  shred(stream: string): void {
    for (const record of this.records) if (record.header.stream === stream && !c.sessionDeletions.includes(record.header.type)) record.shredded = true;
  }

  leaves(size = this.size): c.Bytes[] {
    return this.records.slice(0, size).map((record) => record.leaf);
  }

  sign(text: string): string {
    const by = this.verifier;
    const signature = c.concat(c.verifierId(by), ed25519.sign(c.utf8(text), this.#seed));
    return `${text}\n\u2014 ${by.name} ${c.toBase64(signature)}\n`;
  }

  checkpoint(size = this.size): string {
    return this.sign(`${this.origin}\n${size}\n${c.toBase64(root(this.leaves(size)))}\n`);
  }

  consistency(from: number, to = this.size): string[] {
    return from === 0 || from === to ? [] : subproof(from, this.leaves(to), true).map(c.toBase64);
  }

  find(account: string, revision: number): number {
    return this.records.findIndex(({ header }) => header.account === account && header.revision === revision);
  }

  record(index: number, size = this.size): c.WireRecord {
    const { header, image, headerKey, body, bodyKey, shredded } = this.records[index] as Kept;
    return {
      revision: header.revision,
      index,
      header: c.toBase64(image),
      headerKey: c.toBase64(headerKey),
      body: shredded ? null : c.toBase64(body),
      bodyKey: shredded ? null : c.toBase64(bodyKey),
      bodyCommitment: c.toBase64(hmac(bodyKey, body)),
      path: path(index, this.leaves(size)).map(c.toBase64),
    };
  }

  receipt(about: "session" | "account", id: string, revisions: readonly [number, number], counts: readonly string[], time: number): string {
    const lines = [
      "consortium deletion receipt 1", this.origin, `${about} ${id}`, `revisions ${revisions[0]} to ${revisions[1]}`, ...counts, `time ${time}`,
      `checkpoint ${this.size} ${c.toBase64(root(this.leaves()))}`,
    ];
    return this.sign(lines.map((line) => `${line}\n`).join(""));
  }

  /** Rewrites what record `index` says, and everything above it in the tree. */
  rewrite(index: number, content: Uint8Array): void {
    const old = this.records[index] as Kept;
    const body = c.concat(randomBytes(12), content, randomBytes(4));
    const header = { ...old.header, bodyBytes: body.length };
    const image = c.writeRecordHeader(header);
    this.records[index] = { ...old, header, image, body, leaf: c.leafHash(hmac(old.headerKey, image), hmac(old.bodyKey, body)) };
  }
}
