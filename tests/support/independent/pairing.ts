/// Pairing, link version 2: both ends.

import { base64, concat, fromBase64, hmac, kdf, len16, sha256, u64be, utf8, uuidBytes, uuidText, type Bytes } from './bytes.ts';
import { openBox, openSecretbox, sealBox, sealSecretbox } from './box.ts';
import { verify, type SigningKey } from './ed25519.ts';
import { kinds, type Kind } from './statement.ts';

export interface Link {
  /** Origin and path prefix of the relay. */
  readonly relay: string;
  readonly publicKey: Buffer;
  readonly secret: Buffer;
}

const base64Url = (bytes: Bytes) => Buffer.from(bytes).toString('base64url');

export const formatLink = ({ relay, publicKey, secret }: Link): string =>
  `${relay.replace(/\/+$/, '')}/pair#v=2&pk=${base64Url(publicKey)}&s=${base64Url(secret)}`;

export function parseLink(text: string): Link {
  const match = /^(https?:\/\/.+)\/pair#v=2&pk=([A-Za-z0-9_-]{43})&s=([A-Za-z0-9_-]{43})$/.exec(text);
  if (!match) throw new Error(`not a pairing link of version 2: ${text}`);
  return { relay: match[1]!, publicKey: Buffer.from(match[2]!, 'base64url'), secret: Buffer.from(match[3]!, 'base64url') };
}

export interface RequestBody {
  publicKey: string;
  device: { publicKey: string; kind: string; sealedName: string };
  commit: string;
  signature: string;
  mac: string;
}

export const commitOf = (publicKey: Bytes, device: Bytes, nonceA: Bytes): Buffer =>
  sha256(utf8('consortium pairing commit 2\n'), publicKey, device, nonceA);

export const requestText = (publicKey: Bytes, device: Bytes, kind: number, commit: Bytes, sealedName: string): Buffer =>
  concat(utf8('consortium pairing request 2\n'), publicKey, device, Buffer.of(kind), commit, len16(utf8(sealedName)));

export const sealRequestName = (name: string, secret: Bytes, nonce?: Bytes): string =>
  base64(sealSecretbox(utf8(name), kdf(secret, 'name'), nonce));

export const openRequestName = (sealedName: string, secret: Bytes): string => openSecretbox(fromBase64(sealedName), kdf(secret, 'name')).toString('utf8');

export interface Request {
  readonly body: RequestBody;
  readonly text: Buffer;
  /** T: what every later step is bound to. */
  readonly transcript: Buffer;
}

export function makeRequest(link: Link, device: SigningKey, kind: Kind, sealedName: string, commit: Bytes): Request {
  const text = requestText(link.publicKey, device.publicKey, kinds[kind], commit, sealedName);
  const signature = device.sign(text);
  const mac = hmac(link.secret, text, signature);
  return {
    body: {
      publicKey: base64(link.publicKey),
      device: { publicKey: device.base64, kind, sealedName },
      commit: base64(commit),
      signature: base64(signature),
      mac: base64(mac),
    },
    text,
    transcript: sha256(text, signature, mac),
  };
}

/** The dashboard's look at a request: everything that the relay could have changed. */
export function checkRequest(link: Link, status: { device: RequestBody['device']; commit: string; signature: string; mac: string }):
  { device: Buffer; commit: Buffer; name: string; transcript: Buffer } {
  if (status.device.kind !== 'agent') throw new Error('the request is not of an agent');
  if (utf8(status.device.sealedName).length > 1024) throw new Error('the name is too long');
  const [device, commit, signature, mac] = [status.device.publicKey, status.commit, status.signature, status.mac].map(fromBase64) as [Buffer, Buffer, Buffer, Buffer];
  if (device.length !== 32 || commit.length !== 32) throw new Error('a field has the wrong length');
  const text = requestText(link.publicKey, device, kinds.agent, commit, status.device.sealedName);
  if (!verify(signature, text, device)) throw new Error('the signature is not of the device');
  if (!hmac(link.secret, text, signature).equals(mac)) throw new Error('the seal does not match the link');
  return { device, commit, name: openRequestName(status.device.sealedName, link.secret), transcript: sha256(text, signature, mac) };
}

export interface Answer {
  readonly accountKey: Buffer;
  readonly contentKey: Buffer;
  readonly account: string;
  /** Number and hash of the last statement of the relay's chain. */
  readonly n: bigint;
  readonly hash: Buffer;
  readonly nonceD: Buffer;
}

export function answerPlaintext(secret: Bytes, transcript: Bytes, a: Answer): Buffer {
  const before = concat(Buffer.of(2), a.accountKey, a.contentKey, uuidBytes(a.account), u64be(a.n), a.hash, a.nonceD);
  return concat(before, hmac(secret, utf8('consortium pairing answer 2\n'), transcript, before));
}

export function readAnswer(secret: Bytes, transcript: Bytes, plaintext: Bytes): Answer {
  const bytes = Buffer.from(plaintext);
  if (bytes.length !== 185) throw new Error(`an answer has 185 bytes, not ${bytes.length}`);
  if (bytes[0] !== 2) throw new Error('an answer of another version');
  const before = bytes.subarray(0, 153);
  if (!hmac(secret, utf8('consortium pairing answer 2\n'), transcript, before).equals(bytes.subarray(153))) throw new Error('the answer is not for this request');
  return {
    accountKey: bytes.subarray(1, 33),
    contentKey: bytes.subarray(33, 65),
    account: uuidText(bytes.subarray(65, 81)),
    n: bytes.readBigUInt64BE(81),
    hash: bytes.subarray(89, 121),
    nonceD: bytes.subarray(121, 153),
  };
}

export const sealAnswer = (plaintext: Bytes, publicKey: Bytes, given: { secret?: Bytes; nonce?: Bytes } = {}): string =>
  base64(sealBox(plaintext, publicKey, given));

export const openAnswer = (response: string, secretKey: Bytes): Buffer => openBox(fromBase64(response), secretKey);

/** Four groups of three digits: a b c d. */
export function pairingCode(secret: Bytes, transcript: Bytes, plaintext: Bytes, nonceA: Bytes): [string, string, string, string] {
  const first = hmac(secret, utf8('consortium pairing code 2\n'), transcript, sha256(plaintext), nonceA).readUIntBE(0, 6);
  return (first % 1e12).toString().padStart(12, '0').match(/.{3}/g) as [string, string, string, string];
}

export const refusalText = (transcript: Bytes): Buffer => concat(utf8('consortium pairing refusal 2\n'), transcript);
