/// The relay and its disk: what it says of the log it opened, one directory for one relay, a disk that is full and one
/// that may not be written to. Disks of a test's own need the right to mount (a user namespace is enough); without it
/// those tests are skipped, and say so.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { endAtExit } from '../support/cleanup.ts';
import { Login, randomText } from '../support/client.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const namespace = ['--user', '--map-root-user', '--mount'];
const mayMount = spawnSync('unshare', [...namespace, 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0;
const disks = mayMount ? {} : { skip: 'nothing may be mounted here' };

/** A shell in which a disk of its own is mounted; the relay runs there. */
class Disk {
  readonly #shell;
  readonly #forget;
  output = '';

  constructor(script: string, args: string[] = []) {
    this.#shell = spawn('unshare', [...namespace, 'sh', '-c', script, 'sh', ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/nonexistent' } });
    this.#forget = endAtExit(() => this.#shell.kill('SIGKILL'));
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }
  get pid(): number {
    return this.#shell.pid!;
  }
  async end(): Promise<number | null> {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null) await new Promise((resolve) => this.#shell.on('close', resolve));
    this.#forget();
    return this.#shell.exitCode;
  }
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#shell.kill(signal);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.end();
  }
}

function digests(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort().filter((name) => statSync(join(directory, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, createHash('sha256').update(readFileSync(join(directory, name))).digest('hex')]));
}

async function say(login: Login, sid: string, count = 1) {
  return login.post(`/v3/sessions/${sid}/messages`, { messages: Array.from({ length: count }, () => ({ content: randomText(600), localId: randomText() })) });
}

describe('what the relay says of the log it opened', () => {
  it('is true: records, revisions, what was kept or dropped, and the time', async () => {
    await using relay = await Relay.start();
    const report = async (start: number) => {
      const ready = () => relay.output.split('\n').slice(0, -1).filter((line) => line.includes('ready: log '));
      const lines = await waitFor('the report', () => (ready().length >= start ? ready() : undefined), { last: () => relay.output });
      const last = /ready: log (\S+), (\d+) records, (\d+) revisions of (\d+) accounts, (\d+) records kept and (\d+) bytes dropped after the last end, opened in (\d+) ms/.exec(lines.at(-1)!);
      assert.ok(last, `not a report: ${lines.at(-1)}`);
      return { starts: lines.length, log: last[1], numbers: last.slice(2).map(Number) };
    };
    assert.deepEqual((await report(1)).numbers.slice(0, 5), [0, 0, 0, 0, 0]);
    const people = [await Login.in(relay.url), await Login.in(relay.url)];
    let revisions = 0;
    for (const [n, login] of people.entries()) {
      const { id } = await login.newSession();
      assert.equal((await say(login, id, 5 + n)).status, 200);
      revisions += (await login.must('GET', '/v1/sessions')).revision;
    }
    assert.equal((await relay.stop()).code, 0);
    await relay.start();
    const now = await report(2);
    assert.equal(now.starts, 2, 'one line for each start');
    assert.deepEqual(now.numbers.slice(0, 5), [revisions, revisions, 2, 0, 0]);
    assert.ok(now.numbers[5]! < 10_000);
    assert.equal(now.log, (await people[0]!.must('GET', '/v1/sessions')).log);

    // After SIGKILL: what stands above the witness is kept, and counted.
    const witness = readFileSync(join(relay.data, 'witness'));
    const { id } = await people[0]!.newSession();
    assert.equal((await say(people[0]!, id, 3)).status, 200);
    await relay.kill();
    writeFileSync(join(relay.data, 'witness'), witness);
    await relay.start();
    const after = (await report(3)).numbers;
    assert.deepEqual(after.slice(0, 3), [revisions + 4, revisions + 4, 2]);
    assert.ok(after[3]! >= 4, `${after[3]} records kept`);
    await relay.stop();
    const verified = await run(program('consortium-admin'), ['verify', '--data', relay.data]);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, new RegExp(`\\b${revisions + 4}\\b`));
  });
});

describe('one directory', () => {
  it('has one relay: the second says so in one line, and the first goes on', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const second = await run(program('consortium-relay'), ['--port', '0', '--data', relay.data]);
    assert.equal(second.code, 1);
    assert.equal(second.stderr.trim(), `consortium-relay: ${relay.data} is in use by another process: stop it first, or use another directory`);
    const { id } = await login.newSession();
    assert.equal((await say(login, id)).status, 200);
  });
});

describe('a disk', disks, () => {
  it('that may not be written to is named in one line, and left as it is', async () => {
    using place = freshDirectory('read-only');
    await using relay = await Relay.start({ data: join(place.path, 'data') });
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    await say(login, id, 20);
    await relay.stop();
    const before = digests(place.path);
    await using disk = new Disk('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" --port 0 --data "$1/data"', [place.path, program('consortium-relay')]);
    assert.equal(await disk.end(), 1, disk.output);
    assert.equal(
      disk.output.trim(),
      `consortium-relay: ${relay.data} lies on a read-only file system. Nothing was changed. Mount it for writing (after looking at why it is not), or name another directory.`,
    );
    assert.deepEqual(digests(place.path), before);
    await relay.start();
    assert.equal((await login.allMessages(id)).length, 20);
  });

  it('that is full gets no invitation while the relay is stopped, and the tool says why', { timeout: 120_000 }, async () => {
    using place = freshDirectory('full');
    const mount = join(place.path, 'disk');
    mkdirSync(mount);
    await using relay = await Relay.start();
    await relay.stop();
    // Less than the floor of 64 MiB, from the beginning.
    await using disk = new Disk('mount -t tmpfs -o size=60m none "$1" && cp -r "$2" "$2.secret" "$1" && exec timeout 60 "$3" invite --data "$1/data"', [mount, relay.data, program('consortium-admin')]);
    assert.equal(await disk.end(), 3, disk.output);
    assert.match(disk.output, /nearly full: nothing is written until space is freed/);
  });

  it('that is full refuses what is sent before anything is written, serves what there is, and takes more when there is room', { timeout: 180_000 }, async () => {
    using place = freshDirectory('full');
    const mount = join(place.path, 'disk');
    mkdirSync(mount);
    // Above the relay's floor of 64 MiB, with what RocksDB reserves, until the filler comes.
    await using disk = new Disk('mount -t tmpfs -o size=240m none "$1" && exec env CONSORTIUM_REGISTRATION=open "$2" --port 0 --data "$1/data"', [mount, program('consortium-relay')]);
    const line = await waitFor('the relay to listen', () => /listening on https?:\/\/[^\s:]+:(\d+)/.exec(disk.output), { last: () => disk.output });
    const url = `http://127.0.0.1:${line[1]}`;
    await waitFor('GET /health', async () => (await fetch(`${url}/health`)).ok);
    const inside = (script: string) => {
      const done = spawnSync('nsenter', ['--user', '--mount', '--preserve-credentials', '--target', String(disk.pid), 'sh', '-c', script, 'sh', mount], { encoding: 'utf8' });
      assert.equal(done.status, 0, done.stderr);
      return done.stdout;
    };
    const login = await Login.in(url);
    const { id } = await login.newSession();
    const doomed = await login.newSession();
    assert.equal((await say(login, id, 10)).status, 200);

    inside('fallocate -l $(($(df --output=avail -B1 "$1" | tail -1) - 50000000)) "$1/filler"');
    const refused = await waitFor('the relay to notice', async () => {
      const answer = await say(login, id);
      return answer.status === 200 ? undefined : answer;
    });
    assert.equal(refused.status, 503, JSON.stringify(refused.body));
    assert.match(refused.body.error, /nearly full: nothing is written until space is freed/);
    assert.equal(typeof refused.body.retry, 'number');
    const { length } = await login.allMessages(id);
    assert.ok(length >= 10);
    const head = (await login.must('GET', '/v1/sessions')).revision;
    assert.doesNotMatch(refused.body.error, /\//, 'no path of the relay');
    for (let i = 0; i < 5; ++i) assert.equal((await say(login, id)).status, 503);
    assert.equal((await login.must('GET', '/v1/sessions')).revision, head, 'nothing was written');
    assert.equal((await login.allMessages(id)).length, length);

    // Whoever filled it: others sign in, on a new device too, and delete. No new account is made.
    const again = await Login.in(url, login.account);
    assert.equal((await again.delete(`/v1/sessions/${doomed.id}`)).status, 200);
    const stranger = await Login.attempt(url);
    assert.deepEqual([stranger.status, stranger.body.code], [503, 'unavailable']);

    inside('rm "$1/filler"');
    await waitFor('a message to be taken again', async () => (await say(login, id)).status === 200);
    assert.equal((await login.allMessages(id)).length, length + 1);
    disk.kill();
    assert.equal(await disk.end(), 0, disk.output);
  });
});
