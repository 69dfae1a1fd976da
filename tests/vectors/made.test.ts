import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { files, textOf } from './make.ts';

for (const [name, make] of Object.entries(files)) {
  test(`${name} is what make.ts makes`, () => {
    assert.equal(readFileSync(join(import.meta.dirname, name), 'utf8'), textOf(make()));
  });
}
