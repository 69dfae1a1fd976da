// The key tree of docs/protocol.md 4.
import { type Bytes, utf8 } from "./bytes.ts";
import { hmacSha512 } from "./hash.ts";

/** derive(seed, usage, path): the key at the end of the path. */
export async function deriveKey(seed: Uint8Array, usage: string, path: readonly string[]): Promise<Bytes> {
  let node = await hmacSha512(utf8(`${usage} Master Seed`), seed);
  for (const name of path) node = await hmacSha512(node.subarray(32), Uint8Array.of(0), utf8(name));
  return node.slice(0, 32);
}
