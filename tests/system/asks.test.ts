/// What Claude asks and what a person answers, with the real Claude Code: the text that is signed is what runs, grants
/// are taken to the letter, and no question makes the state large.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Person, type Conversation } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { say, startScriptedApi, use } from '../support/scripted-api.mjs';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let machine: Machine;
let person: Person;
let conversation: Conversation;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
  machine = new Machine({ relay: relay.url, api: api.url });
  person = await Person.signIn(relay.url);
  await pair(await machine.start(), person);
  conversation = await person.join();
});
after(async () => {
  conversation?.close();
  await machine?.close();
  await relay.close();
  await api.close();
});

const file = (name: string) => join(machine.work, name);
const noQuestion = () => waitFor('no open question', async () => Object.keys((await conversation.state()).requests ?? {}).length === 0);

/** Has Claude write this file; returns the question that comes of it. */
async function writing(scene: string, name: string, content: string) {
  api.scene(scene, [[say('A file.'), use('Write', { file_path: file(name), content })]]);
  await conversation.prompt(`please #${scene}`);
  return conversation.question(({ arguments: args }) => args.file_path === file(name));
}

describe('a question', () => {
  it('is one text, and what is in it is what runs', { timeout: 180_000 }, async () => {
    const content = 'one\u202E two\nGrüße 👩‍💻\n9007199254740993\n';
    const question = await writing('exact', 'exact.txt', content);
    assert.deepEqual(Object.keys(question.asked).filter((key) => ['id', 'nonce', 'tool', 'arguments', 'grants', 'cwd'].includes(key)).length, 6);
    assert.match(question.asked.nonce, /^[0-9a-f]{32}$/);
    assert.equal(question.asked.tool, 'Write');
    assert.equal(question.asked.cwd, machine.work);
    assert.equal((await conversation.decide(question, 'approved')).ok, true);
    await waitFor('the file', () => existsSync(file('exact.txt')));
    assert.equal(readFileSync(file('exact.txt'), 'utf8'), content);
    const approval = await conversation.told('approval', ({ text }) => text.includes(question.id));
    assert.equal(approval.ask, question.ask);
    assert.equal(approval.device, person.device.key.base64);
    await noQuestion();
  });

  it('that is approved without a grant grants nothing: the next one is asked too', { timeout: 180_000 }, async () => {
    api.scene('twice', [[use('Bash', { command: 'touch granted-one', description: 'one' })], [use('Bash', { command: 'touch granted-one', description: 'again' })]]);
    await conversation.prompt('please #twice');
    const first = await conversation.question(({ tool }) => tool === 'Bash');
    assert.ok(first.asked.grants.length >= 1, 'the rule that the agent itself knows is among the grants');
    assert.equal((await conversation.decide(first, 'approved')).ok, true);
    const second = await conversation.question(({ id }) => id !== first.id);
    assert.notEqual(second.asked.nonce, first.asked.nonce);
    // The verdict on the first one says nothing about the second.
    assert.equal((await conversation.call('permission', { ...conversation.verdict(first, 'approved'), id: second.id })).ok, false);
    assert.equal((await conversation.decide(second, 'denied', { reason: 'enough of it' })).ok, true);
    await conversation.said('the denial', (d) => JSON.stringify(d).includes('enough of it'));
    await noQuestion();
  });

  it('whose one grant is given is not asked again, and another is', { timeout: 180_000 }, async () => {
    api.scene('granted', [
      [use('Bash', { command: 'touch for-the-session', description: 'one' })],
      [use('Bash', { command: 'touch for-the-session', description: 'again' })],
      [use('Bash', { command: 'touch something-else', description: 'other' })],
    ]);
    await conversation.prompt('please #granted');
    const first = await conversation.question(({ arguments: args }) => args.command === 'touch for-the-session');
    const session = first.asked.grants.findIndex(({ type, destination, behavior }: any) => type === 'addRules' && destination === 'session' && behavior === 'allow');
    assert.ok(session >= 0, JSON.stringify(first.asked.grants));
    assert.equal((await conversation.decide(first, 'approved', { grants: [session] })).ok, true);
    const other = await conversation.question(({ id }) => id !== first.id);
    assert.equal(other.asked.arguments.command, 'touch something-else');
    assert.equal(existsSync(join(machine.work, '.claude', 'settings.local.json')), false, 'nothing was written down for later');
    await conversation.decide(other, 'denied', { reason: 'not that' });
    await conversation.said('the denial', (d) => JSON.stringify(d).includes('not that'));
    await noQuestion();
  });

  it('of 0.9 MB comes as a message, and the state stays small', { timeout: 270_000 }, async () => {
    const content = 'x'.repeat(900_000);
    const question = await writing('large', 'large.txt', content);
    const state = await conversation.state();
    assert.ok(JSON.stringify(state).length < 192 * 1024, `${JSON.stringify(state).length}`);
    const { ask, hash, in: bundle } = state.requests[question.id];
    assert.deepEqual([ask, typeof hash, typeof bundle], [null, 'string', 'string']);
    assert.ok((await conversation.history()).some(({ id }) => id === bundle));
    assert.equal((await conversation.decide(question, 'approved')).ok, true);
    await waitFor('the file', () => existsSync(file('large.txt')) && readFileSync(file('large.txt'), 'utf8') === content);
    await noQuestion();
  });

  it('of 5 MB is refused in words, to Claude and to the person', { timeout: 270_000 }, async () => {
    api.scene('huge', [[use('Write', { file_path: file('huge.txt'), content: 'y'.repeat(5_000_000) })]]);
    await conversation.prompt('please #huge');
    await conversation.told('message', ({ message }) => /too (large|big|long)|4 MiB/i.test(message), 60_000);
    await waitFor('Claude to be told', () => api.asked.some(({ prompt, results }) => prompt === 'please #huge' && results.some(({ failed }: any) => failed)), { ms: 30_000 });
    assert.equal(existsSync(file('huge.txt')), false);
    await noQuestion();
  });

  it('after question leaves nothing in the state', { timeout: 360_000 }, async () => {
    const many = 12;
    api.scene('many', Array.from({ length: many }, (_, i) => [use('Bash', { command: `echo ${i} ${'z'.repeat(15_000)}`, description: `number ${i}` })]));
    await conversation.prompt('please #many');
    let last = '';
    for (let i = 0; i < many; ++i) {
      const question = await conversation.question(({ id, arguments: args }) => id !== last && args.command?.startsWith(`echo ${i} `));
      last = question.id;
      await conversation.decide(question, 'denied', { reason: `not ${i}` });
      await conversation.said('the denial', (d) => JSON.stringify(d).includes(`not ${i}`));
    }
    await noQuestion();
    const state = await conversation.state();
    assert.equal(state.completedRequests, undefined);
    assert.ok(JSON.stringify(state).length < 4096, JSON.stringify(state));
  });
});
