/// consortium-admin beside a relay that serves: the master secret is rotated and destroyed keys are wiped while people
/// talk, and nothing of it is noticed.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Login, randomText } from '../support/client.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Random } from '../support/random.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const admin = (args: string[], env: Record<string, string> = {}) => run(program('consortium-admin'), args, { env });
const secretOf = (relay: Relay) => readFileSync(`${relay.data}.secret`, 'utf8').trim();

/** Says one thing after the other until told to stop; keeps what was acknowledged. */
class Talker {
  readonly acknowledged: string[] = [];
  readonly #ended: Promise<void>;
  #stop = false;

  private constructor(login: Login, sid: string, client: Awaited<ReturnType<Login['connected']>>) {
    this.#ended = (async () => {
      while (!this.#stop) {
        const localId = crypto.randomUUID();
        const answer = await client.socket.timeout(20_000).emitWithAck('message', { sid, message: randomText(), localId }).catch(() => undefined);
        if (answer === undefined) break;
        assert.equal(answer.result, 'success', JSON.stringify(answer));
        this.acknowledged.push(localId);
      }
      client.close();
    })();
  }

  static async start(login: Login, sid: string): Promise<Talker> {
    return new Talker(login, sid, await login.connected());
  }

  /** Waits until it has said `count` more things, all of which were acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await waitFor(`${count} more acknowledged messages`, () => this.acknowledged.length >= goal);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#ended;
  }
}

async function expectAll(login: Login, sid: string, talker: Talker): Promise<void> {
  const there = (await login.allMessages(sid)).map((message) => message.localId);
  assert.equal(new Set(there).size, there.length, 'nothing stands there twice');
  for (const id of talker.acknowledged) assert.ok(there.includes(id), `${id} was acknowledged and is lost`);
}

describe('consortium-admin beside a running relay', () => {
  it('rotates the master secret while people talk', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const talker = await Talker.start(login, id);
    const old = [secretOf(relay)];
    for (let i = 0; i < 3; ++i) {
      await talker.more(20);
      const done = await admin(['rekey', '--data', relay.data]);
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /the relay went on serving/);
      assert.ok(!old.includes(secretOf(relay)), 'the file says a new secret');
      old.push(secretOf(relay));
    }
    // Two at once: one after the other, or one finds that its secret is no longer one.
    const both = await Promise.all([admin(['rekey', '--data', relay.data]), admin(['rekey', '--data', relay.data])]);
    assert.ok(both.some(({ code }) => code === 0), both.map(({ stderr }) => stderr).join());
    const secret = secretOf(relay);
    assert.ok(!old.includes(secret));
    await talker.more(20);
    await talker.stop();
    for (const text of [...old, secret]) {
      assert.ok(!relay.output.includes(text), 'no secret is logged');
      for (const { stdout, stderr } of both) assert.ok(!(stdout + stderr).includes(text), 'no secret is printed');
    }
    assert.equal(statSync(`${relay.data}.secret`).mode & 0o777, 0o600);

    assert.equal((await relay.stop()).code, 0);
    for (const gone of old) {
      const refused = await admin(['verify', '--data', relay.data], { CONSORTIUM_MASTER_SECRET: gone });
      assert.equal(refused.code, 3, 'an old secret opens nothing');
    }
    const verified = await admin(['verify', '--data', relay.data]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    await relay.start();
    await expectAll(login, id, talker); // with the token from before
    assert.equal((await login.newSession()).seq, 0);
  });

  it('needs the new secret from whoever gave the old one in the environment', async () => {
    using place = freshDirectory();
    const data = join(place.path, 'data');
    const [before, after] = ['b'.repeat(40), 'a'.repeat(40)];
    const first = await Relay.start({ data, env: { CONSORTIUM_MASTER_SECRET: before } });
    const login = await Login.in(first.url);
    assert.equal((await admin(['rekey', '--data', data], { CONSORTIUM_MASTER_SECRET: before })).code, 3);
    const wrong = await admin(['rekey', '--data', data], { CONSORTIUM_MASTER_SECRET: after, CONSORTIUM_NEW_MASTER_SECRET: before + before });
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /secret/);
    const done = await admin(['rekey', '--data', data], { CONSORTIUM_MASTER_SECRET: before, CONSORTIUM_NEW_MASTER_SECRET: after });
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /Before the next start.*CONSORTIUM_MASTER_SECRET/s);
    assert.ok((await login.get('/v1/sessions')).status === 200);
    await first.close();
    const refused = await run(program('consortium-relay'), ['--port', '0', '--data', data], { env: { CONSORTIUM_MASTER_SECRET: before } });
    assert.notEqual(refused.code, 0);
    await using again = await Relay.start({ data, port: first.port, env: { CONSORTIUM_MASTER_SECRET: after } });
    assert.equal((await new Login(again.url, login.account, login.device, login).get('/v1/sessions')).status, 200);
  });

  it('leaves a relay that starts again, whenever it is killed during a rotation', async (test) => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    for (let round = 0; round < 6; ++round) {
      const talker = await Talker.start(login, id);
      await talker.more(3);
      const rotation = admin(['rekey', '--data', relay.data]);
      // Killed while nothing, something or all of it was done: from the first sign of it on, a little later each time.
      const before = readFileSync(join(relay.data, 'root.key'));
      await waitFor('the rotation to begin or to end', async () => {
        const ended = await Promise.race([rotation, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))]);
        return ended !== undefined || !readFileSync(join(relay.data, 'root.key')).equals(before);
      }, { every: random.between(0, 3) });
      await relay.kill();
      await Promise.all([rotation, talker.stop()]);
      await relay.start();
      await expectAll(login, id, talker);
    }
    const done = await admin(['rekey', '--data', relay.data]);
    assert.equal(done.code, 0, done.stderr);
    const slots = readFileSync(join(relay.data, 'root.key'));
    const filled = [slots.subarray(0, 256), slots.subarray(256)].filter((slot) => slot.some((byte) => byte !== 0));
    assert.equal(filled.length, 1, 'what was left of the others is cleared');
  });

  it('wipes deleted keys while people talk', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const talker = await Talker.start(login, id);
    for (let i = 0; i < 5; ++i) {
      const doomed = await login.newSession();
      await login.must('DELETE', `/v1/sessions/${doomed.id}`);
    }
    await talker.more(20);
    const done = await admin(['compact', '--data', relay.data]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /by the running relay/);
    await talker.more(20);
    await talker.stop();
    await expectAll(login, id, talker);
    assert.equal((await relay.stop()).code, 0);
    assert.equal((await admin(['compact', '--data', relay.data])).code, 0, 'and without a relay');
    assert.equal((await admin(['verify', '--data', relay.data])).code, 0);
    assert.equal((await admin(['replay', '--check', '--data', relay.data])).code, 0);
    await relay.start();
    await expectAll(login, id, talker);
  });

  it('makes a view anew while people talk', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const talker = await Talker.start(login, id);
    await talker.more(20);
    // No message needs this one: nobody notices.
    const one = await admin(['views', 'rebuild', 'invitation', '--data', relay.data]);
    assert.equal(one.code, 0, one.stderr);
    assert.match(one.stdout, /^View table 'invitation' was made anew from the log in .* by the running relay\.\n$/);
    await talker.more(20);
    await talker.stop();
    const unknown = await admin(['views', 'rebuild', 'nonsense', '--data', relay.data]);
    assert.equal(unknown.code, 3);
    assert.match(unknown.stderr, /there is no view table 'nonsense'/);
    const all = await admin(['views', 'rebuild', '--data', relay.data]);
    assert.equal(all.code, 0, all.stderr);
    assert.match(all.stdout, /^\d+ view tables were made anew/);
    await expectAll(login, id, talker);
    assert.equal((await relay.stop()).code, 0);
    const verified = await admin(['verify', '--data', relay.data]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });

  it('checks what a relay signed', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const client = await login.connected();
    for (let i = 0; i < 3; ++i) await client.ask('message', { sid: id, message: randomText(), localId: crypto.randomUUID() });
    client.close();
    const { key } = (await login.get('/v1/log/key')).body;
    const { checkpoint } = await login.must('GET', '/v1/log/checkpoint');
    const { receipt } = await login.must('DELETE', `/v1/sessions/${id}`);
    await login.newSession();

    using place = freshDirectory();
    const file = join(place.path, 'note');
    const check = async (content: string, ...args: string[]) => {
      writeFileSync(file, content);
      return admin([...args.slice(0, 1), ...args.slice(1).map((arg) => (arg === 'FILE' ? file : arg))]);
    };
    const byKey = await check(receipt, 'receipt', 'FILE', '--key', key);
    assert.equal(byKey.code, 0, byKey.stderr);
    assert.ok(byKey.stdout.includes(id) && byKey.stdout.includes('3 messages'), byKey.stdout);
    const piped = await run(program('consortium-admin'), ['receipt', '-', '--key', key], { input: receipt });
    assert.equal(piped.code, 0, piped.stderr);
    assert.equal((await check(receipt.replace('messages 3', 'messages 2'), 'receipt', 'FILE', '--key', key)).code, 1);
    assert.equal((await check(receipt, 'receipt', 'FILE', '--data', relay.data)).code, 3, 'the log is in use');

    await relay.stop();
    const byLog = await check(receipt, 'receipt', 'FILE', '--data', relay.data);
    assert.equal(byLog.code, 0, byLog.stdout + byLog.stderr);
    const continued = await check(checkpoint, 'verify', '--checkpoint', 'FILE', '--data', relay.data);
    assert.equal(continued.code, 0, continued.stdout + continued.stderr);
    assert.match(continued.stdout, /which the log continues/);
  });

  it('finds the socket only while the relay runs', async () => {
    await using relay = await Relay.start();
    const socket = join(relay.data, 'control.sock');
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    await relay.kill();
    assert.ok(existsSync(socket), 'left behind');
    assert.equal((await admin(['compact', '--data', relay.data])).code, 0, 'a socket that nobody listens on is none');
    await relay.start();
    assert.equal((await admin(['compact', '--data', relay.data])).code, 0);
    // Whoever says nothing does not keep the relay from ending.
    const silent = connect(socket);
    await new Promise((resolve) => silent.once('connect', resolve));
    silent.on('error', () => {}); // reset, if the relay ends before it has accepted the connection
    assert.equal((await relay.stop()).code, 0);
    silent.destroy();
    assert.ok(!existsSync(socket));
  });

  it('says so when the directory is too deep for a socket', async () => {
    using place = freshDirectory();
    const data = join(place.path, 'x'.repeat(100), 'data');
    const relay = await Relay.start({ data });
    await waitFor('the warning', () => /no control socket.*longer than a socket/.test(relay.output));
    await Login.in(relay.url);
    const refused = await admin(['compact', '--data', data]);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /longer than a socket.*Stop what uses it/);
    await relay.close();
    assert.equal((await admin(['compact', '--data', data])).code, 0);
  });
});
