/// A network that comes and goes, and a relay that is killed: every prompt runs once, every answer arrives once.
/// SEED=… repeats a run.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Machine, pair } from '../support/agent.ts';
import { Person, SenderOrder, type Conversation } from '../support/e2ee.ts';
import { filesBelow } from '../support/files.ts';
import { LyingRelay } from '../support/proxy.ts';
import { Random } from '../support/random.ts';
import { Relay } from '../support/relay.ts';
import { gate, say, startScriptedApi } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

const full = process.env['CONSORTIUM_FULL'] === '1';
const prompts = full ? 200 : 25;
const rounds = full ? 40 : 5;

describe('a network that comes and goes', () => {
  let relay: Relay;
  let network: LyingRelay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  let machine: Machine;
  let conversation: Conversation;
  let terminal: Terminal;

  before(async () => {
    ({ lying: network, relay } = await LyingRelay.start());
    api = await startScriptedApi();
    machine = new Machine({ relay: network.url, api: api.url });
    const person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
  });
  after(async () => {
    conversation?.close();
    await machine?.close();
    await network.close();
    await relay.close();
    await api.close();
  });

  /** Everything that Claude was given, in order. It joins prompts that wait into one, line by line. */
  const prompted = () =>
    api.asked.filter(({ round, sideQuestion }) => round === 0 && !sideQuestion).flatMap((asked) => asked.prompts).flatMap((text) => text.split('\n'));

  it(`${prompts} prompts run once each, in order, and are answered once each`, { timeout: 2_700_000 }, async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    let over = false;
    let cuts = 0;
    let kills = 0;
    const weather = (async () => {
      while (!over) {
        await pause(random.between(20, 500));
        if (random.next() < 0.2) {
          await relay.kill();
          await pause(random.between(0, 300));
          await relay.start();
          kills += 1;
        } else {
          network.cutLinks();
          cuts += 1;
        }
      }
    })();

    const given = prompted;
    const sent: string[] = [];
    try {
      for (let n = 0; n < prompts; n += 1) {
        const { bundle } = await conversation.sealPrompt(`prompt ${n}`);
        const localId = crypto.randomUUID();
        // Like the dashboard's outbox: the same bundle again until it is acknowledged.
        await waitFor(`prompt ${n} to be stored`, async () => {
          if (!conversation.client.socket.connected) return false;
          const ack = await conversation.client.socket.timeout(2_000).emitWithAck('message', { sid: conversation.id, message: bundle, localId });
          return ack.result === 'success';
        }, { ms: 60_000 });
        sent.push(`prompt ${n}`);
        await pause(random.between(0, 400));
      }
    } finally {
      over = true;
      await weather;
    }
    test.diagnostic(`${cuts} cuts, ${kills} kills, ${given().length} prompts with Claude when the weather calms`);
    await waitFor('all prompts to have been given to Claude', () => given().length >= prompts, { ms: 60_000, every: 200, last: given });
    assert.deepEqual(given(), sent);

    // All that Claude answered is there, once, in an unbroken chain.
    const answers = api.asked.filter(({ sideQuestion }) => !sideQuestion).map((asked) => `Heard: ${asked.prompt}`);
    const said = async () => (await conversation.history()).filter(({ kind }) => kind === 'message')
      .map(({ envelope }) => envelope!.d as any)
      .filter((d) => d?.content?.data?.type === 'assistant')
      .flatMap((d) => d.content.data.message.content.filter(({ type }: any) => type === 'text').map(({ text }: any) => text as string));
    await waitFor('all answers', async () => (await said()).length >= answers.length, { ms: 60_000, every: 200 });
    assert.deepEqual(await said(), answers);
    const chain = new SenderOrder();
    const history = await conversation.history();
    const stored = await conversation.person.login.allMessages(conversation.id);
    for (const [at, { kind, envelope, id }] of history.entries()) {
      assert.notEqual(kind, 'unreadable', `message ${stored[at].seq}`);
      assert.equal(chain.append({ from: envelope!.from, n: envelope!.n, prev: envelope!.prev, id: id! }), undefined, `message ${stored[at].seq}`);
    }
    assert.equal(history.some(({ envelope }) => /prompt-refused|history-broken/.test(JSON.stringify(envelope!.d))), false);
  });

  it('an agent that is killed again and again runs no prompt twice, and none is lost', { timeout: 900_000 }, async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    const sent: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const n of [1, 2]) {
        const text = `round ${round} prompt ${n}`;
        await conversation.prompt(text);
        sent.push(text);
      }
      await pause(random.between(0, 500));
      process.kill(await terminal.pid(), 'SIGKILL');
      terminal = await machine.start();
      if (random.next() < 0.5) await waitFor('the agent to be back', async () => (await conversation.client.ask('rpc-call', { method: `${conversation.id}:set-mode`, params: '' })).error !== 'RPC method not available', { ms: 30_000 });
    }
    await waitFor('all prompts to have been given to Claude', () => sent.every((text) => prompted().includes(text)), { ms: 60_000, every: 200, last: prompted });
    await conversation.prompt('the last one');
    await conversation.answered('Heard: the last one');
    // What Claude itself remembers of the conversation: a prompt that was cut off before it wrote it down may have been
    // asked for twice, but never stands there twice.
    const remembered = api.asked.findLast(({ prompt }) => prompt === 'the last one')!.history.flatMap((text: string) => text.split('\n'));
    assert.deepEqual(remembered.filter((text: string) => text.startsWith('round ') || text === 'the last one'), [...sent, 'the last one']);
  });
});

describe('an agent that is killed while Claude has not begun to answer', () => {
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  before(async () => {
    api = await startScriptedApi();
  });
  after(() => api.close());

  it('gives the prompt again, and it stands once in the conversation: the first one, and a later one', { timeout: 360_000 }, async () => {
    await using relay = await Relay.start();
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    let terminal = await machine.start();
    await pair(terminal, person);
    const conversation = await person.join();
    const transcripts = join(machine.home, '.claude', 'projects');
    const writtenDown = (words: string) =>
      filesBelow(transcripts)
        .filter(({ path }) => path.endsWith('.jsonl'))
        .flatMap(({ content }) => content.toString().split('\n'))
        .some((line) => line.includes('"type":"user"') && line.includes(words));

    const said: string[] = [];
    for (const [n, words] of ['the very first #held-0', 'a later one #held-1'].entries()) {
      api.scene(`held-${n}`, [[gate(`held-${n}`), say(`Answer ${n}.`)]]);
      await conversation.prompt(words);
      said.push(words);
      await waitFor('Claude to write the prompt down', () => writtenDown(words));
      await waitFor('Claude to ask', () => api.asked.some(({ prompt }) => prompt === words));
      process.kill(await terminal.pid(), 'SIGKILL');
      terminal = await machine.start();
      await waitFor('Claude to ask again', () => api.asked.filter(({ prompt }) => prompt === words).length === 2, { ms: 30_000, last: () => api.asked });
      api.open(`held-${n}`);
      await conversation.answered(`Answer ${n}.`);
      assert.deepEqual(api.asked.at(-1)!.history, said);
    }
    await conversation.prompt('and on');
    await conversation.answered('Heard: and on');
    assert.deepEqual(api.asked.at(-1)!.history, [...said, 'and on']);
    conversation.close();
  });
});
