/// Catch-up: no gap and no duplicate, whatever happens to the connection.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, Login, newDevice, randomText, type Update } from '../support/client.ts';
import { RawSocket } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const count = (n: number) => Array.from({ length: n }, (_, at) => at);

/** Revisions covered by these updates, one after the other; a run of shredded events covers from..seq. */
function covered(updates: Update[]): number[] {
  return updates.flatMap(({ seq, body }) => (body.t === 'shredded' ? count(seq - body['from'] + 1).map((n) => body['from'] + n) : [seq]));
}

function contiguous(revisions: number[], from: number, to: number): void {
  const wanted = count(to - from + 1).map((n) => n + from);
  const at = revisions.findIndex((revision, n) => revision !== wanted[n]);
  assert.ok(at < 0 && revisions.length === wanted.length, `revisions ${from}..${to} expected; the ${at < 0 ? 'length' : at + '-th'} is off: ${revisions.slice(Math.max(0, at - 3), at + 4)} (${revisions.length} in all)`);
}

let relay: Relay;

before(async () => {
  relay = await Relay.start({ args: ['--io-threads', '3'] });
});
after(() => relay.close());

interface Head {
  log: string;
  revision: number;
}

const head = async (login: Login): Promise<Head> => {
  const { log, revision } = await login.must('GET', '/v1/sessions');
  return { log, revision };
};

/** Writes `n` messages of about this size, several in flight. */
async function write(login: Login, sid: string, n: number, bytes = 20, name = randomText(6)): Promise<void> {
  const writer = await login.connected();
  const pending = new Set<Promise<unknown>>();
  for (const at of count(n)) {
    const sent = writer.ask('message', { sid, message: randomText(bytes), localId: `${name}:${at}` }).then((ack) => assert.equal(ack.result, 'success'));
    pending.add(sent);
    sent.finally(() => pending.delete(sent)).catch(() => {});
    if (pending.size >= 64) await Promise.race(pending);
  }
  await Promise.all(pending);
  writer.close();
}

describe('catch-up', () => {
  it('is offered to those who ask for it only', async () => {
    const login = await Login.in(relay.url);
    const [existing, fresh] = await Promise.all([login.connected(), login.connected({ auth: { since: null } })]);
    const mark = await fresh.event('caught-up');
    assert.deepEqual(mark, await head(login));
    await existing.flushed();
    assert.deepEqual(existing.events, []);
    for (const client of [existing, fresh]) client.close();
  });

  it('sends every update in order, the own ones too, then goes live', async () => {
    const login = await Login.in(relay.url);
    const since = await head(login);
    const session = await login.newSession();
    await write(login, session.id, 25);
    await login.must('POST', '/v1/machines', { id: 'm', metadata: 'x' });
    const client = await login.connected({ auth: { since } });
    const mark = await client.event('caught-up');
    assert.equal(client.events.findIndex(([name]) => name === 'caught-up'), client.updates.length, 'the mark comes after the updates');
    contiguous(covered(client.updates), since.revision + 1, mark.revision);
    assert.deepEqual(new Set(client.updates.map(({ body }) => body.t)), new Set(['new-session', 'new-message', 'new-machine']));
    await login.must('POST', `/v3/sessions/${session.id}/messages`, { messages: [{ content: 'live', localId: 'live' }] });
    await client.update('a live one', ({ body }) => body['message']?.localId === 'live');
    contiguous(covered(client.updates), since.revision + 1, mark.revision + 1);
    client.close();
  });

  it('sends exactly one update for every revision there is', async () => {
    const login = await Login.in(relay.url);
    const client = await login.connected({ auth: { since: { log: (await head(login)).log, revision: 0 } } });
    const session = await login.newSession();
    await Login.in(relay.url, login.account, newDevice());
    await client.ask('update-metadata', { sid: session.id, metadata: 'x', expectedVersion: session.metadataVersion });
    await client.ask('update-state', { sid: session.id, agentState: 'x', expectedVersion: 0 });
    await login.must('POST', '/v1/machines', { id: 'm', metadata: 'x', daemonState: 'y' });
    const machine = (await login.must('GET', '/v1/machines/m')).machine;
    await client.ask('machine-update-metadata', { machineId: 'm', metadata: 'z', expectedVersion: machine.metadataVersion });
    const daemon = await login.connected({ auth: { clientType: 'machine-scoped', machineId: 'm' } });
    daemon.close();
    await client.update('the machine went', ({ body }) => body.t === 'machine-activity' && body['active'] === false);
    client.emit('session-end', { sid: session.id, time: Date.now() });
    await client.flushed();
    await login.must('DELETE', `/v1/sessions/${session.id}`);
    const { revision } = await head(login);
    // The socket's own messages are not sent back to it; there are none here.
    await waitFor('the last revision', () => client.updates.at(-1)?.seq === revision, { last: () => client.updates.map(({ seq, body }) => `${seq} ${body.t}`) });
    contiguous(covered(client.updates), 1, revision);
    client.close();
  });

  it('covers deleted sessions without their content', async () => {
    const login = await Login.in(relay.url);
    const since = await head(login);
    const [gone, kept] = [await login.newSession(), await login.newSession()];
    await write(login, gone.id, 30);
    await write(login, kept.id, 5);
    await write(login, gone.id, 30);
    await login.must('DELETE', `/v1/sessions/${gone.id}`);
    const client = await login.connected({ auth: { since } });
    const { revision } = await client.event('caught-up');
    contiguous(covered(client.updates), since.revision + 1, revision);
    assert.equal(client.updates.filter(({ body }) => body['sid'] === kept.id && body.t === 'new-message').length, 5);
    assert.equal(client.updates.filter(({ body }) => body['sid'] === gone.id && body.t === 'new-message').length, 0);
    assert.ok(client.updates.some(({ body }) => body.t === 'shredded'));
    assert.equal(client.updates.at(-1)?.body.t, 'delete-session');
    client.close();
  });

  it('gives session clients what is theirs, and says where the rest has got to', async () => {
    const login = await Login.in(relay.url);
    const since = await head(login);
    const [own, other] = [await login.newSession(), await login.newSession()];
    await write(login, own.id, 10);
    await write(login, other.id, 2_300);
    await write(login, own.id, 10);
    const client = await login.connected({ auth: { since, clientType: 'session-scoped', sessionId: own.id } });
    const { revision } = await client.event('caught-up', (mark) => client.updates.length >= 20 && mark.revision >= since.revision + 2_320);
    assert.equal(client.updates.filter(({ body }) => body.t === 'new-message' && body['sid'] === own.id).length, 20);
    assert.equal(client.updates.some(({ body }) => body['sid'] === other.id), false);
    assert.equal(revision, (await head(login)).revision);
    const marks = client.caughtUp.length;
    await write(login, other.id, 2_100);
    await waitFor('marks while others write', () => client.caughtUp.length >= marks + 2);
    await login.must('DELETE', `/v1/sessions/${own.id}`);
    await client.update('the end of its session', ({ body }) => body.t === 'delete-session' && body['sid'] === own.id);
    client.close();
  });

  it('asks to load anew where it cannot be', async () => {
    const login = await Login.in(relay.url);
    const beyond = [(now: Head) => ({ log: 'ffffffffffffffffffffffffffffffff', revision: now.revision }), ({ log, revision }: Head) => ({ log, revision: revision + 1 }), ({ log }: Head) => ({ log, revision: 2 ** 53 - 1 })];
    for (const of of beyond) {
      const since = of(await head(login));
      const client = await login.connected({ auth: { since } });
      const { reason } = await client.event('resync');
      assert.equal(typeof reason, 'string');
      assert.deepEqual(client.updates, []);
      const session = await login.newSession();
      await client.update('it is live all the same', ({ body }) => body.t === 'new-session' && body['id'] === session.id).catch((error: Error) => {
        throw new Error(`after resync "${reason}": ${error.message}`);
      });
      client.close();
    }
  });
});

describe('under load, with three network threads', () => {
  it('readers that lose their connection again and again miss nothing', { timeout: 360_000 }, async () => {
    const login = await Login.in(relay.url);
    const sessions = await Promise.all(count(3).map(() => login.newSession()));
    const start = await head(login);
    const readers = await Promise.all(count(4).map(async (n) => {
      const reader = login.socket({ reconnection: true, transports: n === 0 ? ['polling'] : n === 1 ? ['polling', 'websocket'] : ['websocket'] });
      reader.follow(start.log, start.revision);
      await reader.ready();
      return reader;
    }));
    let writing = true;
    const cuts = readers.map(async (reader, n) => {
      let lost = 0;
      while (writing) {
        const before = reader.updates.length;
        await waitFor('some progress', () => !writing || reader.updates.length > before + 40 * (n + 1), { ms: 60_000, every: 5 });
        if (reader.socket.connected) {
          reader.socket.io.engine.close();
          lost += 1;
        }
      }
      return lost;
    });
    await Promise.all(count(6).map((n) => write(login, sessions[n % 3].id, 500, 100)));
    writing = false;
    const lost = await Promise.all(cuts);
    const end = await head(login);
    assert.equal(end.revision, start.revision + 3_000);
    for (const [n, reader] of readers.entries()) {
      await waitFor('the reader to arrive', () => reader.updates.at(-1)?.seq === end.revision, { last: () => [reader.updates.at(-1)?.seq, end, reader.disconnects.length, reader.refusals.at(-1)?.message] });
      try {
        contiguous(covered(reader.updates), start.revision + 1, end.revision);
      } catch (error) {
        throw new Error(`reader ${n}: ${(error as Error).message}\n${reader.diary.join('\n')}`);
      }
      assert.ok(lost[n]! > 0, 'it did lose its connection');
      assert.equal(reader.resyncs.length, 0);
      reader.close();
    }
  });

  it('a reader slower than the stream stays connected, costs little, and misses nothing', { timeout: 360_000 }, async () => {
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const start = await head(login);
    const slow = await Promise.all(count(8).map(() => RawSocket.signedIn(relay.port, { token: login.token, since: start })));
    const fast = await login.connected({ auth: { since: start } });
    for (const reader of slow) await reader.message('the mark', (text) => text.startsWith('42["caught-up"'));
    const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relay.pid}/status`, 'utf8'))![1]) / 1024;

    await write(login, id, 200, 12_000);
    await waitFor('the fast reader to have them', () => fast.updates.length === 200);
    const before = memory();
    for (const reader of slow) reader.tcp.pause();
    // 60 MiB for each: more than the kernel and a bounded queue hold, 500 MiB for all.
    await Promise.all(count(4).map(() => write(login, id, 1_000, 12_000)));
    await waitFor('the fast reader to have all', () => fast.updates.length === 4_200, { ms: 30_000, last: () => fast.updates.length });
    const grown = memory() - before;
    assert.ok(grown < 300, `the relay grew by ${grown.toFixed(0)} MiB for what eight readers do not take`);
    for (const reader of slow) assert.equal(reader.closed, false);

    const [first, ...others] = slow;
    for (const reader of others) reader.close();
    first!.tcp.resume();
    await first!.message('the last update', (text) => text.includes(`"seq":${start.revision + 4_200},`) || text.includes(`"seq":${start.revision + 4_200}}`), 60_000);
    contiguous(covered(first!.events.filter(([name]) => name === 'update').map(([, value]) => value as Update)), start.revision + 1, start.revision + 4_200);
    first!.close();
    fast.close();
  });

  it('receivers see one order', async () => {
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const readers: Client[] = await Promise.all(count(6).map(() => login.connected()));
    await Promise.all(count(6).map(() => write(login, id, 100)));
    const order = (reader: Client) => reader.updates.filter(({ body }) => body['sid'] === id).map(({ body }) => body['message'].seq);
    for (const reader of readers) {
      await waitFor('all messages', () => order(reader).length === 600);
      assert.deepEqual(order(reader), count(600).map((n) => n + 1));
      reader.close();
    }
  });
});

describe('far behind', () => {
  const full = process.env['CONSORTIUM_FULL'] === '1';
  it('more than 100 000 revisions means loading anew', { skip: full ? false : 'only with CONSORTIUM_FULL=1', timeout: 300_000 }, async () => {
    const login = await Login.in(relay.url);
    const start = await head(login);
    const { id } = await login.newSession();
    for (const batch of count(201)) {
      await login.must('POST', `/v3/sessions/${id}/messages`, { messages: count(500).map((n) => ({ content: 'c', localId: `${batch}:${n}` })) });
    }
    const client = await login.connected({ auth: { since: start } });
    await client.event('resync');
    assert.deepEqual(client.updates, []);
    client.close();
  });
});
