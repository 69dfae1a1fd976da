/// The Postgres mirror of a real relay: whatever becomes of either, it says the same as the log, and nobody waits for it.
/// SEED=… repeats the kills of a run.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { endLater } from '../support/cleanup.ts';
import { Login, randomText } from '../support/client.ts';
import { program, repository } from '../support/places.ts';
import { Postgres, SmallDisk, StallingProxy } from '../support/postgres.ts';
import { Random } from '../support/random.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const rounds = process.env['CONSORTIUM_FULL'] === '1' ? 60 : 6;
const impatient = { CONSORTIUM_MIRROR_TIMEOUT_MS: '3000', CONSORTIUM_MIRROR_CONNECT_TIMEOUT_MS: '2000' };

const mirrored = (url: string, env: Record<string, string> = {}) => Relay.start({ env: { DATABASE_URL: url, CONSORTIUM_MIRROR_RETRY_MS: '500', ...env } });
const mirror = (relay: Relay, command: string) => run(program('consortium-admin'), ['mirror', command, '--data', relay.data, '--json']);

async function status(relay: Relay): Promise<any> {
  const { stdout, stderr } = await mirror(relay, 'status');
  assert.ok(stdout.startsWith('{'), stdout + stderr);
  return JSON.parse(stdout);
}

async function caughtUp(relay: Relay): Promise<void> {
  let last: any;
  await waitFor('the mirror to catch up', async () => {
    last = await status(relay);
    return last.phase === 'following' && last.position === last.head;
  }, { ms: 100_000, every: 100, last: () => [last, relay.output.slice(-2000)] });
}

/** Every row is there as log and views say, and no other. */
async function expectEqual(relay: Relay): Promise<void> {
  let answer = await mirror(relay, 'status');
  // That Postgres was started anew a moment ago it learns from the first thing that fails.
  await waitFor('the mirror to be compared', async () => {
    await caughtUp(relay);
    answer = await mirror(relay, 'verify');
    return !answer.stdout.includes('"unavailable"');
  }, { ms: 100_000, last: () => answer });
  assert.equal(answer.code, 0, answer.stdout + answer.stderr);
  assert.ok(JSON.parse(answer.stdout).rows > 0);
}

async function say(login: Login, sid: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, () => ({ content: randomText(), localId: crypto.randomUUID() }));
  await login.must('POST', `/v3/sessions/${sid}/messages`, { messages });
}

describe('the Postgres mirror', () => {
  let postgres: Postgres;
  before(async () => {
    postgres = await Postgres.start();
  });
  after(() => postgres.close());

  it('says what the log says when relay and Postgres are killed, round after round', async (t) => {
    const random = new Random();
    t.diagnostic(`SEED=${random.seed}`);
    await using relay = await mirrored(postgres.url());
    let login = await Login.in(relay.url);
    const { id } = await login.newSession();
    for (let round = 0; round < rounds; ++round) {
      const doomed = (await login.newSession()).id;
      const talk = (async () => {
        for (let i = 0; i < 10; ++i) {
          await say(login, id, 20);
          await say(login, doomed, 5);
        }
        await login.delete(`/v1/sessions/${doomed}`);
      })().catch(() => {}); // the relay was killed
      await pause(random.between(0, 300));
      const victim = random.between(0, 2);
      if (victim !== 0) await postgres.kill();
      if (victim !== 1) await relay.kill();
      await talk;
      if (victim !== 0) await postgres.start();
      if (victim !== 1) await relay.start();
      login = await Login.in(relay.url, login.account, login.device);
    }
    await expectEqual(relay);
    const stored = await login.allMessages(id);
    const rows = await postgres.sql(`SELECT count(*), count(DISTINCT local_id), max(seq) FROM consortium.messages WHERE session_id = '${id}'`);
    assert.equal(rows, `${stored.length}|${stored.length}|${stored.length}`);
  });

  it('has nothing left of what was deleted', async () => {
    await using relay = await mirrored(postgres.url());
    const login = await Login.in(relay.url);
    const kept = (await login.newSession()).id;
    const doomed = (await login.newSession()).id;
    await say(login, kept, 3);
    await say(login, doomed, 30);
    await caughtUp(relay);
    const rowsOf = (sid: string) => postgres.sql(`SELECT (SELECT count(*) FROM consortium.sessions WHERE session_id = '${sid}'), (SELECT count(*) FROM consortium.messages WHERE session_id = '${sid}'), (SELECT count(*) FROM consortium.metadata_versions WHERE session_id = '${sid}')`);
    assert.equal(await rowsOf(doomed), '1|30|1');
    await login.must('DELETE', `/v1/sessions/${doomed}`);
    await caughtUp(relay);
    assert.equal(await rowsOf(doomed), '0|0|0');
    assert.equal(await rowsOf(kept), '1|3|1');
    await expectEqual(relay);
  });

  it('is emptied and filled anew for another log, and says so', async () => {
    await using relay = await mirrored(postgres.url());
    const login = await Login.in(relay.url);
    await say(login, (await login.newSession()).id, 5);
    await expectEqual(relay);
    assert.match(relay.output, /mirror (holds nothing yet and is filled from the log|was emptied and is filled anew: it holds another log, [0-9a-f-]{36})/);
    assert.equal(await postgres.sql('SELECT count(*) FROM consortium.messages'), '5');
  });

  it('is written by one relay alone', async () => {
    await using first = await mirrored(postgres.url());
    const login = await Login.in(first.url);
    await caughtUp(first);
    await using second = await mirrored(postgres.url());
    await waitFor('the second relay to be refused', () => /another relay writes to this database/.test(second.output), { last: () => second.output });
    assert.equal((await mirror(second, 'status')).code, 1);
    await say(login, (await login.newSession()).id, 5);
    await expectEqual(first);
  });

  it('is made again by itself where it was wiped, and when that is asked for', async () => {
    await using relay = await mirrored(postgres.url());
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    await say(login, id, 10);
    await caughtUp(relay);
    for (const wipe of ['DROP SCHEMA consortium CASCADE', 'DROP TABLE consortium.messages', 'TRUNCATE consortium.position, consortium.messages']) {
      await postgres.sql(wipe);
      await say(login, id, 1); // which finds it
      await expectEqual(relay);
    }
    await postgres.sql(`DELETE FROM consortium.messages WHERE seq = 2`);
    const found = await mirror(relay, 'verify');
    assert.equal(found.code, 1, found.stdout + found.stderr);
    assert.equal(JSON.parse(found.stdout).differences, 1);
    assert.match(JSON.parse(found.stdout).findings[0], /consortium\.messages: the row of lsn \d+ is missing/);
    assert.equal((await mirror(relay, 'rebuild')).code, 0);
    await waitFor('the rebuilt mirror to be equal', async () => (await mirror(relay, 'verify')).code === 0);
  });

  it('lets a role read it, and nothing else', async () => {
    await using relay = await mirrored(postgres.url());
    const login = await Login.in(relay.url);
    await say(login, (await login.newSession()).id, 2);
    await caughtUp(relay);
    const odd = `reader"; DROP SCHEMA consortium CASCADE; --`;
    await postgres.sql(`CREATE ROLE "${odd.replaceAll('"', '""')}"; CREATE ROLE reader LOGIN`);
    for (const role of [odd, 'reader']) {
      const { code, stdout, stderr } = await run(program('consortium-admin'), ['mirror', 'grant', role]);
      assert.equal(code, 0, stderr);
      await postgres.sql(stdout);
    }
    for (const role of ['', 'a\nb', 'a'.repeat(64)]) {
      assert.equal((await run(program('consortium-admin'), ['mirror', 'grant', role])).code, 2, JSON.stringify(role));
    }
    assert.equal(await postgres.sql('SELECT count(*) FROM consortium.messages', 'mirror', 'reader'), '2');
    for (const attempt of [
      'DELETE FROM consortium.messages',
      'INSERT INTO consortium.messages SELECT * FROM consortium.messages',
      'UPDATE consortium.position SET lsn = 0',
      'SELECT * FROM consortium.position FOR UPDATE',
      'DROP TABLE consortium.messages',
      'DROP SCHEMA consortium CASCADE',
      'CREATE TABLE consortium.mine (n int)',
      'CREATE FUNCTION consortium.mine() RETURNS int LANGUAGE sql RETURN 1',
      'CREATE INDEX ON consortium.messages (size)',
      'CREATE TRIGGER mine BEFORE INSERT ON consortium.messages EXECUTE FUNCTION suppress_redundant_updates_trigger()',
      'ALTER TABLE consortium.messages DISABLE TRIGGER ALL',
      'BEGIN; LOCK TABLE consortium.messages IN SHARE MODE',
      'TRUNCATE consortium.accounts',
      'GRANT SELECT ON consortium.messages TO PUBLIC; DELETE FROM consortium.messages',
      'SET ROLE postgres',
      'ALTER ROLE reader SUPERUSER',
      `SELECT pg_read_file('/etc/passwd')`,
      `COPY consortium.messages TO PROGRAM 'true'`,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'consortium mirror'`,
    ]) {
      assert.match(await postgres.refusal(attempt, 'reader'), /permission denied|must be|must have/i, attempt);
    }
    // There is no key to read: neither in a column of that name nor as a value in any row.
    const text = await postgres.sql('SELECT t.* FROM consortium.devices t; SELECT t.* FROM consortium.accounts t; SELECT t.* FROM consortium.sessions t', 'mirror', 'reader');
    for (const key of [login.account.publicKey, login.device.key.publicKey]) {
      for (const form of ['hex', 'base64'] as const) assert.ok(!text.includes(Buffer.from(key).toString(form)));
    }
    assert.equal(await postgres.sql(`SELECT count(*) FROM information_schema.columns WHERE table_schema = 'consortium' AND column_name LIKE '%key%'`), '0');
    await expectEqual(relay);
    // What anybody may do who may connect: take the lock that tells two relays from each other. It is said who does, and hurts the mirror alone.
    assert.equal((await relay.stop()).code, 0);
    const holding = postgres.sql('SELECT pg_advisory_lock(7165066974239814657), pg_sleep(600)', 'mirror', 'reader').catch(() => {});
    await waitFor('the reader to have the lock', async () => (await postgres.sql(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted AND usename = 'reader'`)) === '1');
    await relay.start();
    const again = await Login.in(relay.url, login.account, login.device);
    await say(again, (await again.newSession()).id, 2);
    await waitFor('it to be said who has the lock', async () => /held by the role reader, process \d+/.test((await status(relay)).error?.text ?? ''), { ms: 100_000, last: () => relay.output.slice(-2000) });
    await say(again, (await again.newSession()).id, 2);
    await postgres.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'`);
    await holding;
    await expectEqual(relay);
    await postgres.sql(`DROP OWNED BY reader, "${odd.replaceAll('"', '""')}"; DROP ROLE reader, "${odd.replaceAll('"', '""')}"`);
  });

  it('takes every text that a client may choose as a text', async () => {
    await using relay = await mirrored(postgres.url());
    const login = await Login.in(relay.url);
    const texts = [`'); DROP SCHEMA consortium CASCADE; --`, '\\.', '\\N', 'a\tb\nc\rd', '\\', '\u0000', 'a\u0000b', '{"a":[]}', '{NULL}', '\u{1F600}\u202e', '$1', `E'\\x00'`];
    for (const text of texts) {
      const { id } = await login.newSession({ tag: text, metadata: text });
      await login.must('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: text, localId: text }] });
      await login.must('POST', '/v1/machines', { id: text, metadata: text, daemonState: text });
    }
    await expectEqual(relay);
    assert.equal(await postgres.sql('SELECT count(DISTINCT local_id) FROM consortium.messages'), String(texts.length));
    assert.equal(await postgres.sql('SELECT count(*) FROM consortium.machines'), String(texts.length));
  });

  /** Something that happens to Postgres while it is followed: what the mirror says of it, and how it ends. */
  interface Trouble {
    begin(relay: Relay, login: Login, sid: string): Promise<unknown>;
    says: RegExp;
    end(): Promise<unknown>;
  }

  /** Makes the mirror's tables in a place that is soon full. Without the right to mount one, Postgres says the same without being full. */
  async function fullDisk(): Promise<Trouble & AsyncDisposable> {
    const disk = await SmallDisk.mount(24);
    const setting = (change: string) => postgres.sql(`ALTER DATABASE mirror ${change}`, 'postgres');
    await postgres.sql('DROP SCHEMA IF EXISTS consortium CASCADE');
    if (disk) {
      await postgres.sql(`CREATE TABLESPACE small LOCATION '${disk.path}'`);
      await setting('SET default_tablespace = small');
    }
    return {
      async begin(relay, login, sid) {
        if (!disk) {
          await postgres.sql(`CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON consortium.messages EXECUTE FUNCTION public.full_disk()`);
        }
        const messages = Array.from({ length: 4 }, () => ({ content: randomText(1 << 20), localId: crypto.randomUUID() }));
        for (let i = 0; i < 10; ++i) {
          for (const message of messages) message.localId = crypto.randomUUID();
          await login.must('POST', `/v3/sessions/${sid}/messages`, { messages });
        }
      },
      says: /No space left on device/,
      end: async () => (disk ? disk.grow(1024) : postgres.sql('DROP TRIGGER full_disk ON consortium.messages; DROP FUNCTION public.full_disk')),
      async [Symbol.asyncDispose]() {
        await postgres.sql('DROP SCHEMA consortium CASCADE');
        if (!disk) return;
        await setting('RESET default_tablespace');
        await postgres.sql('DROP TABLESPACE small');
        await disk.close();
      },
    };
  }

  const configured = (change: string) => postgres.sql(`ALTER SYSTEM ${change}`).then(() => postgres.sql('SELECT pg_reload_conf()'));
  const troubles: [string, () => Promise<Trouble & Partial<AsyncDisposable>>][] = [
    ['is stopped', async () => ({ begin: () => postgres.stop(), says: /refused|lost|terminat|not connected/, end: () => postgres.start() })],
    ['is killed', async () => ({ begin: () => postgres.kill(), says: /refused|lost|terminat|not connected/, end: () => postgres.start() })],
    ['says nothing any more', async () => ({ begin: async () => postgres.signal('SIGSTOP'), says: /in time/, end: async () => postgres.signal('SIGCONT') })],
    ['becomes read-only', async () => ({
      begin: () => configured('SET default_transaction_read_only = on'),
      says: /read-only transaction/,
      end: () => configured('RESET default_transaction_read_only'),
    })],
    ['has a full disk', fullDisk],
  ];

  // Goal: an acknowledgement waits for nothing that Postgres does: here it does nothing before they are all there.
  for (const [what, make] of troubles) {
    it(`says what is wrong where Postgres ${what}, holds nobody up, and catches up alone`, async () => {
      await using trouble = { async [Symbol.asyncDispose]() {}, ...(await make()) };
      let ended = true;
      await using _ = { [Symbol.asyncDispose]: async () => void (ended || (await trouble.end())) };
      await using relay = await mirrored(postgres.url(), impatient);
      const login = await Login.in(relay.url);
      const { id } = await login.newSession();
      await say(login, id, 5);
      await caughtUp(relay);
      ended = false;
      await trouble.begin(relay, login, id);
      const client = await login.connected();
      const askAll = async () => {
        for (let i = 0; i < 100; ++i) assert.equal((await client.ask('message', { sid: id, message: randomText(), localId: crypto.randomUUID() })).result, 'success');
      };
      await askAll();
      let last: any;
      await waitFor('the mirror to say what is wrong', async () => {
        last = await status(relay);
        return last.phase === 'connecting' && trouble.says.test(last.error?.text ?? '');
      }, { ms: 100_000, every: 100, last: () => [last, relay.output.slice(-2000)] });
      assert.ok(last.head > last.position && last.lagMs > 0, JSON.stringify(last));
      const shown = await run(program('consortium-admin'), ['mirror', 'status', '--data', relay.data]);
      assert.equal(shown.code, 1);
      assert.match(shown.stdout, /\d records? behind, the first of them .* old\n/);
      assert.match(shown.stdout, trouble.says);
      await askAll();
      client.close();
      await trouble.end();
      ended = true;
      await expectEqual(relay);
      assert.equal((await status(relay)).lagMs, 0);
    });
  }

  it('ends in order, and soon, where Postgres stalls, and goes on from there', async () => {
    await using proxy = await StallingProxy.start(postgres.port);
    await using relay = await mirrored(postgres.url({ port: proxy.port }), impatient);
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    await caughtUp(relay);
    proxy.stall();
    await say(login, id, 5);
    const asked = Date.now();
    assert.equal((await relay.stop()).code, 0);
    assert.ok(Date.now() - asked < 10_000);
    proxy.resume();
    await relay.start();
    await say(await Login.in(relay.url, login.account, login.device), id, 5);
    await expectEqual(relay);
  });

  // Goal: rows that Postgres has half of are written whole, and once.
  it('writes anew what stalls in the middle of a COPY', async () => {
    await using proxy = await StallingProxy.start(postgres.port);
    await using relay = await mirrored(postgres.url({ port: proxy.port }), impatient);
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    await caughtUp(relay);
    const { failures } = await status(relay);
    for (const [round, bytes] of [200, 3_000, 300_000].entries()) {
      proxy.stallAfter(bytes);
      await login.must('POST', `/v3/sessions/${id}/messages`, { messages: Array.from({ length: 20 }, () => ({ content: randomText(50_000), localId: crypto.randomUUID() })) });
      await waitFor('the proxy to hold it', () => proxy.stalled);
      await say(login, id, 1);
      await waitFor('the mirror to give up', async () => (await status(relay)).failures > failures + round, { ms: 100_000 });
      proxy.resume();
      await expectEqual(relay);
    }
    assert.equal(await postgres.sql(`SELECT count(*), count(DISTINCT seq) FROM consortium.messages WHERE session_id = '${id}'`), '63|63');
  });

  it('waits for a Postgres that is not there, and never says the password', async () => {
    const url = new URL(postgres.url());
    url.password = 's3cret-word';
    await postgres.stop();
    await using relay = await mirrored(url.href);
    const login = await Login.in(relay.url);
    await say(login, (await login.newSession()).id, 5);
    await waitFor('the warning', () => /Postgres mirror \(database mirror on 127\.0\.0\.1:\d+ as postgres\) does not follow.*refused/.test(relay.output), { last: () => relay.output });
    const shown = await run(program('consortium-admin'), ['mirror', 'status', '--data', relay.data]);
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, /does not follow[\s\S]*refused/);
    const verified = await mirror(relay, 'verify');
    assert.equal(verified.code, 3);
    assert.match(verified.stdout, /unavailable/);
    await postgres.start();
    await expectEqual(relay);
    assert.ok(!(relay.output + shown.stdout + shown.stderr).includes('s3cret-word'));
    const said = relay.output.split('\n').filter((line) => line.includes('does not follow')).map((line) => line.replace(/^\S+ /, ''));
    assert.ok(said.every((line, at) => line !== said[at - 1]), 'said once, not for each attempt');
  });

  it('survives what speaks half of the protocol', async () => {
    const startup = Buffer.from('R\0\0\0\x08\0\0\0\0'); // signed in
    const ready = Buffer.from('Z\0\0\0\x05I');
    const answers: [string, (socket: Socket) => void][] = [
      ['nothing', () => {}],
      ['the end', (socket) => socket.end()],
      ['half a message', (socket) => socket.write(startup.subarray(0, 5))],
      ['signed in, never ready', (socket) => socket.write(startup)],
      ['a huge length', (socket) => socket.write(Buffer.from('R\x7f\xff\xff\xff\0\0\0\0', 'latin1'))],
      ['noise', (socket) => socket.write(Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 131) & 255)))],
      ['ready, and garbage for every question', (socket) => {
        socket.write(Buffer.concat([startup, ready]));
        socket.on('data', () => socket.write(Buffer.concat([Buffer.from('T\0\0\0\x06\0\x05D\0\0\0\x04'), ready])));
      }],
      ['an error without an end', (socket) => {
        socket.write(Buffer.concat([startup, ready]));
        const head = Buffer.from('E\0\0\0\0SERROR\0CXX000\0M', 'latin1');
        head.writeUInt32BE(head.length - 1 + (16 << 20) + 2, 1);
        socket.once('data', () => socket.write(Buffer.concat([head, Buffer.alloc(16 << 20, 'e'), Buffer.from('\0\0'), ready])));
      }],
      ['a control sequence for an error', (socket) => socket.end(Buffer.concat([Buffer.from('E\0\0\0\x23SFATAL\0C28000\0M\x1b[2Jspoof\nline\0\0', 'latin1')]))],
    ];
    let which = 0;
    const seen = new Set<string>();
    const server = createServer((socket) => {
      socket.on('error', () => {});
      const [name, answer] = answers[Math.min(which, answers.length - 1)]!;
      socket.once('data', (first: Buffer) => {
        seen.add(name);
        // Whether TLS may be spoken: no. Then the real beginning.
        if (first.readUInt32BE(4) === 80877103) {
          socket.write('N');
          socket.once('data', () => answer(socket));
        } else answer(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const close = async () => {
      server.close();
    };
    endLater(close);
    const { port } = server.address() as AddressInfo;
    await using relay = await mirrored(`postgresql://u:s3cret-word@127.0.0.1:${port}/d`, impatient);
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    for (which = 0; which < answers.length; ++which) {
      const name = answers[which]![0];
      const failures = (await status(relay)).failures;
      await waitFor(`two more failures with ${name}`, async () => (await status(relay)).failures >= failures + 2, { last: () => relay.output.slice(-2000) });
      await say(login, id, 2);
      const said = (await status(relay)).error.text;
      assert.ok(said !== '' && said.length <= 500, said);
    }
    assert.equal(seen.size, answers.length);
    assert.equal((await relay.stop()).code, 0);
    assert.ok(!relay.output.includes('s3cret-word'));
    assert.ok(!relay.output.includes('\x1b'), 'no control character of a server comes out');
    await close();
  });

  it('refuses to start with a malformed URL, and repeats nothing of it', async () => {
    for (const url of ['mysql://u:s3cret-word@db/x', 'postgresql://u:s3cret-word@db:port/x', 's3cret-word']) {
      const { code, stdout, stderr } = await run(program('consortium-relay'), ['--port', '0', '--data', '/nonexistent/data'], { env: { DATABASE_URL: url } });
      assert.equal(code, 1);
      assert.match(stderr, /DATABASE_URL is malformed/);
      assert.ok(!(stdout + stderr).includes('s3cret-word'));
    }
  });

  it('is not there where nobody asked for it', async () => {
    await using relay = await Relay.start();
    const { code, stderr } = await run(program('consortium-admin'), ['mirror', 'status', '--data', relay.data]);
    assert.equal(code, 3);
    assert.match(stderr, /started without DATABASE_URL/);
  });

  // Goal: the page's queries run, and by the index that it names for each; no index is there for nothing.
  it('answers the five questions of its page by its indexes', async () => {
    await using relay = await mirrored(postgres.url());
    await Login.in(relay.url);
    await caughtUp(relay);
    assert.equal((await relay.stop()).code, 0);
    await postgres.sql(`
      INSERT INTO consortium.messages
      SELECT n, md5((n % 7)::text)::uuid, md5((n % 91)::text)::uuid, n / 91, gen_random_uuid(), NULL, decode(repeat('ab', 700), 'hex'), now() - interval '700 days' * ((40000 - n) / 40000.0), n, 700
      FROM generate_series(1, 40000) AS n;
      VACUUM ANALYZE consortium.messages`);
    const page = readFileSync(join(repository, 'docs/mirror.md'), 'utf8');
    const questions = [...page.matchAll(/\(`(\w+)`\):\n\n```sql\n([^`]*)```/g)];
    assert.equal(questions.length, 5);
    const used = new Set<string>();
    for (const [, index, query] of questions) {
      assert.notEqual(await postgres.sql(query!), '', query);
      // The planner goes by a sample of the rows, which was off once in many runs: another sample is taken then.
      let plan = '';
      await waitFor(`${index} to be used`, async () => {
        plan = await postgres.sql(`EXPLAIN ${query}`);
        if (new RegExp(`\\b${index}\\b`).test(plan)) return true;
        await postgres.sql('VACUUM ANALYZE consortium.messages');
        return undefined;
      }, { last: () => plan });
      used.add(index!);
    }
    const indexes = await postgres.sql(`SELECT indexname FROM pg_indexes WHERE schemaname = 'consortium' AND indexname NOT LIKE '%_pkey' ORDER BY 1`);
    assert.deepEqual(indexes.split('\n'), [...used].sort());
  });
});
