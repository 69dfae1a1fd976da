/// A relay that lies about its log, to an agent that keeps what it saw of it: rewinds it, forks it, swaps its key, forges a
/// proof. Each raises an alarm, in the terminal, in the dashboard and in `consortium log`, until a person acknowledges it.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPairSync, createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { randomText, request } from '../support/client.ts';
import { Person, type Conversation } from '../support/e2ee.ts';
import { freshDirectory } from '../support/places.ts';
import { LyingRelay } from '../support/proxy.ts';
import { openCheckpoint, readKey } from '../support/proofs.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

/** A machine with an agent that has met the relay's log and had a message proved. */
class Watcher {
  readonly machine: Machine;
  person!: Person;
  conversation!: Conversation;
  terminal!: Terminal;

  private constructor(relay: string, api: string) {
    this.machine = new Machine({ relay, api });
  }

  static async start(relay: string, api: string, ofPerson = relay): Promise<Watcher> {
    const watcher = new Watcher(relay, api);
    watcher.person = await Person.signIn(ofPerson);
    watcher.terminal = await watcher.machine.start();
    await pair(watcher.terminal, watcher.person);
    watcher.conversation = await watcher.person.join();
    await waitFor('the agent to have checked the log', () => watcher.log()?.verified > 0);
    await watcher.talks('before');
    await waitFor('a message to have been proved', () => watcher.log()?.proved > 0, { last: () => watcher.memory() });
    return watcher;
  }

  get #file(): string {
    return join(this.machine.state, 'relay-log.json');
  }
  memory(): any {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8'));
    } catch {
      return undefined;
    }
  }
  log(): any {
    const memory = this.memory();
    return memory === undefined ? undefined : memory.logs[Object.values(memory.current).at(-1) as string];
  }
  mode(): number {
    return statSync(this.#file).mode & 0o777;
  }

  /** The agent works. */
  async talks(words: string): Promise<void> {
    await this.conversation.prompt(words);
    await this.conversation.answered(`Heard: ${words}`);
  }

  /** The alarm is said at the terminal and in the dashboard, and is kept. */
  async alarmed(what: string, { works = true } = {}): Promise<void> {
    await waitFor(`the alarm ${what}`, () => this.memory()?.alarms.some((alarm: any) => alarm.what === what), { last: () => this.memory() });
    await this.terminal.shows(/ALARM.*consortium log/);
    await this.conversation.told('message', (data) => data.logAlarm?.what === what && /consortium log/.test(data.message));
    if (works) await this.talks(`after ${what}`);
    for (const command of [['log'], ['auth', 'status']]) {
      const shown = await this.machine.start(command);
      await shown.shows(/ALARM[\s\S]*consortium log --accept/);
      assert.equal(await shown.ended(), command[0] === 'log' ? 1 : 0, command.join(' '));
    }
  }

  async accept(): Promise<void> {
    const shown = await this.machine.start(['log', '--accept']);
    await shown.shows(/Now +\d+ alarms? acknowledged/);
    assert.equal(await shown.ended(), 0);
    assert.deepEqual(this.memory().alarms, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.conversation?.close();
    await this.machine.close();
  }
}

describe('a relay that lies about its log', () => {
  let lying: LyingRelay;
  let relay: Relay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;

  before(async () => {
    ({ lying, relay } = await LyingRelay.start());
    api = await startScriptedApi();
  });
  after(async () => {
    await lying.close();
    await relay.close();
    await api.close();
  });

  it('an honest one raises none, whatever happens to it', { timeout: 360_000 }, async () => {
    await using watcher = await Watcher.start(lying.url, api.url, relay.url);
    assert.equal(watcher.mode(), 0o600);
    const seen = watcher.log();
    await relay.kill();
    await relay.start(relay.port);
    await watcher.talks('after a crash of the relay');
    await waitFor('a later head', () => watcher.log().size > seen.size);
    assert.equal(watcher.log().key, seen.key);
    assert.equal(watcher.log().key, (await request(`${relay.url}/v1/log/key`, 'GET')).body.key);
    const shown = await watcher.machine.start(['log']);
    await shown.shows(/Now +it continues what this machine saw before/);
    assert.equal(await shown.ended(), 0);
    assert.deepEqual(watcher.memory().alarms, []);
    assert.doesNotMatch(await watcher.terminal.screen(), /ALARM/);
  });

  it('one that shows an older state, by checkpoints that it did sign', { timeout: 360_000 }, async () => {
    await using watcher = await Watcher.start(lying.url, api.url, relay.url);
    const { checkpoint: old } = await watcher.person.login.must('GET', '/v1/log/checkpoint');
    await watcher.talks('more');
    const key = readKey((await request(`${relay.url}/v1/log/key`, 'GET')).body);
    lying.cutLinks();
    await waitFor('a later head', () => watcher.log().size > openCheckpoint(old, key).size);
    const accepted = watcher.log().size;
    lying.hooks = {
      reply: ({ path }, reply) => {
        if (/^\/v1\/log\/(checkpoint|proof)/.test(path) && reply.status === 200) reply.body = { ...reply.body, checkpoint: old };
      },
    };
    lying.cutLinks();
    await watcher.alarmed('shorter');
    assert.equal(watcher.log().size, accepted, 'what was accepted stays');
    lying.hooks = {};
    await watcher.accept();
    assert.ok(watcher.log().size > accepted, 'the honest log continues it');
  });

  it('one that swaps its key', { timeout: 360_000 }, async () => {
    await using watcher = await Watcher.start(lying.url, api.url, relay.url);
    const before = watcher.log().key;
    const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    lying.hooks = {
      reply: ({ path }, { body }) => {
        if (path !== '/v1/log/key') return;
        const typed = Buffer.concat([Buffer.of(1), other]);
        const id = createHash('sha256').update(`${body.origin}\n`).update(typed).digest().subarray(0, 4).toString('hex');
        Object.assign(body, { key: `${body.origin}+${id}+${typed.toString('base64')}`, publicKey: other.toString('base64') });
      },
    };
    lying.cutLinks();
    await watcher.alarmed('other-key');
    assert.equal(watcher.log().key, before, 'the first key is kept');
    lying.hooks = {};
    await watcher.accept();
    assert.equal(watcher.log().key, before);
  });

  it('one that forges the proof of a message', { timeout: 360_000 }, async () => {
    await using watcher = await Watcher.start(lying.url, api.url, relay.url);
    lying.hooks = {
      down: (packet) => {
        const record = packet.kind === 'ack' ? packet.data?.[0]?.proof?.record : undefined;
        if (record) record.path[0] = Buffer.alloc(32, 7).toString('base64');
      },
    };
    await watcher.talks('is this proved?');
    await watcher.alarmed('bad-record');
    lying.hooks = {};
    await watcher.accept();
  });

  it('one that proves another message than was sent', { timeout: 360_000 }, async () => {
    await using watcher = await Watcher.start(lying.url, api.url, relay.url);
    let first: any;
    lying.hooks = {
      down: (packet) => {
        const answer = packet.kind === 'ack' ? packet.data?.[0] : undefined;
        if (!answer?.proof) return;
        first ??= structuredClone(answer.proof);
        answer.proof = first;
      },
    };
    await watcher.talks('the one');
    await watcher.talks('the other');
    await watcher.alarmed('bad-record');
    lying.hooks = {};
    await watcher.accept();
  });
});

describe('a relay that goes back to a copy of its log', () => {
  it('is found when the log is shorter, and when it has grown into another', { timeout: 540_000 }, async () => {
    using place = freshDirectory('old-log');
    const api = await startScriptedApi();
    const { lying, relay } = await LyingRelay.start();
    try {
      await using watcher = await Watcher.start(lying.url, api.url);
      const seen = () => watcher.log().size as number;

      await relay.stop();
      const copy = join(place.path, 'data');
      cpSync(relay.data, copy, { recursive: true });
      cpSync(`${relay.data}.secret`, `${copy}.secret`);
      await relay.start();
      lying.target = relay.url; // everybody dials again by themselves
      await watcher.talks('what will be taken back');
      const atCopy = seen();
      lying.cutLinks();
      await waitFor('a later head', () => seen() > atCopy, { last: () => watcher.memory() });

      await relay.stop();
      const old = await Relay.start({ args: ['--public-url', lying.url], data: copy });
      try {
        lying.target = old.url;
        lying.cutLinks();
        await watcher.alarmed('shorter', { works: false });
        const accepted = seen();
        // It grows beyond what was accepted: only its history tells.
        const key = readKey((await request(`${old.url}/v1/log/key`, 'GET')).body);
        const size = async () => openCheckpoint((await watcher.person.login.must('GET', '/v1/log/checkpoint')).checkpoint, key).size;
        while ((await size()) <= accepted)
          await watcher.person.login.must('POST', `/v3/sessions/${watcher.conversation.id}/messages`, { messages: [{ content: randomText(200), localId: crypto.randomUUID() }] });
        lying.cutLinks();
        await watcher.alarmed('other-history', { works: false });
        assert.equal(seen(), accepted, 'what was accepted stays');
        await watcher.accept();
        assert.ok(seen() > accepted, 'acknowledged: from now on this is the log');
      } finally {
        await old.close();
      }
    } finally {
      await lying.close();
      await relay.close();
      await api.close();
    }
  });
});
