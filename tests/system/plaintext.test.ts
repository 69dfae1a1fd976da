/// The search for plaintext finds what it looks for: otherwise its silence would mean nothing.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { freshDirectory } from '../support/places.ts';
import { findings, findingsBelow } from '../support/plaintext.ts';

const secret = 'the secret word, ü';

it('finds a text in every disguise', () => {
  for (const prefix of ['', 'a', 'ab', 'abc']) {
    for (const suffix of ['', 'x', 'xy']) {
      const raw = Buffer.from(`${prefix}${secret}${suffix}`);
      for (const bytes of [raw, Buffer.from(raw.toString('hex')), Buffer.from(raw.toString('base64')), Buffer.from(raw.toString('base64url'))]) {
        assert.notDeepEqual(findings('here', bytes, [secret]), [], `${prefix}|${suffix} ${bytes}`);
      }
    }
  }
  assert.deepEqual(findings('here', Buffer.from('something else'), [secret]), []);
});

it('looks into every file below a directory, and at its name', () => {
  using place = freshDirectory();
  mkdirSync(join(place.path, 'a', 'b'), { recursive: true });
  writeFileSync(join(place.path, 'a', 'b', 'c'), Buffer.concat([Buffer.alloc(5000), Buffer.from(secret), Buffer.alloc(10)]));
  writeFileSync(join(place.path, 'a', 'fine'), 'nothing');
  assert.equal(findingsBelow(place.path, [secret]).length, 1);
  writeFileSync(join(place.path, 'a', 'secret word'), '');
  assert.equal(findingsBelow(place.path, ['secret word']).length, 2);
});
