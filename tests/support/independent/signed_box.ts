/// What is sealed to the content key and says inside who made it.

import { base64, concat, fromBase64, len16, sha256, utf8, uuidBytes, uuidText, type Bytes } from './bytes.ts';
import { openBox, sealBox } from './box.ts';
import { verify, type SigningKey } from './ed25519.ts';

export const labels = { dataKey: 'consortium data key 1\n', notice: 'consortium notice 1\n' } as const;

export interface BoxPlace {
  readonly label: string;
  readonly account: string;
  readonly contentKey: Bytes;
  /** `session` or `machine` of a data key; the id of a notice. */
  readonly scope: string;
}

export const boxText = ({ label, account, contentKey, scope }: BoxPlace, payload: Bytes): Buffer =>
  concat(utf8(label), uuidBytes(account), contentKey, len16(utf8(scope)), payload);

export function sealSigned(payload: Bytes, place: BoxPlace, device: SigningKey, given: { secret?: Bytes; nonce?: Bytes } = {}): string {
  const inside = concat(device.publicKey, device.sign(boxText(place, payload)), payload);
  return base64(concat(Buffer.of(1), sealBox(inside, place.contentKey, given)));
}

/** Who made the box, by a right signature, and what is in it; whether that device may is the reader's to know. */
export function openSigned(text: string, place: BoxPlace, contentSecret: Bytes): { device: Buffer; payload: Buffer } {
  const bytes = fromBase64(text);
  if (bytes[0] !== 1) throw new Error('not a signed box');
  const inside = openBox(bytes.subarray(1), contentSecret);
  if (inside.length < 96) throw new Error('a signed box is too short');
  const [device, signature, payload] = [inside.subarray(0, 32), inside.subarray(32, 96), inside.subarray(96)];
  if (!verify(signature, boxText(place, payload), device)) throw new Error('the signature in a box is wrong');
  if (place.label === labels.dataKey && payload.length !== 32) throw new Error('a data key has 32 bytes');
  return { device, payload };
}

export const machineId = (account: string, device: Bytes): string =>
  uuidText(sha256(utf8('consortium machine 1\n'), uuidBytes(account), device).subarray(0, 16));
