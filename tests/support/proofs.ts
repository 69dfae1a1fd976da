/// What a client checks of the relay's log (docs/protocol.md, "Checking the log"), written once more from the document
/// and the RFCs alone, with nothing but Node's own cryptography.

import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey, verify as verifySignature } from 'node:crypto';

const sha256 = (...parts: Uint8Array[]) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const hmac = (key: Uint8Array, data: Uint8Array) => createHmac('sha256', key).update(data).digest();
const decode = (text: string) => {
  const bytes = Buffer.from(text, 'base64');
  assert.equal(bytes.toString('base64'), text, `not canonical base64: ${text}`);
  return bytes;
};

// ------------------------------------------------------------------------------------- notes and checkpoints

export interface LogKey {
  log: string;
  origin: string;
  publicKey: Buffer;
  keyId: Buffer;
}

/** The answer to GET /v1/log/key. */
export function readKey(answer: any): LogKey {
  const [name, id, encoded, ...rest] = String(answer.key).split('+');
  // Base64 may hold a plus of its own.
  const data = decode([encoded, ...rest].join('+'));
  assert.equal(data.length, 33);
  assert.equal(data[0], 1, 'the algorithm is Ed25519');
  const publicKey = data.subarray(1);
  const keyId = sha256(Buffer.from(`${name}\n`), data).subarray(0, 4);
  assert.equal(keyId.toString('hex'), id);
  assert.equal(publicKey.toString('base64'), answer.publicKey);
  assert.equal(name, answer.origin);
  assert.equal(name, `consortium-log/${answer.log}`);
  return { log: answer.log, origin: answer.origin, publicKey, keyId };
}

/** The text of a C2SP signed note by this key. */
export function openNote(note: string, key: LogKey): string {
  const end = note.lastIndexOf('\n\n');
  assert.ok(end > 0 && note.endsWith('\n'), 'a note ends with a blank line and signatures');
  const text = note.slice(0, end + 1);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.publicKey]);
  const signer = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  for (const line of note.slice(end + 2, -1).split('\n')) {
    const [dash, name, signature] = line.split(' ');
    assert.equal(dash, '\u2014');
    if (name !== key.origin) continue;
    const bytes = decode(signature!);
    assert.deepEqual(bytes.subarray(0, 4), key.keyId);
    assert.ok(verifySignature(null, Buffer.from(text), signer, bytes.subarray(4)), 'the signature is not the log\'s');
    return text;
  }
  assert.fail('the note is not signed by the log');
}

export interface Checkpoint {
  size: number;
  root: Buffer;
}

export function openCheckpoint(note: string, key: LogKey): Checkpoint {
  const lines = openNote(note, key).split('\n');
  assert.equal(lines.length, 4);
  assert.equal(lines[0], key.origin);
  assert.match(lines[1]!, /^(0|[1-9][0-9]*)$/);
  const root = decode(lines[2]!);
  assert.equal(root.length, 32);
  return { size: Number(lines[1]), root };
}

// ------------------------------------------------------------------------------------------------ the tree

export const leafHash = (data: Uint8Array) => sha256(Buffer.of(0), data);
export const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(Buffer.of(1), left, right);

/** RFC 6962 section 2.1: the root over these leaf hashes. */
export function treeRoot(leaves: Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(treeRoot(leaves.slice(0, split)), treeRoot(leaves.slice(split)));
}

/** RFC 9162 section 2.1.3.2. */
export function includes(leaf: Buffer, index: number, size: number, path: Buffer[], root: Buffer): boolean {
  if (index >= size) return false;
  let at = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && hash.equals(root);
}

/** RFC 9162 section 2.1.4.2, with the trivial cases of this protocol. */
export function continues(before: Checkpoint, after: Checkpoint, proof: Buffer[]): boolean {
  if (before.size > after.size) return false;
  if (before.size === after.size) return proof.length === 0 && before.root.equals(after.root);
  if (before.size === 0) return proof.length === 0;
  const path = [...proof];
  if (Number.isInteger(Math.log2(before.size))) path.unshift(before.root);
  if (path.length === 0) return false;
  let at = before.size - 1;
  let last = after.size - 1;
  while (at % 2 === 1) {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  let old = path[0]!;
  let now = path[0]!;
  for (const hash of path.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      old = nodeHash(hash, old);
      now = nodeHash(hash, now);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      now = nodeHash(now, hash);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && old.equals(before.root) && now.equals(after.root);
}

// ------------------------------------------------------------------------------------------------- records

export interface Header {
  type: number;
  account: string;
  stream: string;
  revision: number;
  seq: number;
  time: number;
  bodySize: number;
}

const uuid = (bytes: Buffer) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

export function readHeader(header: Buffer): Header {
  assert.equal(header.length, 62);
  return {
    type: header.readUInt16LE(0),
    account: uuid(header.subarray(2, 18)),
    stream: uuid(header.subarray(18, 34)),
    revision: Number(header.readBigUInt64LE(34)),
    seq: Number(header.readBigUInt64LE(42)),
    time: Number(header.readBigInt64LE(50)),
    bodySize: header.readUInt32LE(58),
  };
}

/** The leaf that a RECORD makes. */
export function leafOf(record: any): Buffer {
  const header = decode(record.header);
  const headerCommitment = hmac(decode(record.headerKey), header);
  let bodyCommitment = decode(record.bodyCommitment);
  assert.equal(bodyCommitment.length, 32);
  if (record.body === null) {
    assert.equal(record.bodyKey, null);
  } else {
    const body = decode(record.body);
    assert.equal(body.length, readHeader(header).bodySize);
    const computed = hmac(decode(record.bodyKey), body);
    assert.deepEqual(computed, bodyCommitment, 'the body does not fit its commitment');
    bodyCommitment = computed;
  }
  return leafHash(Buffer.concat([headerCommitment, bodyCommitment]));
}

/** The header of a RECORD that is in the tree; throws for any that is not. */
export function checkRecord(record: any, head: Checkpoint): Header {
  const path = record.path.map(decode);
  assert.ok(includes(leafOf(record), record.index, head.size, path, head.root), 'the record is not in the tree');
  const header = readHeader(decode(record.header));
  assert.equal(header.revision, record.revision);
  return header;
}

/** A client's memory of one log: accepts only checkpoints that continue what it accepted before. */
export class Witness {
  readonly key: LogKey;
  last: Checkpoint | undefined;

  constructor(key: LogKey) {
    this.key = key;
  }

  /** What to append to a request so that its answer can be accepted. */
  get from(): string {
    return this.last ? `from=${this.last.size}` : '';
  }

  accept(answer: any): Checkpoint {
    const head = openCheckpoint(answer.checkpoint, this.key);
    assert.equal(answer.log, this.key.log);
    if (this.last) {
      assert.ok(Array.isArray(answer.consistency), 'a consistency proof was asked for');
      assert.ok(continues(this.last, head, answer.consistency.map(decode)), 'the log does not continue what was seen');
    }
    this.last = head;
    return head;
  }
}

// ------------------------------------------------------------------------------------------------ receipts

export interface Receipt {
  what: 'session' | 'account';
  id: string;
  created: number;
  deleted: number;
  messages?: number;
  sessions?: number;
  machines?: number;
  time: number;
  checkpoint: Checkpoint;
}

export function openReceipt(note: string, key: LogKey): Receipt {
  const text = openNote(note, key);
  const found = new RegExp(
    '^consortium deletion receipt 1\n' +
      '(?<origin>[^\n]+)\n' +
      '(?:session (?<session>[0-9a-f-]{36})|account (?<account>[0-9a-f-]{36}))\n' +
      'revisions (?<created>[0-9]+) to (?<deleted>[0-9]+)\n' +
      '(?:messages (?<messages>[0-9]+)|sessions (?<sessions>[0-9]+)\nmachines (?<machines>[0-9]+))\n' +
      'time (?<time>[0-9]+)\n' +
      'checkpoint (?<size>[0-9]+) (?<root>[^\n ]+)\n$',
  ).exec(text)?.groups;
  assert.ok(found, `not a receipt: ${text}`);
  assert.equal(found['origin'], key.origin);
  assert.equal(found['session'] === undefined, found['messages'] === undefined);
  return {
    what: found['session'] ? 'session' : 'account',
    id: found['session'] ?? found['account']!,
    created: Number(found['created']),
    deleted: Number(found['deleted']),
    ...(found['session']
      ? { messages: Number(found['messages']) }
      : { sessions: Number(found['sessions']), machines: Number(found['machines']) }),
    time: Number(found['time']),
    checkpoint: { size: Number(found['size']), root: decode(found['root']!) },
  };
}

/** Receipt and proof of a DELETE's answer, held against each other. */
export function checkDeletion(answer: any, key: LogKey): { receipt: Receipt; header: Header; head: Checkpoint } {
  assert.equal(answer.success, true);
  const receipt = openReceipt(answer.receipt, key);
  const head = openCheckpoint(answer.proof.checkpoint, key);
  assert.deepEqual(receipt.checkpoint, head, 'the receipt names the proof\'s checkpoint');
  const header = checkRecord(answer.proof.record, head);
  assert.ok((receipt.what === 'session' ? [8, 23] : [18]).includes(header.type), 'bare or signed, it is a deletion');
  assert.equal(header.stream, receipt.id);
  assert.equal(header.revision, receipt.deleted);
  assert.equal(header.time, receipt.time);
  return { receipt, header, head };
}
