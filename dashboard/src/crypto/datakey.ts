// Names sealed to the account's content key.
import { openBox, sealBox } from "./box.ts";
import { type Bytes, fromBase64, toBase64 } from "./bytes.ts";

/** A name (of a device) sealed to the content key: base64 of a box bundle of its UTF-8. */
export function sealName(nameUtf8: Uint8Array, contentPublicKey: Uint8Array): string {
  return toBase64(sealBox(nameUtf8, contentPublicKey));
}

export function openName(sealedName: string, contentSecretKey: Uint8Array): Bytes {
  return openBox(fromBase64(sealedName), contentSecretKey);
}
