/// What comes of an account's secret, and the session's and machine's keys.

import { createHmac } from 'node:crypto';
import { boxKey, type BoxKey } from './box.ts';
import { concat, sha512, utf8, type Bytes } from './bytes.ts';
import { SigningKey } from './ed25519.ts';

const hmac512 = (key: Bytes, ...parts: Bytes[]) => createHmac('sha512', key).update(concat(...parts)).digest();

export function derive(seed: Bytes, usage: string, path: string[]): Buffer {
  let i = hmac512(utf8(`${usage} Master Seed`), seed);
  for (const name of path) i = hmac512(i.subarray(32), Buffer.of(0), utf8(name));
  return i.subarray(0, 32);
}

export interface Account {
  readonly key: SigningKey;
  readonly content: BoxKey;
}

export function accountOf(secret: Bytes): Account {
  return { key: new SigningKey(secret), content: boxKey(sha512(derive(secret, 'Happy EnCoder', ['content'])).subarray(0, 32)) };
}

export const metadataKey = (dataKey: Bytes, of: 'session' | 'machine'): Buffer => derive(dataKey, 'Consortium Metadata', [of]);
