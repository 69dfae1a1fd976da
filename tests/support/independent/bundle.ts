/// Content bundles of version 1: 0x01 ‖ id[16] ‖ nonce[12] ‖ AES-256-GCM, base64.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { base64, concat, fromBase64, utf8, type Bytes } from './bytes.ts';

export interface Place {
  readonly accountId: string;
  /** Session or machine id. */
  readonly scope: string;
  readonly kind: string;
}

const associated = ({ accountId, scope, kind }: Place, id: Bytes) =>
  concat(utf8(['consortium/1', accountId, scope, kind, ''].join('\0')), id);

export function sealBundle(plaintext: Bytes, key: Bytes, place: Place, given: { id?: Bytes; nonce?: Bytes } = {}): string {
  const id = given.id ?? randomBytes(16);
  const nonce = given.nonce ?? randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated(place, id));
  return base64(concat(Buffer.of(1), id, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()));
}

export function bundleId(bundle: string): Buffer {
  const bytes = fromBase64(bundle);
  if (bytes[0] !== 1 || bytes.length < 45) throw new Error('not a bundle of version 1');
  return bytes.subarray(1, 17);
}

export function openBundle(bundle: string, key: Bytes, place: Place): { id: Buffer; plaintext: Buffer } {
  const id = bundleId(bundle);
  const bytes = fromBase64(bundle);
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(17, 29)).setAAD(associated(place, id)).setAuthTag(bytes.subarray(-16));
  return { id, plaintext: concat(cipher.update(bytes.subarray(29, -16)), cipher.final()) };
}
