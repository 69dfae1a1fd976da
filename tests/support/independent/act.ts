/// Signed acts, asks and deletions.

import { base64, concat, fromBase64, hex, len16, sha256, utf8, uuidBytes, type Bytes } from './bytes.ts';
import { verify, type SigningKey } from './ed25519.ts';

export interface ActPlace {
  readonly account: string;
  /** Session or machine id. */
  readonly scope: string;
  /** `prompt` or `rpc-request:<method>`. */
  readonly kind: string;
  /** The id of the bundle that carries the act. */
  readonly bundle: Bytes;
}

export const actText = ({ account, scope, kind, bundle }: ActPlace, text: string): Buffer =>
  concat(utf8('consortium act 1\n'), uuidBytes(account), len16(utf8(scope)), len16(utf8(kind)), bundle, sha256(utf8(text)));

/** The plaintext of the bundle. */
export function signAct(text: string, place: ActPlace, device: SigningKey): string {
  return JSON.stringify({ text, device: device.base64, signature: base64(device.sign(actText(place, text))) });
}

/** The signer's key and the text, if the signature is right for this place. */
export function readAct(plaintext: string, place: ActPlace): { device: Buffer; text: string } {
  const { text, device, signature } = JSON.parse(plaintext);
  if (typeof text !== 'string') throw new Error('an act without a text');
  const key = fromBase64(device);
  if (!verify(fromBase64(signature), actText(place, text), key)) throw new Error('the signature of an act is wrong');
  return { device: key, text };
}

export const askHash = (ask: string): string => hex(sha256(utf8(ask)));

export const deletionText = (account: string, session: string): Buffer =>
  concat(utf8('consortium deletion 1\n'), uuidBytes(account), uuidBytes(session));
