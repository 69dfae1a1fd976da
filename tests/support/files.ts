/// Files of a program that is running: one that it replaced or removed while it was being looked at is left out.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface StoredFile {
  path: string;
  content: Buffer;
  /** Permission bits, as in `0o600`. */
  mode: number;
}

/** What this gives, or nothing where the file (or directory) is no longer there. */
function ifStillThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Every file below a directory; none where the directory is missing. */
export function filesBelow(directory: string): StoredFile[] {
  const names = ifStillThere(() => readdirSync(directory, { recursive: true, encoding: 'utf8' })) ?? [];
  return names.flatMap((name) => {
    const path = join(directory, name);
    return (
      ifStillThere((): StoredFile[] => {
        const stat = statSync(path);
        return stat.isFile() ? [{ path, content: readFileSync(path), mode: stat.mode & 0o777 }] : [];
      }) ?? []
    );
  });
}
