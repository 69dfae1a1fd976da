/// More than the log can take at once: nothing is refused, nothing changes its place.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Login, base64, randomText } from '../support/client.ts';
import { checkRecord, openCheckpoint, readKey } from '../support/proofs.ts';
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
  it('is stored whole and in order, and answered in order', { timeout: 360_000 }, async () => {
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

  it('is proved whole, and what needs no proof is answered in order meanwhile', { timeout: 360_000 }, async () => {
    const login = await Login.in(relay.url);
    const key = readKey(await login.must('GET', '/v1/log/key'));
    const { id } = await login.newSession();
    const raw = await RawSocket.signedIn(relay.port, { token: login.token });
    const wanted = 4_000;
    for (let n = 0; n < wanted; n += 1) raw.emit('message', { sid: id, message: randomText(90), localId: `${n}`, ...(n % 2 ? { prove: true } : {}) }, n);
    const acks = () => raw.messages.filter((text) => text.startsWith('43'));
    await waitFor('every answer', () => raw.messages.length >= wanted && acks().length === wanted, { ms: 90_000, every: 100, last: () => raw.messages.length });
    const plain: number[] = [];
    const proved = new Set<number>();
    for (const text of acks()) {
      const [, ack, answer] = /^43(\d+)(.*)$/.exec(text)!;
      const { result, seq, revision, proof } = JSON.parse(answer!)[0];
      assert.deepEqual([result, seq], ['success', Number(ack) + 1]);
      if (Number(ack) % 2 === 0) {
        assert.equal(proof, undefined);
        plain.push(seq);
        continue;
      }
      assert.equal(checkRecord(proof.record, openCheckpoint(proof.checkpoint, key)).revision, revision);
      proved.add(seq);
    }
    assert.equal(proved.size, wanted / 2);
    assert.deepEqual(plain, plain.toSorted((a, b) => a - b));
    raw.close();
  });

  it('of large messages whose proofs nobody takes yet is not read on, and is answered once they are taken', { timeout: 360_000 }, async () => {
    const login = await Login.in(relay.url);
    const key = readKey(await login.must('GET', '/v1/log/key'));
    const { id } = await login.newSession();
    const raw = await RawSocket.signedIn(relay.port, { token: login.token });
    const wanted = 60;
    const large = base64(Buffer.alloc(1 << 20, 7));
    raw.tcp.pause();
    for (let n = 0; n < wanted; n += 1) raw.emit('message', { sid: id, message: large, localId: `${n}`, prove: true }, n);
    // Others go on meanwhile, and show that the relay had all the time it would need: proofs are made in turn.
    const other = await login.connected();
    const { id: elsewhere } = await login.newSession();
    for (let n = 0; n < 150; n += 1) {
      const { proof } = await other.ask('message', { sid: elsewhere, message: randomText(), prove: true });
      checkRecord(proof.record, openCheckpoint(proof.checkpoint, key));
    }
    const { sessions } = await login.must('GET', '/v1/sessions');
    const { seq: taken } = sessions.find((session: any) => session.id === id);
    assert.ok(taken > 0 && taken < wanted, `${taken} of ${wanted} were taken although nobody took an answer`);
    other.close();
    raw.tcp.resume();
    const acks = () => raw.messages.filter((text) => text.startsWith('43'));
    await waitFor('every answer', () => acks().length === wanted, { ms: 90_000, every: 100, last: () => acks().length });
    for (const text of acks()) {
      const { result, proof } = JSON.parse(/^43\d+(.*)$/.exec(text)![1]!)[0];
      assert.equal(result, 'success');
      checkRecord(proof.record, openCheckpoint(proof.checkpoint, key));
    }
    raw.close();
  });
});
