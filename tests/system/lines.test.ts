/// What Claude says, with the real Claude Code: no line of it is lost, what it forgot is marked, and what runs on without a
/// turn is shown. What a person says that cannot be read is answered.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, type Conversation } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { say, startScriptedApi, use } from '../support/scripted-api.mjs';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let machine: Machine;
let person: Person;
let conversation: Conversation;
let browser: Browser;
let dashboard: Dashboard;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
  machine = new Machine({ relay: relay.url, api: api.url, args: ['--allowedTools', 'Bash(sleep:*)'] });
  person = await Person.signIn(relay.url);
  await pair(await machine.start(), person);
  conversation = await person.join();
  browser = await Browser.start();
  dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.signIn(base32Of(person.secret));
  await dashboard.choose(conversation.id);
});
after(async () => {
  await browser?.close();
  conversation?.close();
  await machine?.close();
  await relay.close();
  await api.close();
});

const is = (state: string) => dashboard.page.locator(`[data-testid=conversation][data-state=${state}]`).waitFor({ timeout: 60_000 });
const backgroundOf = async () => ((await conversation.state())?.background ?? []) as { id: string; type: string; what: string; since: number }[];

describe('a line with half a surrogate pair', () => {
  it('is an answer like any other', { timeout: 180_000 }, async () => {
    api.scene('halfanswer', [[say('this answer holds half a smile: \ud83d')]]);
    await conversation.prompt('please #halfanswer');
    await conversation.answered('half a smile: \ufffd');
    await dashboard.entry('text', 'half a smile: \ufffd').waitFor();
  });

  it('is a question like any other, and what is shown is what runs', { timeout: 180_000 }, async () => {
    api.scene('halfquestion', [[use('Bash', { command: 'touch smile-\ud83d.txt', description: 'Make a file' })]]);
    await conversation.prompt('please #halfquestion');
    const question = await conversation.question(({ arguments: args }) => args.command === 'touch smile-\ufffd.txt');
    assert.equal((await conversation.decide(question, 'denied')).ok, true);
    await waitFor('the end of the turn', async () => Object.keys((await conversation.state()).requests).length === 0);
    await is('idle');
  });
});

describe('a prompt', () => {
  it('with half a surrogate pair is read', { timeout: 180_000 }, async () => {
    await conversation.prompt('half a smile: \ud83d');
    await conversation.answered('Heard: half a smile: \ufffd');
  });

  it('that cannot be read is refused, and those behind it run', { timeout: 180_000 }, async () => {
    const page = conversation.another();
    const { id, envelope } = page.sender.next('lost', Date.now());
    const torn = JSON.stringify(envelope).replace('"lost"', '{"role":"user","content":{"type":"te');
    await page.send(page.sealAct('prompt', torn, id));
    await page.told('prompt-refused', (data) => data.id === id.toString('base64') && data.reason === 'malformed');
    await page.prompt('this one can be read');
    await conversation.answered('Heard: this one can be read');
    await dashboard.entry('event', 'it is not of a form that the agent knows').waitFor();
  });
});

describe('what a slash command printed', () => {
  it('is said once, though Claude writes it again when it sums up', { timeout: 180_000 }, async () => {
    const printed = (d: any) => d?.content?.data?.type === 'assistant' && JSON.stringify(d.content.data.message).includes('Total duration');
    const talk = async (words: string) => {
      await conversation.prompt(words);
      await conversation.answered(`Heard: ${words}`);
    };
    await talk('there is something to sum up');
    await talk('and something more');
    await conversation.prompt('/cost');
    await conversation.said('what it printed', printed);
    await conversation.prompt('/compact');
    await conversation.said('where it was summed up', (d) => d?.content?.data?.subtype === 'compact_boundary');
    // All that Claude wrote while it did stands before this one.
    await talk('this one comes behind it');
    const all = (await conversation.history()).map(({ envelope }) => envelope?.d);
    assert.equal(all.filter(printed).length, 1);
  });
});

describe('what Claude no longer knows', () => {
  it('is marked where it was cleared, and where it was summed up', { timeout: 240_000 }, async () => {
    const boundaries = dashboard.by('boundary');
    const before = await boundaries.count();
    await conversation.prompt('/compact');
    await boundaries.filter({ hasText: 'a summary of what is above' }).first().waitFor({ timeout: 60_000 });
    await is('idle');
    await conversation.prompt('/clear');
    await boundaries.filter({ hasText: 'has forgotten what is above' }).first().waitFor({ timeout: 60_000 });
    await is('idle');
    assert.equal(await boundaries.count(), before + 2);
  });
});

describe('a command in the background', () => {
  it('is shown while it runs, and stopped by its own stop', { timeout: 240_000 }, async () => {
    api.scene('serve', [[use('Bash', { command: 'sleep 600', description: 'Serve', run_in_background: true })]]);
    await conversation.prompt('please #serve');
    const [task] = await waitFor('what runs in the background', async () => ((await backgroundOf()).length > 0 ? backgroundOf() : undefined), { ms: 60_000 });
    assert.equal(task!.what, 'Serve');
    assert.equal(task!.type, 'local_bash');
    await is('background');
    const shown = dashboard.page.locator(`[data-testid=background-task][data-task="${task!.id}"]`);
    await shown.getByText('Serve').waitFor();
    assert.equal(await dashboard.by('stop').isEnabled(), false, 'no turn runs');
    await shown.getByTestId('background-stop').click();
    await shown.waitFor({ state: 'detached', timeout: 60_000 });
    assert.deepEqual(await backgroundOf(), []);
    await is('idle');
    await dashboard.entry('event', /In the background: “Serve” was stopped/).waitFor();
  });
});

describe('a subagent in the background', () => {
  it('works on after its turn, and what it ran is stopped with it', { timeout: 240_000 }, async () => {
    api.scene('helper', [[use('Agent', { description: 'Look around', prompt: 'please #inner', subagent_type: 'general-purpose', run_in_background: true })]]);
    api.scene('inner', [[use('Bash', { command: 'tail -f /dev/null', description: 'Wait' })]]);
    await conversation.prompt('please #helper');
    const row = dashboard.page.locator('[data-testid=tool]').filter({ hasText: 'Look around' }).first();
    await row.locator('summary').first().click({ timeout: 60_000 });
    const inner = row.getByTestId('subentry').filter({ hasText: 'tail -f /dev/null' });
    await inner.filter({ hasText: /waiting for you/ }).waitFor({ timeout: 60_000 });
    await dashboard.page.locator('[data-testid=slip][data-armed=true]').getByTestId('slip-allow-once').click({ timeout: 60_000 });
    await dashboard.entry('text', /Async agent launched/).waitFor({ timeout: 60_000 });
    const lastKind = () => dashboard.page.locator('[data-testid=entry]').last().getAttribute('data-kind');
    await waitFor('the end of the turn', async () => (await lastKind()) === 'result', { ms: 60_000 });
    await inner.filter({ hasText: /running/ }).waitFor({ timeout: 60_000 });
    const [task] = await backgroundOf();
    assert.equal(task!.type, 'local_agent');
    await is('background'); // though Claude Code itself says that it is running
    await dashboard.page.locator(`[data-testid=background-task][data-task="${task!.id}"]`).getByTestId('background-stop').click();
    await row.filter({ hasText: 'in the background: was stopped' }).waitFor({ timeout: 60_000 });
    await inner.filter({ hasText: /stopped/ }).waitFor({ timeout: 60_000 });
    await is('idle');
    assert.doesNotMatch(await inner.first().innerText(), /failed/);
  });
});
