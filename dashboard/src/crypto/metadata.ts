// Session and machine metadata: secretbox under a key derived from the data key (docs/protocol.md 5).
import { openSecretbox, sealSecretbox } from "./box.ts";
import { openUnbound } from "./bundle.ts";
import { type Bytes, fromBase64, toBase64 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { deriveKey } from "./keytree.ts";

export type MetadataOf = "session" | "machine";

export function metadataKey(dataKey: Uint8Array, of: MetadataOf): Promise<Bytes> {
  return deriveKey(dataKey, "Consortium Metadata", [of]);
}

export async function sealMetadata(plaintext: Uint8Array, dataKey: Uint8Array, of: MetadataOf, nonce?: Uint8Array): Promise<string> {
  return toBase64(sealSecretbox(plaintext, await metadataKey(dataKey, of), nonce));
}

/** Reads the secretbox, and AES-GCM of version 0 as other clients write it. Throws not-authentic when neither opens. */
export async function openMetadata(sealed: string, dataKey: Uint8Array, of: MetadataOf): Promise<Bytes> {
  const bytes = fromBase64(sealed);
  if (bytes[0] === 0) {
    try {
      return await openUnbound(sealed, dataKey);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      // A secretbox whose random nonce begins with a zero byte: read on.
    }
  }
  return openSecretbox(bytes, await metadataKey(dataKey, of));
}
