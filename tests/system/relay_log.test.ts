/// What clients can check of the relay's log: checkpoints, proofs, deletion receipts. Everything is verified by
/// support/proofs.ts, which shares no code with the relay.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Login, SigningKey, answerChallenge, askChallenge, base64, newDevice, randomText, request, type Client } from '../support/client.ts';
import {
  Witness, checkDeletion, checkRecord, continues, leafOf, openCheckpoint, openReceipt, readHeader, readKey, treeRoot, type LogKey,
} from '../support/proofs.ts';
import { Pairing, pairingStatus, Person } from '../support/e2ee.ts';
import { Random } from '../support/random.ts';
import { Relay } from '../support/relay.ts';
import { refused, refusedAck } from '../support/refusals.ts';
import { waitFor } from '../support/wait.ts';

const unknownId = '01890000-0000-7000-8000-000000000000';
const full = process.env['CONSORTIUM_FULL'] === '1';

const keyOf = async (relay: Relay): Promise<LogKey> => readKey((await request(`${relay.url}/v1/log/key`, 'GET')).body);

/** A body for DELETE /v1/account. */
async function farewell(login: Login, account = login.account): Promise<{ challenge: string; signature: string }> {
  const challenge = await askChallenge(login.url, login.account);
  return { challenge, signature: base64(account.sign(Buffer.from(challenge, 'base64'))) };
}
const leave = async (login: Login, body?: unknown) =>
  request(`${login.url}/v1/account`, 'DELETE', body ?? (await farewell(login)), { token: login.token });

/** Every record of the account, page by page. */
async function allRecords(login: Login): Promise<{ records: any[]; checkpoint: string }> {
  const records: any[] = [];
  for (;;) {
    const next = (records.at(-1)?.revision ?? 0) + 1;
    const answer = await login.get(`/v1/log/proof?revision=${next}&count=100`);
    if (answer.status === 404) break;
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    records.push(...answer.body.records);
  }
  return { records, checkpoint: (await login.must('GET', '/v1/log/checkpoint')).checkpoint };
}

describe('the key', () => {
  it('is public, and the same after a restart', async () => {
    await using relay = await Relay.start();
    const key = await keyOf(relay);
    assert.equal(key.log, (await request(`${relay.url}/health`, 'GET')).body.log);
    await relay.stop();
    await relay.start();
    assert.deepEqual(await keyOf(relay), key);
  });
});

describe('checkpoints and proofs', () => {
  let relay: Relay;
  let key: LogKey;
  let alice: Login;
  let bob: Login;
  before(async () => {
    relay = await Relay.start();
    key = await keyOf(relay);
    [alice, bob] = [await Login.in(relay.url), await Login.in(relay.url)];
  });
  after(() => relay.close());

  it('need a token', async () => {
    for (const path of ['/v1/log/checkpoint', '/v1/log/proof?revision=1'])
      refused(await request(relay.url + path, 'GET'), 401, 'unauthorized', 'Missing authorization header');
  });

  it('prove a message to who sent it', async () => {
    const { id: sid } = await alice.newSession();
    const socket = await alice.connected();
    const bundle = randomBytes(300);
    const ack = await socket.ask('message', { sid, message: base64(bundle), localId: 'mine', prove: true });
    assert.equal(ack.result, 'success');
    assert.equal(ack.localId, 'mine');
    const head = openCheckpoint(ack.proof.checkpoint, key);
    const header = checkRecord(ack.proof.record, head);
    assert.equal(header.type, 4);
    assert.equal(header.account, alice.accountId);
    assert.equal(header.stream, sid);
    assert.equal(header.revision, ack.revision);
    assert.equal(header.seq, ack.seq);
    assert.equal(header.time, ack.createdAt);
    assert.ok(Buffer.from(ack.proof.record.body, 'base64').includes(bundle), 'the record holds what was sent');

    // The same localId again: the first message, and its proof.
    const again = await socket.ask('message', { sid, message: randomText(), localId: 'mine', prove: true });
    assert.equal(again.revision, ack.revision);
    assert.equal(again.proof.record.body, ack.proof.record.body);
    checkRecord(again.proof.record, openCheckpoint(again.proof.checkpoint, key));

    const plain = await socket.ask('message', { sid, message: randomText() });
    assert.ok(!('proof' in plain));
    refusedAck(await socket.ask('message', { sid, message: randomText(), prove: 'yes' }), 'bad-request');
    refusedAck(await socket.ask('message', { sid: unknownId, message: randomText(), prove: true }), 'not-found');
    socket.close();
  });

  it('are asked for with whole numbers in their ranges', async () => {
    const bad = [
      'proof', 'proof?revision=0', 'proof?revision=-1', 'proof?revision=x', 'proof?revision=1.5', 'proof?revision=',
      'proof?revision=9007199254740992', 'proof?revision=18446744073709551617', 'proof?revision=1&count=0',
      'proof?revision=1&count=101', 'proof?revision=1&count=x', 'proof?revision=1&from=-1', 'proof?revision=1&from=x',
      'checkpoint?from=x', 'checkpoint?from=-1', 'checkpoint?from=9007199254740992',
    ];
    for (const query of bad) refused(await alice.get(`/v1/log/${query}`), 400, 'bad-request');
    for (const query of ['checkpoint?from=1000000', 'proof?revision=1&from=1000000'])
      refused(await alice.get(`/v1/log/${query}`), 409, 'conflict');
  });

  it('are of the own account alone, and end where its stream ends', async () => {
    const head = (await alice.must('GET', '/v1/sessions')).revision;
    const { records } = await alice.must('GET', `/v1/log/proof?revision=${head}&count=100`);
    assert.deepEqual(records.map((record: any) => record.revision), [head]);
    const beyond = await alice.get(`/v1/log/proof?revision=${head + 1}`);
    refused(beyond, 404, 'not-found', 'Record not found');
    const far = await alice.get('/v1/log/proof?revision=9007199254740991&count=100');
    assert.deepEqual(far.body, beyond.body);
    for (const login of [alice, bob])
      for (const record of (await allRecords(login)).records)
        assert.equal(readHeader(Buffer.from(record.header, 'base64')).account, login.accountId);
  });

  it('come for agents only of what they created', async () => {
    const agent = await Login.in(relay.url, alice.account, newDevice('agent'));
    const other = await Login.in(relay.url, alice.account, newDevice('agent'));
    const { id: own } = await agent.newSession();
    const { id: foreign } = await other.newSession();
    await agent.must('POST', '/v1/machines', { id: 'of the agent', metadata: randomText() });
    const { records } = await alice.must('GET', '/v1/log/proof?revision=1&count=100');
    const streams = new Map<number, string>(
      records.map((record: any) => [record.revision, readHeader(Buffer.from(record.header, 'base64')).stream]),
    );
    const unknown = await agent.get('/v1/log/proof?revision=100000');
    refused(unknown, 404, 'not-found');
    let machines = 0;
    for (const [revision, stream] of streams) {
      const answer = await agent.get(`/v1/log/proof?revision=${revision}`);
      if (stream === own || answer.status === 200) {
        const header = checkRecord(answer.body.records[0], openCheckpoint(answer.body.checkpoint, key));
        if (stream !== own) ++machines;
        assert.ok(stream === own || header.type === 9 || header.type === 11 || header.type === 12, `type ${header.type}`);
      } else {
        assert.deepEqual(answer.body, unknown.body, `revision ${revision} of ${stream === foreign ? 'another agent' : 'the account'}`);
      }
    }
    assert.ok(machines >= 1, 'its machine is its own');
    // In a range, what is not its own is passed over.
    const { records: seen } = await agent.must('GET', '/v1/log/proof?revision=1&count=100');
    assert.ok(seen.length >= 2 && seen.length < records.length);
    const browser = new Set([...streams].filter(([, stream]) => stream === foreign).map(([revision]) => revision));
    assert.ok(browser.size > 0 && seen.every((record: any) => !browser.has(record.revision)));
  });

  it('come in pages of bounded size, none of them empty', async () => {
    const { id: sid } = await bob.newSession();
    const socket = await bob.connected();
    const first = (await bob.must('GET', '/v1/sessions')).revision + 1;
    const large = base64(randomBytes(3 << 20));
    for (let i = 0; i < 5; ++i) {
      const ack = await socket.ask('message', { sid, message: large, prove: i === 4 });
      assert.equal(ack.result, 'success');
      if (i === 4) checkRecord(ack.proof.record, openCheckpoint(ack.proof.checkpoint, key));
    }
    // A page ends after the record that passes its bound, and each of these does.
    for (let revision = first; revision < first + 5; ++revision) {
      const page = await bob.must('GET', `/v1/log/proof?revision=${revision}&count=100`);
      assert.deepEqual(page.records.map((record: any) => record.revision), [revision]);
    }
    socket.close();
  });

  it('of many sends at once all hold, and other acknowledgements do not wait for them', async () => {
    const { id: sid } = await alice.newSession();
    const sockets = await Promise.all([alice.connected(), alice.connected({ transports: ['polling'] })]);
    const acks = await Promise.all(
      Array.from({ length: full ? 4000 : 600 }, (_, i) =>
        sockets[i % 2]!.ask('message', { sid, message: randomText(100), localId: `${i}`, ...(i % 3 ? { prove: true } : {}) }),
      ),
    );
    const seen = new Set<number>();
    for (const [i, ack] of acks.entries()) {
      assert.equal(ack.result, 'success');
      assert.equal(ack.localId, `${i}`);
      assert.equal('proof' in ack, i % 3 !== 0);
      if (ack.proof) checkRecord(ack.proof.record, openCheckpoint(ack.proof.checkpoint, key));
      seen.add(ack.seq);
    }
    assert.equal(seen.size, acks.length);
    sockets.forEach((socket) => socket.close());
  });
});

describe('deletion of a session', () => {
  it('answers with a receipt that proves what it says', async () => {
    await using relay = await Relay.start();
    const key = await keyOf(relay);
    const login = await Login.in(relay.url);
    const { id: sid, metadataVersion } = await login.newSession();
    const socket = await login.connected();
    const secret = randomBytes(100);
    let last: any;
    for (let i = 0; i < 7; ++i) last = await socket.ask('message', { sid, message: base64(secret), prove: true });
    const answer = await login.delete(`/v1/sessions/${sid}`);
    assert.equal(answer.status, 200);
    const { receipt, header } = checkDeletion(answer.body, key);
    assert.deepEqual(
      { what: receipt.what, id: receipt.id, created: receipt.created, messages: receipt.messages },
      { what: 'session', id: sid, created: metadataVersion, messages: 7 },
    );
    assert.equal(header.account, login.accountId);
    assert.equal(receipt.deleted, (await login.must('GET', '/v1/sessions')).revision);
    assert.ok(receipt.deleted > last.revision);

    // What was proved before is still in the tree, without its body and with the same leaf.
    const page = await login.must('GET', `/v1/log/proof?revision=${last.revision}`);
    const shredded = page.records[0];
    assert.equal(shredded.body, null);
    assert.equal(shredded.bodyKey, null);
    assert.deepEqual(leafOf(shredded), leafOf(last.proof.record));
    checkRecord(shredded, openCheckpoint(page.checkpoint, key));

    // Done once: as for what never was.
    refused(await login.delete(`/v1/sessions/${sid}`), 404, 'not-found', 'Session not found or not owned by user');
    socket.close();
  });
});

describe('deletion of an account', () => {
  let relay: Relay;
  let key: LogKey;
  before(async () => {
    relay = await Relay.start({ args: ['--io-threads', '3'] });
    key = await keyOf(relay);
  });
  after(() => relay.close());

  it('is refused without the account\'s own fresh signature, and to agents', async () => {
    const login = await Login.in(relay.url);
    const agent = await Login.in(relay.url, login.account, newDevice('agent'));
    const stranger = await Login.in(relay.url);
    const { id } = await login.newSession();

    refused(await request(`${relay.url}/v1/account`, 'DELETE', await farewell(login)), 401, 'unauthorized');
    refused(await leave(agent, await farewell(login)), 403, 'forbidden');
    refused(await leave(login, {}), 400, 'bad-request');
    const good = await farewell(login);
    for (const bad of [
      { ...good, signature: undefined }, { ...good, challenge: undefined }, { ...good, signature: 7 }, { ...good, challenge: [] },
      { ...good, signature: base64(randomBytes(63)) }, { ...good, challenge: 'not base64' },
    ])
      refused(await leave(login, bad), 400, 'bad-request');
    refused(await leave(login, { ...good, signature: base64(randomBytes(64)) }), 401, 'unauthorized', 'Invalid signature');
    refused(await leave(login, await farewell(login, stranger.account)), 401, 'unauthorized', 'Invalid signature');
    refused(await leave(login, { ...good, challenge: base64(Buffer.from('made up')) }), 401, 'expired');
    // Made for another account, signed by its key: a good challenge, of somebody else.
    refused(await leave(login, await farewell(stranger)), 401, 'expired');
    // A challenge that was used to sign in is used up.
    const challenge = await askChallenge(relay.url, login.account);
    const signature = base64(login.account.sign(Buffer.from(challenge, 'base64')));
    assert.equal((await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(challenge, login.account))).status, 200);
    refused(await leave(login, { challenge, signature }), 401, 'expired');

    assert.ok((await login.must('GET', '/v1/sessions')).sessions.some((session: any) => session.id === id), 'nothing was deleted');
    assert.equal((await leave(login, good)).status, 200);
  });

  it('ends every token and socket, and proves it; nobody else notices, and the key can begin anew', async () => {
    const device = newDevice();
    const login = await Login.in(relay.url, new SigningKey(), device);
    const agent = await Login.in(relay.url, login.account, newDevice('agent'));
    const bystander = await Login.in(relay.url);
    const watcher = await bystander.connected();
    const { id: sid } = await login.newSession();
    await agent.newSession();
    await agent.must('POST', '/v1/machines', { id: 'the machine', metadata: randomText() });
    const clients: Client[] = [
      ...(await Promise.all(Array.from({ length: 4 }, () => login.connected()))),
      await agent.connected({ auth: { clientType: 'machine-scoped', machineId: 'the machine' } }),
      await login.connected({ transports: ['polling'] }),
    ];
    await clients[0]!.ask('message', { sid, message: randomText() });
    const before = (await allRecords(login)).records;
    const former = (await login.chain()).statements.map(base64);

    const answer = await leave(login);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { receipt, header, head } = checkDeletion(answer.body, key);
    assert.deepEqual(
      { what: receipt.what, id: receipt.id, created: receipt.created, sessions: receipt.sessions, machines: receipt.machines },
      { what: 'account', id: login.accountId, created: 1, sessions: 2, machines: 1 },
    );
    assert.equal(header.account, login.accountId);
    assert.equal(answer.body.proof.record.body, null, 'its own key is destroyed too');
    assert.ok(head.size > before.at(-1).index);

    // Sockets: told what was due, then closed for good.
    for (const client of clients) {
      await waitFor('the socket to be closed', () => client.disconnects.length > 0);
      assert.deepEqual(client.disconnects, ['io server disconnect']);
    }
    assert.equal(clients[0]!.updates.at(-1)!.seq, receipt.deleted);
    // Tokens: refused on every way in.
    for (const gone of [login, agent]) {
      for (const path of ['/v1/sessions', '/v1/changes?since=0', '/v1/log/checkpoint', '/v1/log/proof?revision=1', '/v1/devices'])
        refused(await gone.get(path), 401, 'unauthorized', 'Invalid token');
      refused(await gone.post('/v1/sessions', { tag: 't', metadata: 'm' }), 401, 'unauthorized');
      refused(await leave(gone), 401, 'unauthorized', 'Invalid token');
      for (const since of [undefined, null, { log: key.log, revision: 1 }]) {
        const again = gone.socket(since === undefined ? {} : { auth: { since } });
        assert.equal(await again.refused(), 'Invalid authentication token');
        again.close();
      }
    }

    // The same key, the same device: a new account that begins empty.
    const reborn = await Login.in(relay.url, login.account, device);
    assert.notEqual(reborn.accountId, login.accountId);
    // What was signed for the former account is nothing here, and the former id is nobody's.
    refused(await request(`${relay.url}/v1/devices/statements`, 'POST', { statements: former }), [400, 404]);
    refused(await request(`${relay.url}/v1/auth`, 'POST', await Login.aloneBody(relay.url, login.accountId, agent.device)), 404, 'not-found');
    assert.notEqual(reborn.deviceId, login.deviceId);
    const lists = await reborn.must('GET', '/v1/sessions');
    assert.deepEqual(lists.sessions, []);
    assert.equal(lists.revision, 2);
    assert.deepEqual(await reborn.must('GET', '/v1/machines'), []);
    const fresh = await reborn.connected({ auth: { since: { log: key.log, revision: receipt.deleted } } });
    assert.deepEqual(await fresh.event('resync'), { reason: 'ahead' });
    fresh.close();
    refused(await reborn.get(`/v3/sessions/${sid}/messages`), 404, 'not-found');

    // The bystander: nothing of it, and all goes on.
    await watcher.flushed();
    assert.deepEqual(watcher.updates, []);
    assert.deepEqual(watcher.disconnects, []);
    const { id } = await bystander.newSession();
    assert.equal((await watcher.ask('message', { sid: id, message: randomText() })).result, 'success');
    watcher.close();
    clients.forEach((client) => client.close());
  });

  it('in the middle of sends: each is stored before it or refused', async () => {
    const login = await Login.in(relay.url);
    const { id: sid } = await login.newSession();
    const reader = await login.connected({ auth: { since: null } });
    const writers = await Promise.all(Array.from({ length: 3 }, () => login.connected()));
    const acks: any[] = [];
    const send = async (writer: Client) => {
      const end = new Promise<undefined>((resolve) => writer.socket.once('disconnect', () => resolve(undefined)));
      for (let i = 0; ; ++i) {
        const message = { sid, message: randomText(200), prove: i % 2 === 0 };
        const ack = await Promise.race([end, new Promise<any>((resolve) => writer.socket.emit('message', message, resolve))]);
        if (ack === undefined) return;
        acks.push(ack);
      }
    };
    const sending = Promise.all(writers.map(send));
    await waitFor('some to be stored', () => acks.length > 50);
    const posts = Promise.all(
      Array.from({ length: 20 }, (_, i) => login.post(`/v3/sessions/${sid}/messages`, { messages: [{ content: 'x', localId: `${i}` }] })),
    );
    const [first, second] = await Promise.all([leave(login), leave(login)]);
    await sending;
    const [done, late] = first.status === 200 ? [first, second] : [second, first];
    const { receipt } = checkDeletion(done.body, key);
    refused(late, 401, 'unauthorized');
    for (const ack of acks) {
      if (ack.result === 'success') assert.ok(ack.revision < receipt.deleted);
      else refusedAck(ack);
    }
    for (const answer of await posts) if (answer.status !== 200) refused(answer, [401, 404]);
    assert.ok(acks.filter((ack) => ack.result === 'success').length <= receipt.deleted);
    assert.equal(reader.updates.at(-1)!.seq, receipt.deleted, 'the reader was told all of it');
    assert.deepEqual(reader.updates.map((update) => update.seq), reader.updates.map((_, i) => reader.updates[0]!.seq + i));
    [reader, ...writers].forEach((client) => client.close());
  });

  it('takes the pairing it had answered with it', async () => {
    const person = await Person.signIn(relay.url);
    const pairing = new Pairing(relay.url);
    await pairing.ask();
    await person.answer(pairing.text);
    await pairing.status('answered');
    assert.equal((await leave(person.login)).status, 200);
    assert.equal((await pairingStatus(relay.url, pairing.publicKey)).body.status, 'not_found');
  });
});

// Goal: whatever happened, every record of everybody is in the log that the checkpoints sign, and that log only ever
// grew. Method: a random history of several accounts with deletions in between, over clean restarts and SIGKILL; the
// whole tree is computed anew from the records that the accounts are given.
describe('a random history', () => {
  it('proves record by record, checkpoint by checkpoint, restart by restart', async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    await using relay = await Relay.start();
    const key = await keyOf(relay);
    const witness = new Witness(key);
    const outsider = new Witness(key); // asks only now and then
    const leaves = new Map<number, Buffer>();
    const remember = (record: any) => {
      const leaf = leafOf(record);
      const known = leaves.get(record.index);
      if (known) assert.deepEqual(leaf, known, `the leaf ${record.index} has changed`);
      leaves.set(record.index, leaf);
    };
    interface Person { login: Login; sessions: string[]; local: number }
    const people: Person[] = [];
    const arrive = async () => people.push({ login: await Login.in(relay.url), sessions: [], local: 0 });
    await arrive();
    let deletions = 0;

    const step = async () => {
      const who = people[random.between(0, people.length - 1)]!;
      const what = random.next();
      if (who.sessions.length === 0 || what < 0.1) {
        who.sessions.push((await who.login.newSession()).id);
      } else if (what < 0.6) {
        const sid = who.sessions[random.between(0, who.sessions.length - 1)]!;
        const socket = await who.login.connected();
        const count = random.between(1, 9);
        const acks = await Promise.all(
          Array.from({ length: count }, () => socket.ask('message', { sid, message: randomText(random.between(1, 400)), localId: `${who.local++}`, prove: true })),
        );
        for (const ack of acks) {
          checkRecord(ack.proof.record, openCheckpoint(ack.proof.checkpoint, key));
          remember(ack.proof.record);
        }
        socket.close();
      } else if (what < 0.75) {
        await who.login.must('POST', '/v1/machines', { id: randomText(6), metadata: randomText() });
      } else if (what < 0.87) {
        const [sid] = who.sessions.splice(random.between(0, who.sessions.length - 1), 1);
        const { receipt } = checkDeletion(await who.login.must('DELETE', `/v1/sessions/${sid}`), key);
        assert.equal(receipt.id, sid);
        ++deletions;
      } else if (what < 0.93 && people.length < 5) {
        await arrive();
      } else if (what > 0.98 && people.length > 2) {
        for (const record of (await allRecords(who.login)).records) remember(record);
        const answer = await leave(who.login);
        checkDeletion(answer.body, key);
        remember(answer.body.proof.record);
        people.splice(people.indexOf(who), 1);
        ++deletions;
      } else {
        witness.accept(await who.login.must('GET', `/v1/log/checkpoint?${witness.from}`));
      }
    };

    for (let round = 0; round < (full ? 12 : 4); ++round) {
      for (let i = 0; i < (full ? 150 : 40); ++i) await step();
      const anybody = people[0]!.login;
      outsider.accept(await anybody.must('GET', `/v1/log/proof?revision=1&${outsider.from}`));
      if (round % 2 === 0) await relay.kill();
      else await relay.stop();
      await relay.start();
      assert.deepEqual(await keyOf(relay), key);
      witness.accept(await anybody.must('GET', `/v1/log/checkpoint?${witness.from}`));
    }

    const login = people[0]!.login;
    const final = witness.accept(await login.must('GET', `/v1/log/checkpoint?${witness.from}`));
    for (const { login: person } of people) {
      const { records, checkpoint } = await allRecords(person);
      const head = openCheckpoint(checkpoint, key);
      assert.deepEqual(head, final);
      for (const record of records) {
        checkRecord(record, head);
        remember(record);
      }
    }
    assert.equal(leaves.size, final.size, 'together the accounts were given every record there is');
    const inOrder = Array.from({ length: final.size }, (_, i) => leaves.get(i)!);
    assert.deepEqual(treeRoot(inOrder), final.root);
    assert.ok(deletions > 0, 'something was deleted');

    // Every earlier tree is a beginning of the last: also those nobody asked about at the time.
    for (let before = 0; before <= final.size; before += full ? 1 : random.between(1, 40)) {
      const { consistency, checkpoint } = await login.must('GET', `/v1/log/checkpoint?from=${before}`);
      const head = openCheckpoint(checkpoint, key);
      const old = { size: before, root: treeRoot(inOrder.slice(0, before)) };
      assert.ok(continues(old, head, consistency.map((hash: string) => Buffer.from(hash, 'base64'))), `from ${before} to ${head.size}, with ${final.size} known`);
    }
  });
});

describe('an answer that was tampered with', () => {
  it('is found out, whichever part it is', async () => {
    await using relay = await Relay.start();
    const key = await keyOf(relay);
    const login = await Login.in(relay.url);
    const { id: sid } = await login.newSession();
    const socket = await login.connected();
    for (let i = 0; i < 10; ++i) await socket.ask('message', { sid, message: randomText() });
    const old = openCheckpoint((await login.must('GET', '/v1/log/checkpoint')).checkpoint, key);
    for (let i = 0; i < 10; ++i) await socket.ask('message', { sid, message: randomText() });
    socket.close();
    const answer = await login.must('GET', `/v1/log/proof?revision=5&from=${old.size}`);
    const check = (given: any) => {
      const witness = new Witness(key);
      witness.last = old;
      checkRecord(given.records[0], witness.accept(given));
    };
    check(answer);

    const altered = (change: (copy: any) => void) => {
      const copy = structuredClone(answer);
      change(copy);
      assert.notDeepEqual(copy, answer);
      assert.throws(() => check(copy));
    };
    const flip = (text: string, at = 0) => {
      const bytes = Buffer.from(text, 'base64');
      bytes[at]! ^= 1;
      return base64(bytes);
    };
    for (const part of ['header', 'headerKey', 'body', 'bodyKey', 'bodyCommitment'])
      altered((copy) => (copy.records[0][part] = flip(copy.records[0][part])));
    altered((copy) => (copy.records[0].revision += 1));
    altered((copy) => (copy.records[0].index += 1));
    altered((copy) => copy.records[0].path.reverse());
    altered((copy) => copy.records[0].path.pop());
    for (let i = 0; i < answer.records[0].path.length; ++i) altered((copy) => (copy.records[0].path[i] = flip(copy.records[0].path[i])));
    for (let i = 0; i < answer.consistency.length; ++i) altered((copy) => (copy.consistency[i] = flip(copy.consistency[i])));
    altered((copy) => copy.consistency.pop());
    altered((copy) => (copy.log = unknownId));
    altered((copy) => (copy.checkpoint = copy.checkpoint.replace(/\n[0-9]+\n/, (size: string) => `\n${Number(size) + 1}\n`)));
    altered((copy) => (copy.checkpoint = copy.checkpoint.replace(/(\n[0-9]+\n)([^\n]+)/, (_: string, size: string, root: string) => size + flip(root))));
    altered((copy) => (copy.checkpoint = copy.checkpoint.replace(/ ([^ ]+)\n$/, (_: string, signature: string) => ` ${flip(signature, 40)}\n`)));

    // Another relay's word is worth nothing here, for the same text too.
    await using other = await Relay.start();
    const theirs = await keyOf(other);
    assert.throws(() => openCheckpoint(answer.checkpoint, theirs));
    const receipt = (await login.must('DELETE', `/v1/sessions/${sid}`)).receipt;
    openReceipt(receipt, key);
    assert.throws(() => openReceipt(receipt, theirs));
    assert.throws(() => openReceipt(receipt.replace(/messages [0-9]+/, 'messages 1'), key));
  });
});
