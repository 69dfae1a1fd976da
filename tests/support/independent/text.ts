/// The secret as people write it down, and the envelopes of messages and prompts.

import { randomBytes } from 'node:crypto';
import { base64, hex, type Bytes } from './bytes.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 in groups of five. */
export function formatSecret(secret: Bytes): string {
  let bits = BigInt(`0x${hex(secret)}`) << 4n;
  let text = '';
  for (let i = 0; i < 52; ++i, bits >>= 5n) text = alphabet[Number(bits & 31n)]! + text;
  return text.match(/.{1,5}/g)!.join('-');
}

export function parseSecret(text: string): Buffer {
  const letters = text.replaceAll('-', '');
  if (!/^[A-Z2-7]{52}$/.test(letters)) throw new Error(`not a secret: ${text}`);
  let bits = 0n;
  for (const letter of letters) bits = (bits << 5n) | BigInt(alphabet.indexOf(letter));
  return Buffer.from((bits >> 4n).toString(16).padStart(64, '0'), 'hex');
}

export interface Envelope {
  readonly at: number;
  /** 32 hex digits: one page or one agent process. */
  readonly from: string;
  readonly n: number;
  /** Base64 id of the sender's previous bundle in the session. */
  readonly prev: string | null;
  readonly d: any;
  /** Of a prompt: what its writer had seen, and how long it is good. */
  readonly seen?: string | null;
  readonly until?: number;
}

export function parseEnvelope(text: Bytes | string): Envelope {
  const value = JSON.parse(Buffer.from(text as Bytes).toString('utf8'));
  const { from, n, prev } = value ?? {};
  if (typeof from !== 'string' || !/^[0-9a-f]{32}$/.test(from) || !Number.isSafeInteger(n) || n < 1 || (n === 1) !== (prev === null)) {
    throw new Error('not an envelope');
  }
  return value;
}

export const newSenderId = (): string => hex(randomBytes(16));

/** The numbers of one sender in one session. */
export class Sender {
  readonly from = newSenderId();
  n = 0;
  prev: string | null = null;

  /** The next envelope and the id of the bundle that will carry it. */
  next(d: unknown, at: number): { id: Buffer; envelope: Envelope } {
    const id = randomBytes(16);
    const envelope = { at, from: this.from, n: ++this.n, prev: this.prev, d };
    this.prev = base64(id);
    return { id, envelope };
  }
}

/** Whether what a session's senders say follows one another, in the order of message.seq. */
export class SenderOrder {
  readonly #last = new Map<string, { n: number; id: string }>();

  /** The complaint about this one, if it does not follow. */
  append({ from, n, prev, id }: { from: string; n: number; prev: string | null; id: string }): string | undefined {
    const last = this.#last.get(from);
    this.#last.set(from, { n, id });
    if (n !== (last?.n ?? 0) + 1) return `${from} says ${n} after ${last?.n ?? 'nothing'}`;
    return prev === (last?.id ?? null) ? undefined : `${from} ${n} names another predecessor`;
  }
}
