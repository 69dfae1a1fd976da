/// Nothing readable at rest: values are planted wherever a client can choose one, and no file below the data directory,
/// nor anything the relay says, shows one of them, or an id the relay made, in whatever disguise; while it runs, after
/// SIGKILL, after everything was flushed, and after it was deleted.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { answerChallenge, askChallenge, Login, newDevice, request, SigningKey } from '../support/client.ts';
import { Pairing, Person } from '../support/e2ee.ts';
import { program } from '../support/places.ts';
import { filesBelow } from '../support/files.ts';
import { disguises, findings } from '../support/plaintext.ts';
import { refused } from '../support/refusals.ts';
import { Relay, run } from '../support/relay.ts';

/** Everything that was planted, or made by the relay, by the name of its place. */
class Planted {
  readonly values: [place: string, value: string | Uint8Array][] = [];

  /** A text of the client's choosing. */
  text(place: string): string {
    const value = `${place} ${randomBytes(9).toString('base64url')}`;
    this.values.push([place, value]);
    return value;
  }
  /** Bytes that travel in base64: ciphertext, keys. */
  sealed(place: string, bytes = 40): string {
    const value = randomBytes(bytes);
    this.bytes(place, value);
    return value.toString('base64');
  }
  bytes(place: string, value: Uint8Array): void {
    this.values.push([place, value]);
  }
  /** An id made by the relay: as text, and its bytes. */
  id(place: string, value: string): string {
    assert.match(value, /^[0-9a-f-]{36}$/);
    this.values.push([place, value], [`${place}, its bytes`, Buffer.from(value.replaceAll('-', ''), 'hex')]);
    return value;
  }
  device(place: string, kind?: 'agent' | 'browser') {
    const device = newDevice(kind, this.text(`${place}'s name`));
    this.bytes(`${place}'s key`, device.key.publicKey);
    return device;
  }
  login(place: string, login: Login): Login {
    this.id(`${place}'s account`, login.accountId);
    this.id(`${place}'s device`, login.deviceId);
    this.values.push([`${place}'s token`, login.token]);
    return login;
  }

  /** What of it can be found in these bytes. */
  in(where: string, bytes: Buffer): string[] {
    return this.values.flatMap(([place, value]) => findings(where, bytes, [value]).map((found) => `${place}: ${found}`));
  }
}

it('finds nothing of anybody in any file', { timeout: 360_000 }, async () => {
  const planted = new Planted();
  const origin = `http://${randomBytes(8).toString('hex')}.planted.example`;
  planted.values.push(['the origin', origin]);
  await using relay = await Relay.start({ args: ['--public-url', origin, '--log-level', 'trace'] });

  const scan = (when: string, least: number) => {
    const files = filesBelow(relay.data);
    assert.ok(files.length >= least, `${when}: ${files.map(({ path }) => path).join(' ')}`);
    const found = files.flatMap(({ path, content }) => [...planted.in(path, content), ...planted.in('its name', Buffer.from(path.slice(relay.data.length)))]);
    assert.deepEqual(found, [], when);
    return files;
  };

  // Accounts and devices.
  const account = new SigningKey();
  planted.bytes('the account key', account.publicKey);
  const browser = planted.device('the browser');
  const challenge = await askChallenge(relay.url, account, origin);
  planted.values.push(['the challenge', challenge]);
  refused(await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(challenge, account, browser)), 404, 'not-found');
  const login = planted.login('the browser', await Login.in(relay.url, account, browser));
  const person = new Person(login);
  const lost = planted.login('the lost browser', await Login.in(relay.url, account, planted.device('the lost browser')));
  const agent = planted.login('the agent', await Login.in(relay.url, account, planted.device('the agent', 'agent')));

  // Pairings: left alone, refused, completed.
  const pairing = (place: string) => {
    const made = new Pairing(relay.url, planted.text(`${place}: the name`), { device: planted.device(`${place}: the device`, 'agent') });
    planted.bytes(`${place}: the request's key`, made.box.publicKey);
    planted.bytes(`${place}: the secret of the link`, made.link.secret);
    planted.bytes(`${place}: the nonce`, made.nonce);
    for (const field of ['commit', 'signature', 'mac'] as const) planted.bytes(`${place}: the ${field}`, Buffer.from(made.body[field], 'base64'));
    return made;
  };
  await pairing('a pairing left alone').ask();
  const ended = pairing('a pairing that is refused');
  await ended.ask();
  planted.bytes('an answer', Buffer.from((await person.answer(ended.text)).response, 'base64'));
  await ended.refuse();
  await pairing('a pairing').complete(person);
  for (const statement of (await login.chain()).statements) planted.bytes('a statement', statement);
  for (const { id } of (await login.must('GET', '/v1/devices')).devices) planted.id('a device', id);

  // Machines and sessions, everything they can say, and what is only passed on.
  const client = await agent.connected();
  const watching = await login.connected();
  const machine = async (place: string) => {
    const id = planted.text(`${place}: its id`);
    await agent.must('POST', '/v1/machines', { id, metadata: planted.sealed(`${place}: metadata`), daemonState: planted.sealed(`${place}: daemon state`), dataEncryptionKey: planted.sealed(`${place}: data key`, 105) });
    const { machine: now } = await login.must('GET', `/v1/machines/${encodeURIComponent(id)}`);
    const metadata = await client.ask('machine-update-metadata', { machineId: id, metadata: planted.sealed(`${place}: newer metadata`), expectedVersion: now.metadataVersion });
    const state = await client.ask('machine-update-state', { machineId: id, daemonState: planted.text(`${place}: newer daemon state`), expectedVersion: now.daemonStateVersion });
    assert.deepEqual([metadata.result, state.result], ['success', 'success']);
    return id;
  };
  const session = async (place: string) => {
    const { id, metadataVersion } = await agent.newSession({ tag: planted.text(`${place}: its tag`), metadata: planted.sealed(`${place}: metadata`), dataEncryptionKey: planted.sealed(`${place}: data key`, 105) });
    planted.id(place, id);
    const messages = [
      { content: planted.sealed(`${place}: a message`, 300), localId: planted.text(`${place}: its local id`) },
      { content: planted.text(`${place}: a message in clear`), localId: planted.text(`${place}: its local id`) },
      { content: planted.sealed(`${place}: a long message`, 40_000), localId: planted.text(`${place}: its local id`) },
    ];
    const sent = await agent.must('POST', `/v3/sessions/${id}/messages`, { messages });
    for (const { id: message } of sent.messages) planted.id(`${place}: a message's id`, message);
    const said = await client.ask('message', { sid: id, message: planted.sealed(`${place}: a message of a socket`), localId: planted.text(`${place}: its local id`) });
    const metadata = await client.ask('update-metadata', { sid: id, metadata: planted.sealed(`${place}: newer metadata`), expectedVersion: metadataVersion });
    const state = await client.ask('update-state', { sid: id, agentState: planted.text(`${place}: agent state`), expectedVersion: 0 });
    assert.deepEqual([said.result, metadata.result, state.result], ['success', 'success', 'success']);
    client.emit('stream', { sid: id, c: planted.sealed(`${place}: a stream`) });
    client.emit('session-alive', { sid: id, time: Date.now(), thinking: true });
    client.emit('rpc-register', { method: `${id}:permission` });
    await client.event('rpc-registered', ({ method }) => method === `${id}:permission`);
    client.socket.once('rpc-request', (_: unknown, answer: (result: string) => void) => answer(planted.sealed(`${place}: an answer`)));
    const called = await watching.ask('rpc-call', { method: `${id}:permission`, params: planted.sealed(`${place}: a call`) });
    assert.equal(called.ok, true, JSON.stringify(called));
    return id;
  };
  await machine('a machine');
  const removed = await machine('a machine that is removed');
  const kept = await session('a session');
  const deleted = await session('a session that is deleted');
  assert.equal((await agent.post(`/v3/sessions/${crypto.randomUUID()}/messages`, { messages: [{ content: planted.text('a refused message'), localId: planted.text('its local id') }] })).status, 404);
  [client, watching].forEach((one) => one.close());
  scan('while it runs, in the write-ahead log', 8);

  await relay.kill();
  scan('after SIGKILL', 8);
  await relay.start();
  // Flushes every table, and rewrites the keys.
  const compact = async () => {
    const done = await run(program('consortium-admin'), ['compact', '--data', relay.data]);
    assert.equal(done.code, 0, done.stderr);
  };
  await login.revoke(lost.device.key.publicKey);
  planted.bytes('a revocation', (await login.chain()).statements.at(-1)!);
  await compact();
  assert.ok(scan('in table files', 10).some(({ path }) => path.endsWith('.sst')));

  const deletion = person.deletion(deleted);
  planted.bytes('the signature of a deletion', Buffer.from(deletion.signature, 'base64'));
  await login.must('DELETE', `/v1/sessions/${deleted}`, deletion);
  assert.ok([200, 404].includes((await login.delete(`/v1/machines/${encodeURIComponent(removed)}`)).status));
  scan('after deletions', 10);
  await compact();
  scan('after deletions and compaction', 10);
  assert.equal((await relay.stop()).code, 0);
  scan('after the end', 10);

  // The secret beside the directory is what opens it: with it, everything is there still.
  await relay.start();
  const [message] = await login.allMessages(kept);
  const [, first] = planted.values.find(([place]) => place === 'a session: a message')!;
  assert.deepEqual(Buffer.from(message.content.c, 'base64'), first, 'the search had something to find');
  assert.equal(disguises(first).some(([, form]) => Buffer.from(JSON.stringify(message)).includes(form)), true);
  // It says the addresses it was given.
  assert.deepEqual(planted.in('what the relay said', Buffer.from(relay.output.replaceAll(origin, ''))), []);
});
