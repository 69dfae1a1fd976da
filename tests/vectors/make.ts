/// Makes the shared vectors of docs/protocol.md with code that shares nothing with the product:
///   node tests/vectors/make.ts           writes the files beside this one
/// Every seed and nonce is fixed, so the files come out the same. `made.test.ts` compares.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { acts } from './parts/acts.ts';
import { deviceChain } from './parts/device_chain.ts';
import { ed25519 } from './parts/ed25519.ts';
import { pairing } from './parts/pairing.ts';
import { signedBox } from './parts/signed_box.ts';

export const files: Record<string, () => unknown> = {
  'ed25519.json': ed25519,
  'device_chain.json': deviceChain,
  'pairing.json': pairing,
  'signed_box.json': signedBox,
  'acts.json': acts,
};

export const textOf = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

if (import.meta.main) {
  for (const [name, make] of Object.entries(files)) writeFileSync(join(import.meta.dirname, name), textOf(make()));
}
