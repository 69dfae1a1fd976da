/// Nothing acknowledged is ever lost: the relay is killed at random moments under load, and its files are damaged.
/// SEED=… repeats the kills of a run, CONSORTIUM_FULL=1 runs many more rounds.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, readFileSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Login, request, type Client } from '../support/client.ts';
import { filesBelow } from '../support/files.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Random } from '../support/random.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const full = process.env['CONSORTIUM_FULL'] === '1';
const rounds = full ? 150 : 8;
const count = (n: number) => Array.from({ length: n }, (_, at) => at);

interface Acknowledged {
  localId: string;
  seq: number;
  id?: string;
}

/** Sends numbered messages through whatever happens; what is not acknowledged is sent again, in order. */
class Writer {
  readonly acknowledged: Acknowledged[] = [];
  readonly #name: string;
  readonly #sid: string;
  readonly #window: number;
  #next = 0;
  #stopped = false;
  readonly #unanswered = new Map<string, string>();
  readonly #client: Client;
  readonly #padding: string;

  constructor(login: Login, sid: string, name: string, { window, bytes }: { window: number; bytes: number }) {
    this.#name = name;
    this.#sid = sid;
    this.#window = window;
    this.#padding = 'x'.repeat(bytes);
    this.#client = login.socket({ reconnection: true });
    this.#client.socket.on('connect', () => {
      for (const [localId, message] of this.#unanswered) this.#emit(localId, message);
      this.#fill();
    });
  }

  #fill(): void {
    while (!this.#stopped && this.#unanswered.size < this.#window && this.#client.socket.connected) {
      const localId = `${this.#name}:${this.#next++}`;
      const message = `${localId} ${this.#padding}`;
      this.#unanswered.set(localId, message);
      this.#emit(localId, message);
    }
  }

  #emit(localId: string, message: string): void {
    this.#client.socket.emit('message', { sid: this.#sid, message, localId }, (ack: any) => {
      assert.equal(ack.result, 'success', JSON.stringify(ack));
      assert.equal(ack.localId, localId);
      this.acknowledged.push({ localId, seq: ack.seq, id: ack.id });
      this.#unanswered.delete(localId);
      this.#fill();
    });
  }

  /** Sends no more, and waits until all of it is acknowledged. */
  async finish(): Promise<void> {
    this.#stopped = true;
    await waitFor(`all messages of ${this.#name} to be acknowledged`, () => this.#unanswered.size === 0, { last: () => [...this.#unanswered.keys()].slice(0, 5) });
    this.#client.close();
  }
}

/** Every acknowledged message is there exactly once, where the acknowledgement said, and nothing is out of order. */
async function verifyStored(login: Login, sid: string, acknowledged: Acknowledged[]): Promise<void> {
  const stored = await login.allMessages(sid);
  stored.forEach(({ seq }, at) => assert.equal(seq, at + 1, 'contiguous from 1'));
  const byLocalId = new Map(stored.map((message) => [message.localId as string, message]));
  assert.equal(byLocalId.size, stored.length, 'no localId twice');
  for (const { localId, seq, id } of acknowledged) {
    const message = byLocalId.get(localId);
    assert.ok(message, `${localId}, acknowledged as ${seq}, is lost`);
    assert.equal(message.seq, seq, `${localId} has moved`);
    if (id !== undefined) assert.equal(message.id, id);
    assert.ok(message.content.c.startsWith(`${localId} `), `${localId} holds something else`);
  }
  const last = new Map<string, number>();
  for (const { localId } of stored) {
    const [writer, n] = localId.split(':');
    assert.ok(Number(n) > (last.get(writer) ?? -1), `${localId} comes after ${writer}:${last.get(writer)}`);
    last.set(writer, Number(n));
  }
}

async function auditOf(data: string): Promise<string> {
  const verified = await run(program('consortium-admin'), ['verify', '--data', data]);
  assert.equal(verified.code, 0, `verify: ${verified.stdout}${verified.stderr}`);
  const replayed = await run(program('consortium-admin'), ['replay', '--check', '--data', data]);
  assert.equal(replayed.code, 0, `replay: ${replayed.stdout}${replayed.stderr}`);
  return verified.stdout;
}

describe('SIGKILL under load', () => {
  it(`${rounds} times: every acknowledged message exactly once, in order`, { timeout: full ? 1_800_000 : 180_000 }, async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const sessions: string[] = await Promise.all(count(2).map(async () => (await login.newSession()).id));
    const start = await login.must('GET', '/v1/sessions');
    const writers = count(4).map((n) => new Writer(login, sessions[n % 2]!, `w${n}`, { window: [1, 8, 64, 256][n]!, bytes: [20, 2_000, 200, 50][n]! }));
    const reader = login.socket({ reconnection: true });
    reader.follow(start.log, start.revision);

    // One writer over HTTP as well; an answer that did not come counts as none.
    let writing = true;
    const overHttp: Acknowledged[] = [];
    const http = (async () => {
      for (let n = 0; writing; n += 1) {
        const messages = count(5).map((at) => ({ content: `http:${n * 5 + at} `, localId: `http:${n * 5 + at}` }));
        for (;;) {
          const answer = await request(`${relay.url}/v3/sessions/${sessions[0]}/messages`, 'POST', { messages }, { token: login.token }).catch(() => undefined);
          if (answer?.status === 200) {
            overHttp.push(...answer.body.messages.map(({ localId, seq, id }: any) => ({ localId, seq, id })));
            break;
          }
          assert.ok(answer === undefined || answer.status >= 500, `refused: ${JSON.stringify(answer)}`);
          await pause(20);
        }
      }
    })();

    const total = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    for (let round = 1; round <= rounds; round += 1) {
      const before = total();
      await waitFor(`round ${round} to be under way`, () => total() > before + 20, { every: 2 });
      await pause(random.between(0, 400));
      const exit = await relay.kill();
      assert.equal(exit.signal, 'SIGKILL', `round ${round}: it had ended by itself: ${relay.output.slice(-2000)}`);
      await relay.start();
      if (full && round % 25 === 0) test.diagnostic(`round ${round}: ${total()} acknowledged`);
    }
    writing = false;
    await Promise.all([http, ...writers.map((writer) => writer.finish())]);
    test.diagnostic(`${total() + overHttp.length} messages acknowledged over ${rounds} kills`);

    for (const [n, sid] of sessions.entries()) {
      const acknowledged = writers.filter((_, at) => at % 2 === n).flatMap((writer) => writer.acknowledged);
      await verifyStored(login, sid, n === 0 ? [...acknowledged, ...overHttp] : acknowledged);
    }
    const end = await login.must('GET', '/v1/sessions');
    assert.equal(end.log, start.log);
    await waitFor('the reader to arrive', () => reader.updates.at(-1)?.seq === end.revision, { ms: 30_000, last: () => [reader.updates.at(-1)?.seq, end.revision] });
    reader.updates.forEach(({ seq }, at) => assert.equal(seq, start.revision + 1 + at, 'the reader saw every revision once'));
    assert.deepEqual(reader.resyncs, []);
    reader.close();

    assert.equal((await relay.stop()).code, 0);
    await auditOf(relay.data);
  });
});

describe('damaged files', () => {
  const place = freshDirectory('crash');
  let relay: Relay;
  let login: Login;
  let sid: string;
  let stored = 0;

  const walFiles = () => filesBelow(join(relay.data, 'db')).filter(({ path }) => path.endsWith('.log')).sort((a, b) => (a.path < b.path ? -1 : 1));
  const liveWal = () => walFiles().filter(({ content }) => content.length > 0).at(-1)!.path;
  const walSize = () => walFiles().reduce((sum, { content }) => sum + content.length, 0);
  const witness = () => join(relay.data, 'witness');

  async function write(n: number): Promise<void> {
    for (let at = 0; at < n; at += 1) {
      await login.must('POST', `/v3/sessions/${sid}/messages`, { messages: [{ content: `m:${stored} ${'y'.repeat(500)}`, localId: `m:${stored}` }] });
      stored += 1;
    }
  }

  /** Digests of what matters in the data directory: all but RocksDB's own diary. */
  function digests(): Record<string, string> {
    const files = filesBelow(relay.data).filter(({ path }) => !/\/(LOG|LOCK)/.test(path.slice(relay.data.length)));
    return Object.fromEntries(files.map(({ path, content }) => [path, createHash('sha256').update(content).digest('hex')]));
  }

  async function refusesToStart(reason: RegExp): Promise<string> {
    const before = digests();
    const from = relay.output.length;
    await assert.rejects(relay.start());
    await relay.kill();
    const said = relay.output.slice(from);
    assert.match(said, reason);
    assert.deepEqual(digests(), before, 'nothing was touched');
    const verified = await run(program('consortium-admin'), ['verify', '--data', relay.data]);
    assert.notEqual(verified.code, 0, `verify finds nothing: ${verified.stdout}`);
    return said;
  }

  before(async () => {
    relay = await Relay.start();
    login = await Login.in(relay.url);
    sid = (await login.newSession()).id;
    await write(20);
    await relay.kill();
    await relay.start();
  });
  after(async () => {
    await relay.close();
    place.remove();
  });

  it('a torn tail that nobody was told of is repaired and reported', async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    for (const round of count(3)) {
      const acknowledged = join(place.path, 'witness');
      copyFileSync(witness(), acknowledged);
      const known = stored;
      const size = walSize();
      await write(5);
      await relay.kill();
      // As if the machine had stopped while the last batch was being written, before its witness.
      copyFileSync(acknowledged, witness());
      const wal = liveWal();
      const cutAt = round === 0 ? statSync(wal).size - 7 : random.between(size + 1, statSync(wal).size - 1);
      truncateSync(wal, cutAt);
      const from = relay.output.length;
      await relay.start();
      const messages = await login.allMessages(sid);
      assert.ok(messages.length >= known && messages.length < stored, `${known} <= ${messages.length} < ${stored}`);
      messages.forEach(({ seq, localId }, at) => assert.deepEqual([seq, localId], [at + 1, `m:${at}`]));
      assert.match(relay.output.slice(from), /, [1-9]\d* bytes of a torn batch that was never acknowledged were dropped/, 'it says so');
      stored = messages.length;
      await write(2);
    }
    await relay.stop();
    await auditOf(relay.data);
    await relay.start();
  });

  it('a WAL cut below the witness is refused, naming what is missing', async () => {
    await write(10);
    await relay.kill();
    const wal = liveWal();
    cpSync(wal, join(place.path, 'wal'));
    truncateSync(wal, Math.floor(statSync(wal).size / 2));
    assert.match(await refusesToStart(/missing/i), /\b\d+\b/);
    cpSync(join(place.path, 'wal'), wal);
    await relay.start();
    assert.equal((await login.allMessages(sid)).length, stored);
  });

  it('a WAL that is gone is refused, naming what is missing', async () => {
    await write(10);
    await relay.kill();
    const wal = liveWal();
    cpSync(wal, join(place.path, 'wal'));
    unlinkSync(wal);
    await refusesToStart(/missing/i);
    cpSync(join(place.path, 'wal'), wal);
    await relay.start();
    assert.equal((await login.allMessages(sid)).length, stored);
  });

  it('a flipped bit below the witness is refused', async () => {
    await write(10);
    await relay.kill();
    const wal = liveWal();
    cpSync(wal, join(place.path, 'wal'));
    const bytes = readFileSync(wal);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
    const { writeFileSync } = await import('node:fs');
    writeFileSync(wal, bytes);
    await refusesToStart(/missing|corrupt|damaged/i);
    cpSync(join(place.path, 'wal'), wal);
    await relay.start();
  });

  it('a missing witness is noticed', async () => {
    await relay.kill();
    cpSync(witness(), join(place.path, 'witness'));
    unlinkSync(witness());
    await refusesToStart(/witness/i);
    cpSync(join(place.path, 'witness'), witness());
    await relay.start();
    assert.equal((await login.allMessages(sid)).length, stored);
  });

  it('another log under the same witness is refused', async () => {
    await write(3);
    await relay.stop();
    const other = await Relay.start();
    const stranger = await Login.in(other.url);
    const session = await stranger.newSession();
    for (const n of count(60)) await stranger.must('POST', `/v3/sessions/${session.id}/messages`, { messages: [{ content: 'x', localId: `${n}` }] });
    await other.stop();
    cpSync(witness(), join(place.path, 'witness'));
    cpSync(join(other.data, 'witness'), witness());
    await refusesToStart(/witness/i);
    cpSync(join(place.path, 'witness'), witness());
    await other.close();
    await relay.start();
    assert.equal((await login.allMessages(sid)).length, stored);
  });
});
