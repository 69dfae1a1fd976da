/// Fresh directories that vanish with the test, and where the built programs are.

import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** A built program; CONSORTIUM_BIN names another directory than that of the release build. */
export function program(name: 'consortium-relay' | 'consortium' | 'consortium-admin' | 'echo_server' | 'asleep.so' | 'seated'): string {
  const path = join(process.env['CONSORTIUM_BIN'] ?? join(repository, 'build/release/bin'), name);
  if (!existsSync(path)) throw new Error(`${path} is missing: build it first (scripts/test does), or set CONSORTIUM_BIN`);
  return path;
}

/** A fresh directory; `using place = freshDirectory()` removes it at the end of the scope. */
export function freshDirectory(name = 'consortium-test'): { path: string; remove(): void; [Symbol.dispose](): void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `${name}-`)));
  const remove = () => rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  return { path, remove, [Symbol.dispose]: remove };
}
