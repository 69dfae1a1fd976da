/// What a test leaves behind when it fails: ended after the file's last test, and whatever may happen when Node ends.

import { after } from 'node:test';

const atEnd = new Set<() => unknown>();
const atExit = new Set<() => void>();

/** Runs `end` after the last test of the file, unless the returned function was called before. */
export function endLater(end: () => unknown): () => void {
  atEnd.add(end);
  return () => atEnd.delete(end);
}

/** Runs `end`, which must not wait for anything, when this process ends. */
export function endAtExit(end: () => void): () => void {
  atExit.add(end);
  return () => atExit.delete(end);
}

// A program that is no test has no last test: it closes what it opens itself.
if (process.argv[1]?.endsWith('.test.ts')) {
  after(async () => {
    await Promise.allSettled([...atEnd].map(async (end) => end()));
  });
}
process.on('exit', () => {
  for (const end of atExit) end();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
