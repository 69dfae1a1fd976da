/// Engine.IO and Socket.IO as the official client speaks them, and every event of the contract.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Client, Login, randomText, request } from '../support/client.ts';
import { RawSocket } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { refused, refusedAck } from '../support/refusals.ts';
import { waitFor } from '../support/wait.ts';

const unknownId = '01890000-0000-7000-8000-000000000000';
const mebibyte = 1024 * 1024;
const count = (n: number) => Array.from({ length: n }, (_, at) => at);

let relay: Relay;
/** A second relay, in a hurry: short heartbeats and limits. */
let hasty: Relay;
let alice: Login;
let bob: Login;

before(async () => {
  [relay, hasty] = await Promise.all([
    Relay.start(),
    Relay.start({ args: ['--ping-interval-ms', '150', '--ping-timeout-ms', '300', '--connect-timeout-ms', '400', '--session-timeout-ms', '700', '--rpc-timeout-ms', '500'] }),
  ]);
  [alice, bob] = await Promise.all([Login.in(relay.url), Login.in(relay.url)]);
});
after(() => Promise.all([relay.close(), hasty.close()]));

/** Runs `body` with sockets that are closed afterwards. */
async function using<T extends Client[]>(sockets: Promise<Client>[], body: (...clients: T) => Promise<void>): Promise<void> {
  const open = await Promise.all(sockets);
  try {
    await body(...(open as T));
  } finally {
    for (const client of open) client.close();
  }
}

describe('transports', () => {
  it('open with what they offer', async () => {
    const { status, body } = await request(`${relay.url}/v1/updates/?EIO=4&transport=polling`, 'GET');
    assert.equal(status, 200);
    const { sid, ...offer } = JSON.parse(body.slice(1));
    assert.equal(body[0], '0');
    assert.equal(typeof sid, 'string');
    assert.deepEqual(offer, { upgrades: ['websocket'], pingInterval: 15_000, pingTimeout: 45_000, maxPayload: 16 * mebibyte });
    const raw = await RawSocket.open(relay.port);
    assert.deepEqual(JSON.parse((await raw.message('the open packet', (text) => text[0] === '0')).slice(1)).upgrades, []);
    raw.close();
  });

  it('refuse what they do not speak', async () => {
    for (const query of ['EIO=3&transport=polling', 'EIO=4&transport=carrier-pigeon', 'EIO=4', '', `EIO=4&transport=polling&sid=${unknownId}`, 'EIO=4&transport=polling&sid=x%00y']) {
      const { status } = await request(`${relay.url}/v1/updates/?${query}`, 'GET');
      assert.equal(status, 400, query);
    }
    assert.ok((await request(`${relay.url}/v1/updates/?EIO=4&transport=polling`, 'POST', undefined, { raw: '40' })).status >= 400);
  });

  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']] as ('polling' | 'websocket')[][]) {
    it(`${transports.join(' then ')}: carries events both ways, in order`, async () => {
      const session = await alice.newSession();
      await using([alice.connected({ transports }), alice.connected({ transports })], async (writer: Client, reader: Client) => {
        // Sent at once, so that with both transports some travel during the upgrade.
        const acks = await Promise.all(count(120).map((n) => writer.ask('message', { sid: session.id, message: `text ${n} ü👩‍💻`, localId: `${n}` })));
        assert.deepEqual(acks.map(({ seq }) => seq), count(120).map((n) => n + 1));
        await reader.update('the last message', ({ body }) => body['message']?.seq === 120);
        const seen = reader.updates.filter(({ body }) => body.t === 'new-message' && body['sid'] === session.id);
        assert.deepEqual(seen.map(({ body }) => body['message'].content.c), count(120).map((n) => `text ${n} ü👩‍💻`));
        const name = () => writer.socket.io.engine.transport.name;
        await waitFor(`the transport ${transports.at(-1)}`, () => name() === transports.at(-1), { last: name });
        const big = randomText(3 * mebibyte);
        assert.equal((await writer.ask('message', { sid: session.id, message: big, localId: 'big' })).result, 'success');
        await reader.update('a big one', ({ body }) => body['message']?.content.c === big);
      });
    });
  }

  it('polling: two requests at once close the session', async () => {
    const opened = await request(`${relay.url}/v1/updates/?EIO=4&transport=polling`, 'GET');
    const { sid } = JSON.parse(opened.body.slice(1));
    const url = `${relay.url}/v1/updates/?EIO=4&transport=polling&sid=${sid}`;
    await request(url, 'POST', undefined, { raw: `40${JSON.stringify({ token: alice.token })}`, headers: { 'Content-Type': 'text/plain;charset=UTF-8' } });
    assert.match((await request(url, 'GET')).body, /^40\{"sid"/);
    const [one, two] = await Promise.all([request(url, 'GET'), request(url, 'GET')]);
    assert.ok([one.status, two.status].includes(400) || [one.body, two.body].includes('1'), 'one of them is refused');
    assert.equal((await request(url, 'GET')).status, 400);
  });

  it('keep up a heartbeat, and end without one', async () => {
    const login = await Login.in(hasty.url);
    const quiet = await RawSocket.signedIn(hasty.port, { token: login.token });
    const answering = await RawSocket.signedIn(hasty.port, { token: login.token });
    const pings = () => answering.messages.filter((text) => text === '2').length;
    let answered = 0;
    const official = await Promise.all([login.connected(), login.connected({ transports: ['polling'] })]);
    await waitFor('eight pings', () => {
      for (; answered < pings(); answered += 1) answering.text('3');
      return pings() >= 8;
    }, { every: 10 });
    await quiet.gone(5_000);
    assert.equal(answering.closed, false);
    for (const client of official) assert.deepEqual([client.socket.connected, client.disconnects], [true, []]);
    for (const client of official) client.close();
    answering.close();
  });

  it('end when nobody signs in', async () => {
    const raw = await RawSocket.open(hasty.port);
    const answering = setInterval(() => raw.text('3'), 100);
    await raw.gone(5_000).finally(() => clearInterval(answering));
  });

  it('end when somebody who has not signed in takes no answers', async () => {
    const raw = await RawSocket.open(relay.port);
    raw.tcp.pause();
    const asking = '40/elsewhere,';
    // Far more than the system holds for the two of them.
    for (let n = 0; n < 200_000; n += 1) raw.text(asking);
    await waitFor('all of it to be taken, or refused', () => raw.tcp.destroyed || raw.tcp.writableLength === 0, { ms: 30_000 });
    raw.tcp.resume();
    await raw.gone();
    assert.ok(raw.messages.length < 200_000, 'every answer was kept');
  });
});

describe('the handshake', () => {
  const cases: [string, () => Record<string, unknown>, RegExp][] = [
    ['no token', () => ({}), /^Missing authentication token$/],
    ['an empty token', () => ({ token: '' }), /token/],
    ['a bad token', () => ({ token: 'a.b.c' }), /^Invalid authentication token$/],
    ['a token that is no string', () => ({ token: 5 }), /token/],
    ['a session client without a session', () => ({ token: alice.token, clientType: 'session-scoped' }), /^Session ID required for session-scoped clients$/],
    ['a machine client without a machine', () => ({ token: alice.token, clientType: 'machine-scoped' }), /^Machine ID required for machine-scoped clients$/],
    ['a session nobody has', () => ({ token: alice.token, clientType: 'session-scoped', sessionId: unknownId }), /./],
    ['an unknown kind of client', () => ({ token: alice.token, clientType: 'toaster' }), /./],
    ['a since that is none', () => ({ token: alice.token, since: { log: 5, revision: 'x' } }), /./],
  ];
  for (const [what, auth, text] of cases) {
    it(`refuses ${what}`, async () => {
      const client = new Client(relay.url, auth());
      assert.match(await client.refused(), text);
      assert.equal(client.socket.active, false, 'clients do not try again');
      client.close();
    });
  }

  it('refuses the session of another account like one that nobody has', async () => {
    const theirs = await bob.newSession();
    const ask = (sessionId: string) => alice.socket({ auth: { clientType: 'session-scoped', sessionId } }).refused();
    assert.equal(await ask(theirs.id), await ask(unknownId));
  });

  it('accepts a machine that is not registered yet', async () => {
    const client = await alice.connected({ auth: { clientType: 'machine-scoped', machineId: 'not-yet' } });
    await client.flushed();
    client.close();
  });

  it('keeps events that come with it', async () => {
    const { id } = await alice.newSession();
    const raw = await RawSocket.open(relay.port);
    raw.text(`40${JSON.stringify({ token: alice.token })}`);
    raw.emit('message', { sid: id, message: 'early', localId: 'e' }, 7);
    assert.equal(JSON.parse((await raw.message('its acknowledgement', (text) => text.startsWith('437'))).slice(3))[0].seq, 1);
    raw.close();
  });
});

describe('malformed frames', () => {
  it('close the connection or are ignored, and harm nobody else', async () => {
    const witness = await alice.connected();
    const auth = { token: alice.token };
    const frames: ((raw: RawSocket) => void)[] = [
      ...['', '9', 'x', '4', '49', '42', '42[', '42{}', '42[]', '42[5]', '42[null]', '42["message"', `42${'['.repeat(200_000)}`, '42"x"', '4299999999999999999999["ping"]', '42-1["ping"]',
        '43', '430[]', '43999999999[1]', '43x[]', '45', '451-["message",{"_placeholder":true,"num":0}]', '46', '461-0[]', '40', '40{', '41', '42/other,["x"]', '40/other,{}', '5', '6', '0{}', '1', '2probe', '3probe', '\ud800']
        .map((text) => (raw: RawSocket) => raw.text(text)),
      (raw) => raw.frame(2, Buffer.from([1, 2, 3])),
      (raw) => raw.frame(1, Buffer.from([0x34, 0x32, 0xff, 0xfe])),
      (raw) => raw.frame(3, Buffer.from('reserved')),
      (raw) => raw.frame(0, Buffer.from('a continuation of nothing')),
      (raw) => raw.frame(9, Buffer.alloc(126)),
      (raw) => raw.frame(8, Buffer.from([3])),
      (raw) => raw.tcp.write(Buffer.from([0x81, 0x02, 0x34, 0x32])),
      (raw) => raw.tcp.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0])),
    ];
    for (const [n, send] of frames.entries()) {
      const raw = await RawSocket.signedIn(relay.port, auth);
      const before = raw.messages.length;
      send(raw);
      if (!raw.closed) raw.emit('ping', undefined as never, 1);
      await waitFor(`an answer to frame ${n}, or the end`, () => raw.closed || raw.messages.slice(before).some((text) => text.startsWith('431')));
      raw.close();
    }
    await witness.flushed();
    witness.close();
  });

  it('too large a frame closes with 1009', async () => {
    const raw = await RawSocket.signedIn(relay.port, { token: alice.token });
    raw.frame(1, Buffer.alloc(16 * mebibyte + 1, 'x'));
    await raw.gone();
    assert.ok(raw.closeCode === 1009 || raw.closeCode === undefined, `code ${raw.closeCode}`);
    assert.equal((await request(`${relay.url}/health`, 'GET')).status, 200);
  });
});

describe('acknowledgements', () => {
  it('answer every event that asks, whatever it holds', async () => {
    await using([alice.connected()], async (client: Client) => {
      const { id } = await alice.newSession();
      const payloads = [undefined, null, 5, 'text', [], {}, { sid: 5 }, { sid: id }, { sid: unknownId, message: 'm', metadata: 'm', agentState: 'm', expectedVersion: 0 },
        { sid: id, message: 5, metadata: 5, agentState: 5, expectedVersion: 0 }, { sid: id, message: 'm', metadata: 'm', agentState: 'm', expectedVersion: 'x' },
        { sid: id, metadata: 'm', agentState: 'a', expectedVersion: -7 }, { sid: id, metadata: 'm', agentState: 'a', expectedVersion: 0.5 },
        { machineId: 'none', metadata: 'm', daemonState: 'd', expectedVersion: 0 }, { machineId: 5, metadata: 'm', daemonState: 'd', expectedVersion: 0 }];
      for (const event of ['update-metadata', 'update-state', 'machine-update-metadata', 'machine-update-state']) {
        for (const payload of payloads) {
          const ack = payload === undefined ? await client.ask(event) : await client.ask(event, payload);
          refusedAck(ack);
        }
      }
      for (const payload of payloads.filter((payload) => (payload as any)?.message !== 'm' || (payload as any).sid !== id)) {
        refusedAck(payload === undefined ? await client.ask('message') : await client.ask('message', payload));
      }
      for (const payload of payloads) {
        const ack = payload === undefined ? await client.ask('rpc-call') : await client.ask('rpc-call', payload);
        assert.equal(ack.ok, false);
        assert.equal(typeof ack.error, 'string');
      }
      // No clients ask for these, but an acknowledgement is an acknowledgement.
      for (const event of ['session-alive', 'session-end', 'machine-alive', 'rpc-register', 'rpc-unregister', 'stream']) {
        for (const payload of [null, 5, { sid: id, time: Date.now() }]) await client.ask(event, payload);
      }
      for (const payload of [null, 5, { sid: id, time: Date.now() }]) refusedAck(await client.ask('no-such-event', payload), 'not-found');
      assert.deepEqual(await client.ask('ping'), {});
    });
  });

  it('say that foreign and unknown sessions are not there, in the same words', async () => {
    const theirs = await bob.newSession();
    await using([alice.connected()], async (client: Client) => {
      for (const [event, fields] of [['message', { message: 'm' }], ['update-metadata', { metadata: 'm', expectedVersion: 0 }], ['update-state', { agentState: 'm', expectedVersion: 0 }]] as const) {
        const foreign = await client.ask(event, { sid: theirs.id, ...fields });
        refusedAck(foreign, 'not-found');
        assert.deepEqual(foreign, await client.ask(event, { sid: unknownId, ...fields }));
      }
    });
    assert.deepEqual(await bob.allMessages(theirs.id), []);
  });

  it('of too much say so, and the connection lives', async () => {
    const { id, metadataVersion } = await alice.newSession();
    await using([alice.connected()], async (client: Client) => {
      refusedAck(await client.ask('message', { sid: id, message: 'x'.repeat(8 * mebibyte + 1) }), 'too-large');
      refusedAck(await client.ask('message', { sid: id, message: 'x', localId: 'x'.repeat(257) }), 'too-large');
      refusedAck(await client.ask('update-metadata', { sid: id, metadata: 'x'.repeat(mebibyte + 1), expectedVersion: metadataVersion }), 'too-large');
      refusedAck(await client.ask('update-state', { sid: id, agentState: 'x'.repeat(mebibyte + 1), expectedVersion: 0 }), 'too-large');
      await client.flushed();
    });
    assert.deepEqual(await alice.allMessages(id), []);
  });
});

describe('message', () => {
  it('is acknowledged once durable, and once per localId', async () => {
    const { id } = await alice.newSession();
    await using([alice.connected(), alice.connected()], async (writer: Client, reader: Client) => {
      const first = await writer.ask('message', { sid: id, message: 'one', localId: 'a' });
      assert.deepEqual(Object.keys(first).sort(), ['createdAt', 'id', 'localId', 'result', 'revision', 'seq']);
      assert.deepEqual([first.result, first.seq, first.localId], ['success', 1, 'a']);
      assert.deepEqual(await writer.ask('message', { sid: id, message: 'other', localId: 'a' }), first);
      const { messages } = await alice.must('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: 'third', localId: 'a' }] });
      assert.equal(messages[0].id, first.id, 'HTTP knows it too');
      const bare = await writer.ask('message', { sid: id, message: 'two' });
      assert.deepEqual([bare.seq, bare.localId], [2, null]);
      const odd = await writer.ask('message', { sid: id, message: 'three', localId: 5 });
      assert.deepEqual([odd.seq, odd.localId], [3, null]);

      const update = await reader.update('the first', ({ body }) => body['sid'] === id && body['message']?.seq === 1);
      assert.deepEqual(Object.keys(update).sort(), ['body', 'createdAt', 'id', 'seq']);
      assert.match(update.id, /^[A-Za-z0-9]{12}$/);
      assert.equal(update.seq, first.revision);
      assert.deepEqual(update.body['message'], (await alice.allMessages(id))[0]);
      await reader.update('the third', ({ body }) => body['message']?.seq === 3);
      assert.equal(reader.updates.filter(({ body }) => body['sid'] === id).length, 3);
      assert.equal(writer.updates.filter(({ body }) => body['sid'] === id).length, 0, 'its own messages are not sent back to a socket');
    });
  });

  it('sent over HTTP reaches every socket', async () => {
    const { id } = await alice.newSession();
    await using([alice.connected()], async (client: Client) => {
      await alice.must('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: 'c', localId: 'l' }] });
      await client.update('it', ({ body }) => body['sid'] === id);
    });
  });

  it('comes before the answer to a ping that was sent after it', async () => {
    const { id } = await alice.newSession();
    await using([alice.connected()], async (client: Client) => {
      for (const n of count(200)) client.emit('message', { sid: id, message: `${n}`, localId: `${n}` });
      await client.flushed();
      assert.equal((await alice.allMessages(id)).length, 200);
    });
  });
});

describe('rooms', () => {
  it('hold who may hear it, and nobody else', async () => {
    const [session, other] = [await alice.newSession(), await alice.newSession()];
    await alice.must('POST', '/v1/machines', { id: 'rooms', metadata: 'm' });
    await alice.must('POST', '/v1/machines', { id: 'rooms-2', metadata: 'm' });
    const scoped = (auth: Record<string, unknown>) => alice.connected({ auth });
    await using(
      [scoped({}), scoped({ clientType: 'session-scoped', sessionId: session.id }), scoped({ clientType: 'session-scoped', sessionId: other.id }),
        scoped({ clientType: 'machine-scoped', machineId: 'rooms' }), bob.connected(), alice.connected()],
      async (user: Client, inside: Client, outside: Client, machine: Client, stranger: Client, actor: Client) => {
        const everyone = [user, inside, outside, machine, stranger];
        const hearers = async (act: () => Promise<unknown>, matches: (client: Client) => boolean) => {
          await act();
          await waitFor('the user to hear it', () => matches(user), { last: () => user.events.slice(-3) });
          for (const client of everyone) await client.flushed();
          return everyone.map(matches);
        };
        const update = (t: string, field: string, id: string) => (client: Client) => client.updates.some(({ body }) => body.t === t && body[field] === id);
        const ephemeral = (type: string, field: string, id: string) => (client: Client) => client.ephemerals.some((value) => value.type === type && value[field] === id);

        const both = [true, true, false, false, false];
        const userOnly = [true, false, false, false, false];
        const { id } = session;
        assert.deepEqual(await hearers(() => actor.ask('message', { sid: id, message: 'm' }), update('new-message', 'sid', id)), both);
        assert.deepEqual(await hearers(() => actor.ask('update-metadata', { sid: id, metadata: 'x', expectedVersion: session.metadataVersion }), update('update-session', 'id', id)), both);
        assert.deepEqual(await hearers(async () => actor.emit('stream', { sid: id, c: 'x' }), ephemeral('stream', 'sid', id)), both);
        assert.deepEqual(await hearers(async () => actor.emit('session-alive', { sid: id, time: Date.now(), thinking: true }), ephemeral('activity', 'id', id)), userOnly);
        const fresh = await alice.newSession();
        assert.deepEqual(await hearers(async () => {}, update('new-session', 'id', fresh.id)), userOnly);
        const { machine: row } = await alice.must('GET', '/v1/machines/rooms');
        assert.deepEqual(
          await hearers(() => actor.ask('machine-update-metadata', { machineId: 'rooms', metadata: 'n', expectedVersion: row.metadataVersion }), update('update-machine', 'machineId', 'rooms')),
          [true, false, false, true, false],
        );
        await alice.must('POST', '/v1/machines', { id: 'rooms-3', metadata: 'm' });
        assert.deepEqual(await hearers(async () => {}, update('new-machine', 'machineId', 'rooms-3')), userOnly);
        assert.deepEqual(await hearers(() => alice.delete(`/v1/sessions/${id}`), update('delete-session', 'sid', id)), [true, true, false, false, false]);
        assert.deepEqual(stranger.updates, []);
        assert.deepEqual(stranger.ephemerals, []);
      },
    );
  });
});

describe('metadata and states', () => {
  it('are changed by whoever knows the current version', async () => {
    const session = await alice.newSession({ metadata: 'first' });
    await using([alice.connected(), alice.connected()], async (client: Client, reader: Client) => {
      const done = await client.ask('update-metadata', { sid: session.id, metadata: 'second', expectedVersion: session.metadataVersion });
      assert.deepEqual(Object.keys(done).sort(), ['metadata', 'result', 'version']);
      assert.deepEqual([done.result, done.metadata], ['success', 'second']);
      assert.ok(done.version > session.metadataVersion);
      assert.deepEqual(await client.ask('update-metadata', { sid: session.id, metadata: 'third', expectedVersion: session.metadataVersion }), { result: 'version-mismatch', version: done.version, metadata: 'second' });
      assert.equal((await client.ask('update-metadata', { sid: session.id, metadata: 'third', expectedVersion: done.version + 100 })).result, 'version-mismatch');
      for (const [state, expectedVersion] of [['one', -1], [null, undefined]] as const) {
        const current = (await alice.must('GET', '/v1/sessions')).sessions.find(({ id }: any) => id === session.id);
        const ack = await client.ask('update-state', { sid: session.id, agentState: state, expectedVersion: expectedVersion ?? current.agentStateVersion });
        assert.deepEqual([ack.result, ack.agentState], ['success', state]);
      }
      assert.equal((await client.ask('update-state', { sid: session.id, agentState: 'x', expectedVersion: 0 })).result, 'version-mismatch', 'it has been written');
      const own = await client.update('its own change', ({ body }) => body.t === 'update-session' && body['id'] === session.id);
      assert.deepEqual(own.body, { t: 'update-session', id: session.id, metadata: { value: 'second', version: done.version } });
      assert.equal(own.seq, done.version);
      await reader.update('the state', ({ body }) => body.t === 'update-session' && body['agentState']?.value === null);
    });
  });

  it('of machines likewise', async () => {
    const { machine } = await alice.must('POST', '/v1/machines', { id: 'cas', metadata: 'first' });
    await using([alice.connected()], async (client: Client) => {
      const done = await client.ask('machine-update-metadata', { machineId: 'cas', metadata: 'second', expectedVersion: machine.metadataVersion });
      assert.deepEqual([done.result, done.metadata], ['success', 'second']);
      const late = await client.ask('machine-update-metadata', { machineId: 'cas', metadata: 'third', expectedVersion: machine.metadataVersion });
      assert.deepEqual(late, { result: 'version-mismatch', version: done.version, metadata: 'second' });
      const state = await client.ask('machine-update-state', { machineId: 'cas', daemonState: 'running', expectedVersion: 0 });
      assert.deepEqual([state.result, state.daemonState], ['success', 'running']);
      const now = (await alice.must('GET', '/v1/machines/cas')).machine;
      assert.deepEqual([now.metadata, now.metadataVersion, now.daemonState, now.daemonStateVersion, now.active], ['second', done.version, 'running', state.version, true]);
    });
  });

  it('never lose an update among racing writers', async () => {
    const session = await alice.newSession({ metadata: '0' });
    await using(count(8).map(() => alice.connected()), async (...clients: Client[]) => {
      const race = await Promise.all(clients.map((client, n) => client.ask('update-metadata', { sid: session.id, metadata: `racer ${n}`, expectedVersion: session.metadataVersion })));
      const winners = race.filter(({ result }) => result === 'success');
      assert.equal(winners.length, 1);
      for (const ack of race) assert.deepEqual([ack.version, ack.metadata], [winners[0].version, winners[0].metadata], 'losers learn the current value');

      const versions: number[] = [];
      await clients[0]!.ask('update-metadata', { sid: session.id, metadata: '0', expectedVersion: winners[0].version });
      await Promise.all(clients.map(async (client) => {
        let [version, value] = [0, '0'];
        for (let wins = 0; wins < 10;) {
          const ack = await client.ask('update-metadata', { sid: session.id, metadata: String(Number(value) + 1), expectedVersion: version });
          [version, value] = [ack.version, ack.metadata];
          if (ack.result === 'success') {
            wins += 1;
            versions.push(version);
          }
        }
      }));
      assert.equal(new Set(versions).size, 80);
      assert.equal((await alice.must('GET', '/v1/sessions')).sessions.find(({ id }: any) => id === session.id).metadata, '80');
    });
  });
});

describe('the lease of a session', () => {
  it('is taken from the epoch that is there, and what names another is refused', async () => {
    const { id } = await alice.newSession();
    const elsewhere = await Login.in(relay.url, alice.account);
    await using([alice.connected(), alice.connected({ auth: { clientType: 'session-scoped', sessionId: id } }), elsewhere.connected()], async (writer: Client, reader: Client, other: Client) => {
      const message = (fields: object) => writer.ask('message', { sid: id, message: 'm', ...fields });
      assert.equal((await message({})).result, 'success', 'nobody ever took it');
      const first = await writer.ask('session-lease', { sid: id });
      assert.deepEqual(Object.keys(first).sort(), ['epoch', 'result']);
      assert.deepEqual((await reader.update('the lease', ({ body }) => body['epoch'] !== undefined)).body, { t: 'update-session', id, epoch: first.epoch });
      assert.deepEqual(await writer.ask('session-lease', { sid: id, expectedEpoch: 0 }), { result: 'version-mismatch', epoch: first.epoch });
      const second = await writer.ask('session-lease', { sid: id, expectedEpoch: first.epoch });
      assert.equal(second.result, 'success');
      assert.ok(second.epoch > first.epoch);

      const { seq } = (await alice.must('GET', `/v1/sessions/${id}`)).session;
      const before = await alice.must('GET', `/v1/sessions/${id}`);
      const post = (fields: object) => alice.post(`/v3/sessions/${id}/messages`, { messages: [{ content: 'm', localId: randomText() }], ...fields });
      for (const named of [{}, { epoch: 0 }, { epoch: first.epoch }, { epoch: second.epoch + 1 }]) {
        refusedAck(await message(named), 'stale-epoch');
        refusedAck(await writer.ask('update-state', { sid: id, agentState: 's', expectedVersion: before.session.agentStateVersion, ...named }), 'stale-epoch');
        refusedAck(await writer.ask('update-metadata', { sid: id, metadata: 's', expectedVersion: before.session.metadataVersion, ...named }), 'stale-epoch');
        refused(await post(named), 409, 'stale-epoch');
      }
      assert.deepEqual((await alice.must('GET', `/v1/sessions/${id}`)).session, before.session, 'nothing of it is stored');

      const named = { epoch: second.epoch };
      assert.equal((await message(named)).seq, seq + 1);
      assert.equal((await post(named)).status, 200);
      assert.equal((await writer.ask('update-state', { sid: id, agentState: 's', expectedVersion: before.session.agentStateVersion, ...named })).result, 'success');
      assert.equal((await writer.ask('update-metadata', { sid: id, metadata: 's', expectedVersion: before.session.metadataVersion, ...named })).result, 'success');
      refusedAck(await other.ask('session-lease', { sid: id }), 'forbidden');
      assert.equal((await other.ask('message', { sid: id, message: 'from a browser' })).result, 'success');
      refusedAck(await message({ epoch: 'x' }), 'bad-request');
      refusedAck(await writer.ask('session-lease', { sid: id, expectedEpoch: -1 }), 'bad-request');
      refusedAck(await writer.ask('session-lease', { sid: unknownId }), 'not-found');
    });
  });

  it('has one holder among racing ones', async () => {
    const { id } = await alice.newSession();
    await using(count(8).map(() => alice.connected()), async (...clients: Client[]) => {
      let epoch = 0;
      for (let round = 0; round < 5; ++round) {
        const race = await Promise.all(clients.map((client) => client.ask('session-lease', { sid: id, expectedEpoch: epoch })));
        const won = race.filter(({ result }) => result === 'success');
        assert.equal(won.length, 1);
        assert.ok(won[0].epoch > epoch);
        epoch = won[0].epoch;
        for (const ack of race) assert.equal(ack.epoch, epoch, 'losers learn the current one');
      }
      const said = await Promise.all(clients.map((client, at) => client.ask('message', { sid: id, message: 'm', epoch: at === 3 ? epoch : epoch - 1 })));
      assert.deepEqual(said.map(({ result }) => result === 'success'), count(8).map((at) => at === 3));
    });
  });
});

describe('presence', () => {
  it('of sessions follows their heartbeats', async () => {
    const { id } = await alice.newSession();
    await using([alice.connected(), alice.connected({ auth: { clientType: 'session-scoped', sessionId: id } })], async (user: Client, agent: Client) => {
      const activity = (what: string, matches: (value: any) => boolean) => user.ephemeral(what, (value) => value.type === 'activity' && value.id === id && matches(value));
      agent.emit('session-alive', { sid: id, time: Date.now(), thinking: true, mode: 'remote' });
      const busy = await activity('thinking', ({ thinking, active }) => thinking === true && active === true);
      assert.deepEqual(Object.keys(busy).sort(), ['active', 'activeAt', 'id', 'thinking', 'type']);
      agent.emit('session-alive', { sid: id, time: Date.now(), thinking: false });
      await activity('idle, at once', ({ thinking, active }) => thinking === false && active === true);
      agent.emit('session-alive', { sid: id, time: Date.now() + 3_600_000, thinking: true });
      await waitFor('the third', () => user.ephemerals.filter((value) => value.id === id).length >= 3);
      assert.ok(user.ephemerals.every(({ activeAt }) => activeAt <= Date.now() + 1_000), 'no time that is ahead');
      agent.emit('session-end', { sid: id, time: Date.now() - 3_600_000 });
      await agent.flushed();
      assert.equal((await alice.must('GET', '/v1/sessions')).sessions.find((session: any) => session.id === id).active, true, 'an end of long ago is ignored');
      agent.emit('session-end', { sid: id, time: Date.now() });
      await activity('the end', ({ active, thinking }) => active === false && thinking === false);
      const update = await user.update('the durable end', ({ body }) => body.t === 'session-activity' && body['id'] === id && body['active'] === false);
      assert.equal(typeof update.body['activeAt'], 'number');
      assert.equal((await alice.must('GET', '/v1/sessions')).sessions.find((session: any) => session.id === id).active, false);
    });
  });

  it('of sessions ends with their silence', async () => {
    const login = await Login.in(hasty.url);
    const { id } = await login.newSession();
    await using([login.connected()], async (client: Client) => {
      client.emit('session-alive', { sid: id, time: Date.now(), thinking: false });
      await client.update('it is given up', ({ body }) => body.t === 'session-activity' && body['id'] === id && body['active'] === false);
      client.emit('session-alive', { sid: id, time: Date.now(), thinking: false });
      await client.update('it is back', ({ body }) => body.t === 'session-activity' && body['id'] === id && body['active'] === true);
    });
  });

  it('of machines follows their sockets', async () => {
    await alice.must('POST', '/v1/machines', { id: 'here', metadata: 'm' });
    await using([alice.connected()], async (user: Client) => {
      const active = (value: boolean) => user.ephemeral(`active ${value}`, (seen) => seen.type === 'machine-activity' && seen.id === 'here' && seen.active === value);
      const auth = { clientType: 'machine-scoped', machineId: 'here' };
      const old = await alice.connected({ auth });
      await active(true);
      const newer = await alice.connected({ auth });
      old.close();
      newer.emit('machine-alive', { machineId: 'here', time: Date.now() });
      await newer.flushed();
      await user.flushed();
      assert.equal(user.ephemerals.some((seen) => seen.id === 'here' && seen.active === false), false, 'another socket is still there');
      newer.close();
      await active(false);
    });
  });
});

describe('stream', () => {
  it('is passed on in its place between messages, and never stored', async () => {
    const { id } = await alice.newSession();
    const before = (await alice.must('GET', '/v1/sessions')).revision;
    await using([alice.connected(), alice.connected({ auth: { clientType: 'session-scoped', sessionId: id } })], async (reader: Client, writer: Client) => {
      for (const n of count(40)) {
        writer.emit('message', { sid: id, message: `m${n}`, localId: `${n}` });
        writer.emit('stream', { sid: id, c: `s${n}` });
      }
      await writer.flushed();
      await reader.update('the last message', ({ body }) => body['message']?.content.c === 'm39');
      const seen = reader.events.filter(([name]) => name !== 'caught-up').map(([, value]) => value.body?.message?.content.c ?? value.c);
      const messages = seen.filter((text) => text?.startsWith('m'));
      assert.deepEqual(messages, count(40).map((n) => `m${n}`));
      for (const [at, text] of seen.entries()) {
        if (text?.startsWith('s')) assert.ok(seen.indexOf(`m${text.slice(1)}`) < at, `${text} came before the message sent before it`);
      }
      assert.ok(seen.some((text) => text?.startsWith('s')));
      assert.equal(writer.ephemerals.length, 0, 'not sent back');
    });
    assert.equal((await alice.must('GET', '/v1/sessions')).revision, before + 40);
  });

  it('needs a session of the account', async () => {
    const theirs = await bob.newSession();
    await using([bob.connected(), alice.connected()], async (reader: Client, intruder: Client) => {
      intruder.emit('stream', { sid: theirs.id, c: 'x' });
      intruder.emit('stream', { sid: theirs.id });
      intruder.emit('stream', 'x');
      await intruder.flushed();
      await reader.flushed();
      assert.deepEqual(reader.ephemerals, []);
    });
  });
});

describe('calls', () => {
  function failed(ack: any, text: string): void {
    assert.deepEqual([ack.ok, ack.error], [false, text]);
  }

  /** Registers a method and answers its calls. */
  async function serve(client: Client, method: string, answer: (params: string) => string | Promise<string> | undefined): Promise<void> {
    client.socket.on('rpc-request', async (request: { method: string; params: string }, reply: (result: string) => void) => {
      if (request.method !== method) return;
      const result = await answer(request.params);
      if (result !== undefined) reply(result);
    });
    client.emit('rpc-register', { method });
    await client.event('rpc-registered', (value) => value.method === method);
  }

  it('reach who registered, and bring the answer back', async () => {
    await using([alice.connected(), alice.connected(), bob.connected()], async (server: Client, caller: Client, stranger: Client) => {
      await serve(server, 'a:echo', (params) => `<${params}>`);
      assert.deepEqual(await caller.ask('rpc-call', { method: 'a:echo', params: 'hello' }), { ok: true, result: '<hello>' });
      const answers = await Promise.all(count(60).map((n) => caller.ask('rpc-call', { method: 'a:echo', params: `${n}` })));
      assert.deepEqual(answers.map(({ result }) => result), count(60).map((n) => `<${n}>`));
      const long = randomText(4 * mebibyte);
      assert.equal((await caller.ask('rpc-call', { method: 'a:echo', params: long })).result, `<${long}>`);
      failed(await server.ask('rpc-call', { method: 'a:echo', params: 'x' }), 'Cannot call RPC on the same socket');
      failed(await caller.ask('rpc-call', { params: 'x' }), 'Invalid parameters: method is required');
      failed(await stranger.ask('rpc-call', { method: 'a:echo', params: 'x' }), 'RPC method not available');

      server.emit('rpc-unregister', { method: 'a:echo' });
      await server.event('rpc-unregistered', ({ method }) => method === 'a:echo');
      failed(await caller.ask('rpc-call', { method: 'a:echo', params: 'x' }), 'RPC method not available');
      server.emit('rpc-unregister', { method: 'never held' });
      await server.event('rpc-unregistered', ({ method }) => method === 'never held');
      server.emit('rpc-register', { method: '' });
      await server.event('rpc-error', ({ type, error }) => type === 'register' && error === 'Invalid method name');
      server.emit('rpc-unregister', {});
      await server.event('rpc-error', ({ type }) => type === 'unregister');
    });
  });

  for (const transports of [['polling'], ['websocket']] as ('polling' | 'websocket')[][]) {
    it(`${transports[0]}: carry bytes there and back`, async () => {
      await using([alice.connected({ transports }), alice.connected({ transports })], async (server: Client, caller: Client) => {
        const method = `bytes:${transports[0]}`;
        server.socket.on('rpc-request', (request, reply) => {
          if (request.method === method) reply({ back: request.params, more: Buffer.from([0, 255]) });
        });
        server.emit('rpc-register', { method });
        await server.event('rpc-registered', (value) => value.method === method);
        const call = (params: unknown) => caller.ask('rpc-call', { method, params });
        const bytes = randomBytes(500_000);
        const answered = (back: unknown) => ({ ok: true, result: { back, more: Buffer.from([0, 255]) } });
        assert.deepEqual(await call(bytes), answered(bytes));
        const several = { name: 'a', parts: [Buffer.alloc(0), Buffer.from('ü')], rest: null };
        assert.deepEqual(await call(several), answered(several));
        const answers = await Promise.all(count(20).map((n) => call(Buffer.from([n]))));
        assert.deepEqual(answers, count(20).map((n) => answered(Buffer.from([n]))));
        // Who is called without bytes may answer with some, and the other way round.
        assert.deepEqual(await call('text'), answered('text'));
        await serve(server, `${method}:size`, (params) => `${(params as unknown as Buffer).length}`);
        assert.deepEqual(await caller.ask('rpc-call', { method: `${method}:size`, params: bytes }), { ok: true, result: '500000' });
      });
    });

    it(`${transports[0]}: refuse bytes where none belong, and nobody loses the connection`, async () => {
      const session = await alice.newSession();
      await using([alice.connected({ transports }), alice.connected({ transports })], async (server: Client, caller: Client) => {
        const bytes = Buffer.from([1, 2, 3]);
        const method = `text:${transports[0]}`;
        server.socket.on('rpc-request', (request, reply) => {
          if (request.method === method) reply('text', bytes);
        });
        server.emit('rpc-register', { method });
        await server.event('rpc-registered', (value) => value.method === method);
        refusedAck(await caller.ask('message', { sid: session.id, message: bytes }), 'bad-request');
        refusedAck(await caller.ask('message', { sid: session.id, message: 'text' }, bytes), 'bad-request');
        refusedAck(await caller.ask('update-metadata', { sid: session.id, metadata: 'm', expectedVersion: 0, more: bytes }), 'bad-request');
        refusedAck(await caller.ask('ping', bytes), 'bad-request');
        refusedAck(await caller.ask('no-such-event', bytes), 'not-found');
        for (const args of [[{ method, params: 'x', more: bytes }], [{ method, params: 'x' }, bytes], [{ method, params: bytes }, bytes], [bytes]]) {
          const ack = await caller.ask('rpc-call', ...args);
          assert.deepEqual([ack.ok, ack.code], [false, 'bad-request']);
        }
        // What the other end answers beside its text is its fault.
        assert.equal((await caller.ask('rpc-call', { method, params: 'x' })).ok, false);
        caller.emit('session-alive', { sid: session.id, time: bytes });
        for (const client of [server, caller]) {
          await client.flushed();
          assert.deepEqual(client.disconnects, []);
        }
      });
    });
  }

  it('take as many pieces of bytes as the official client does; more end the connection of who sent them alone', async () => {
    const strays = await alice.connected();
    await using([alice.connected(), alice.connected()], async (server: Client, caller: Client) => {
      server.socket.on('rpc-request', (request, reply) => {
        if (request.method === 'pieces') reply(request.params);
      });
      server.emit('rpc-register', { method: 'pieces' });
      await server.event('rpc-registered', ({ method }) => method === 'pieces');
      const pieces = (n: number) => ({ method: 'pieces', params: count(n).map((at) => Buffer.from([at])) });
      assert.deepEqual(await caller.ask('rpc-call', pieces(10)), { ok: true, result: pieces(10).params });
      strays.emit('rpc-call', pieces(11));
      await waitFor('its end', () => strays.disconnects.length === 1);
      for (const client of [server, caller]) {
        await client.flushed();
        assert.deepEqual(client.disconnects, []);
      }
    });
    strays.close();
  });

  it('bound what waits for its attachments, for all of an account together', async () => {
    const small = await Relay.start({ args: ['--account-body-mib', '17'] });
    const login = await Login.in(small.url);
    const witness = await login.connected();
    const head = '452-7["rpc-call",{"method":"none","params":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}]';
    const begin = async () => {
      const raw = await RawSocket.signedIn(small.port, { token: login.token });
      raw.text(head);
      raw.frame(2, Buffer.alloc(6 * mebibyte));
      return raw;
    };
    const open: RawSocket[] = [];
    await waitFor('one that finds no room', async () => {
      open.push(await begin());
      const last = open.at(-1)!;
      return waitFor('it to end, or not', () => last.closed, { ms: 300 }).catch(() => false);
    });
    assert.ok(open.length <= 4, `${open.length} began`);
    const first = open[0]!;
    first.frame(2, Buffer.from([1]));
    await first.message('the answer to the first', (text) => text.startsWith('437'));
    await witness.flushed();
    witness.close();
    open.forEach((raw) => raw.close());
    await small.close();
  });

  it('go to the last who registered, and back to the one before when it leaves', async () => {
    await using([alice.connected(), alice.connected(), alice.connected()], async (first: Client, second: Client, caller: Client) => {
      await serve(first, 'b:who', () => 'first');
      await serve(second, 'b:who', () => 'second');
      const who = async () => (await caller.ask('rpc-call', { method: 'b:who', params: '' })).result;
      assert.equal(await who(), 'second');
      second.close();
      await waitFor('the first to be asked again', async () => (await who()) === 'first');
      first.close();
      await waitFor('nobody to be left', async () => (await caller.ask('rpc-call', { method: 'b:who', params: '' })).error === 'RPC method not available');
    });
  });

  it('fail at once when who should answer leaves', async () => {
    await using([alice.connected(), alice.connected()], async (server: Client, caller: Client) => {
      const asked = Promise.withResolvers<void>();
      await serve(server, 'c:leave', () => {
        asked.resolve();
        return undefined;
      });
      const answer = caller.ask('rpc-call', { method: 'c:leave', params: '' });
      await asked.promise;
      const before = performance.now();
      server.close();
      failed(await answer, 'RPC target disconnected');
      assert.ok(performance.now() - before < 2_000);
    });
  });

  it('end with their time', async () => {
    const login = await Login.in(hasty.url);
    await using([login.connected(), login.connected()], async (server: Client, caller: Client) => {
      await serve(server, 'd:silence', () => undefined);
      failed(await caller.ask('rpc-call', { method: 'd:silence', params: '' }), 'operation has timed out');
      await serve(server, 'd:after', () => 'fine');
      assert.equal((await caller.ask('rpc-call', { method: 'd:after', params: '' })).result, 'fine');
    });
  });

  it('come after what their caller said before', async () => {
    const { id } = await alice.newSession();
    await using([alice.connected({ auth: { clientType: 'session-scoped', sessionId: id } }), alice.connected()], async (server: Client, caller: Client) => {
      await serve(server, `${id}:count`, () => String(server.updates.filter(({ body }) => body.t === 'new-message').length));
      for (const n of count(50)) caller.emit('message', { sid: id, message: `${n}`, localId: `${n}` });
      assert.equal((await caller.ask('rpc-call', { method: `${id}:count`, params: '' })).result, '50');
    });
  });

  it('have limits that say so', async () => {
    await using([alice.connected(), alice.connected()], async (server: Client, caller: Client) => {
      server.emit('rpc-register', { method: 'x'.repeat(513) });
      await server.event('rpc-error', ({ type }) => type === 'register');
      for (const n of count(256)) server.emit('rpc-register', { method: `e:${n}` });
      await server.event('rpc-registered', ({ method }) => method === 'e:255');
      const errors = server.events.filter(([name]) => name === 'rpc-error').length;
      server.emit('rpc-register', { method: 'e:256' });
      await waitFor('the 257th to be refused', () => server.events.filter(([name]) => name === 'rpc-error').length > errors);

      const held: ((value: string) => void)[] = [];
      server.socket.on('rpc-request', (_request: unknown, reply: (value: string) => void) => held.push(reply));
      const calls = count(64).map(() => caller.ask('rpc-call', { method: 'e:0', params: '' }));
      await waitFor('64 calls in flight', () => held.length === 64);
      const more = await caller.ask('rpc-call', { method: 'e:0', params: '' });
      assert.equal(more.ok, false, 'the 65th is refused');
      for (const reply of held) reply('done');
      for (const answer of await Promise.all(calls)) assert.deepEqual(answer, { ok: true, result: 'done' });
    });
  });
});
