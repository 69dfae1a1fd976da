/// Strangers and members who want to stop the relay, each for a few seconds beside a working session: nobody who is new is
/// kept out, nothing is lost, memory and descriptors come back. How slow the session becomes is not judged here but by
/// hostile/hour.ts.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { attacks } from '../hostile/attacks.ts';
import { Field, repeated, type Quiet } from '../hostile/field.ts';

/** What these check hangs on who gets the processor in time, so they are for a machine that does nothing else. */
const skip = process.env['CONSORTIUM_FULL'] === '1' ? false : 'runs under scripts/test --full';

describe('beside a working session', { skip }, () => {
  let field: Field;
  let quiet: Quiet;
  const began = Date.now();

  before(async () => {
    field = await Field.start({ headerMs: 3_000, signInMs: 5_000 });
    quiet = await field.quiet(0.5);
  });
  after(() => field.close());

  for (const attack of attacks) {
    it(`${attack.name}: ${attack.says}`, { timeout: 120_000 }, async () => {
      const { faults } = await field.attack(attack, 3, quiet);
      assert.deepEqual(faults, []);
    });
  }

  it('nothing was lost, the log verifies, and each kind of refusal was said once with a count', { timeout: 120_000 }, async () => {
    const { messages, prompts, refusals, faults } = await field.end();
    assert.deepEqual(faults, []);
    assert.ok(messages > 100 && prompts > 5, `${messages} messages, ${prompts} prompts`);
    assert.ok(refusals.length > 0, 'refusals are nowhere said');
    assert.deepEqual(repeated(refusals, (Date.now() - began) / 60_000), []);
  });
});
