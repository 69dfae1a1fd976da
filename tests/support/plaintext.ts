/// Looks for text that nobody but the two ends may be able to read.

import { relative } from 'node:path';
import { filesBelow } from './files.ts';

/** The ways in which `text` may lie in a file: as it is, in hex, in base64 at each of its three alignments, in UTF-16. */
export function disguises(text: string | Uint8Array): [name: string, bytes: Buffer][] {
  const raw = Buffer.from(text as string);
  const found: [string, Buffer][] = [
    ['as it is', raw],
    ['in hex', Buffer.from(raw.toString('hex'))],
    ['in upper-case hex', Buffer.from(raw.toString('hex').toUpperCase())],
    ...(typeof text === 'string' ? [['as UTF-16', Buffer.from(text, 'utf16le')] as [string, Buffer]] : []),
  ];
  for (const shift of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(shift), raw]).toString('base64').replaceAll('=', '');
    // The first characters still hold bits of what comes before, the last one of what comes after.
    const whole = padded.slice(shift === 0 ? 0 : shift + 1, (raw.length + shift) % 3 === 0 ? undefined : -1);
    found.push([`in base64 at ${shift}`, Buffer.from(whole)]);
    const urlSafe = whole.replaceAll('+', '-').replaceAll('/', '_');
    if (urlSafe !== whole) found.push([`in base64url at ${shift}`, Buffer.from(urlSafe)]);
  }
  return found;
}

/** Where any of these texts can be found in these bytes. */
export function findings(where: string, bytes: Buffer, texts: (string | Uint8Array)[]): string[] {
  return texts.flatMap((text) => disguises(text).filter(([, form]) => bytes.includes(form)).map(([name]) => `"${text}" ${name} in ${where}`));
}

/** The same in every file below a directory, names included. */
export function findingsBelow(directory: string, texts: (string | Uint8Array)[]): string[] {
  return filesBelow(directory).flatMap(({ path, content }) => [
    ...findings(`the name of ${path}`, Buffer.from(relative(directory, path)), texts),
    ...findings(path, content, texts),
  ]);
}
