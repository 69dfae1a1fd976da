/// More than the log can take at once: nothing is refused, nothing changes its place.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Login } from '../support/client.ts';
import { RawSocket } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const count = 20_000; // several times the log's queue

let relay: Relay;

before(async () => {
  relay = await Relay.start();
});
after(() => relay.close());

describe('a burst of messages that waits for no answer', () => {
  it('is stored whole and in order, and answered in order', { timeout: 120_000 }, async () => {
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const raw = await RawSocket.signedIn(relay.port, { token: login.token });
    for (let n = 0; n < count; n += 1) raw.emit('message', { sid: id, message: `${n}`, localId: `${n}` }, n);
    const acks = () => raw.messages.filter((text) => text.startsWith('43'));
    await waitFor('every answer', () => raw.messages.length >= count && acks().length === count, { ms: 90_000, every: 100, last: () => raw.messages.length });
    for (const [n, text] of acks().entries()) {
      const [, ack, answer] = /^43(\d+)(.*)$/.exec(text)!;
      const { result, seq } = JSON.parse(answer!)[0];
      assert.deepEqual([Number(ack), result, seq], [n, 'success', n + 1]);
    }
    raw.close();
  });
});
