/// Bytes as the protocol joins them. Nothing in this directory shares code with the product.

import { createHash, createHmac } from 'node:crypto';

export type Bytes = Uint8Array;

export const utf8 = (text: string): Buffer => Buffer.from(text.toWellFormed(), 'utf8');
export const concat = (...parts: Bytes[]): Buffer => Buffer.concat(parts);
export const base64 = (bytes: Bytes): string => Buffer.from(bytes).toString('base64');
export const hex = (bytes: Bytes): string => Buffer.from(bytes).toString('hex');

/** Standard alphabet, padded, canonical; anything else is an error. */
export function fromBase64(text: unknown): Buffer {
  if (typeof text !== 'string') throw new Error('not base64: no text');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new Error('not canonical base64');
  return bytes;
}

export function u16be(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value);
  return out;
}

export function u64be(value: number | bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

export const len16 = (bytes: Bytes): Buffer => concat(u16be(bytes.length), bytes);

/** The 16 bytes of a canonical lower-case UUID text; anything else is an error. */
export function uuidBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) throw new Error(`not a canonical UUID: ${text}`);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

export const uuidText = (bytes: Bytes): string => hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export const sha256 = (...parts: Bytes[]): Buffer => createHash('sha256').update(concat(...parts)).digest();
export const sha512 = (...parts: Bytes[]): Buffer => createHash('sha512').update(concat(...parts)).digest();
export const hmac = (key: Bytes, ...parts: Bytes[]): Buffer => createHmac('sha256', key).update(concat(...parts)).digest();

export const kdf = (key: Bytes, label: string): Buffer => hmac(key, utf8(label));

/** `a..b` of the documents: bytes counting up. */
export const run = (first: number, count = 32): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => (first + i) & 0xff));
