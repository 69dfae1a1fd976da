/// A machine that sleeps with everything running on it, and what a relay withholds meanwhile: only the agent's clock decides, and it
/// runs on in sleep.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, type Conversation } from '../support/e2ee.ts';
import { event, LyingRelay } from '../support/proxy.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';
import { waitFor } from '../support/wait.ts';

const second = 1_000;
const hour = 3_600 * second;

let relay: Relay;
let lying: LyingRelay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let machine: Machine;
let person: Person;
let conversation: Conversation;

before(async () => {
  ({ lying, relay } = await LyingRelay.start());
  api = await startScriptedApi();
  machine = new Machine({ relay: relay.url, api: api.url, sleeps: true });
  person = await Person.signIn(relay.url);
  await pair(await machine.start(), person);
  conversation = await person.join();
  await conversation.prompt('good evening');
  await conversation.answered('Heard: good evening');
});
after(async () => {
  conversation?.close();
  await machine?.close();
  await lying.close();
  await relay.close();
  await api.close();
});
afterEach(() => {
  lying.hooks = {};
});

const given = (text: string) => api.asked.filter(({ prompts }) => prompts.includes(text)).length;

/** Turns that were begun with the one of `before`. */
let turns = 1;
const ended = async () => (await conversation.history()).filter(({ envelope }) => envelope?.d?.content?.data?.type === 'result').length;

async function openQuestion() {
  turns += 1;
  await conversation.begin();
  await conversation.another().prompt(`${crypto.randomUUID()} #bash-touch`);
  return conversation.question();
}

describe('a machine that sleeps between the challenge and the call', () => {
  const made = () => existsSync(join(machine.work, 'made-by-claude.txt'));

  for (const [what, ms] of [['for three hours', 3 * hour], ['for just over a minute', 61 * second]] as const) {
    it(`${what}: nothing is done, nobody is told "no", and the question stays open`, { timeout: 540_000 }, async () => {
      const question = await openQuestion();
      const [yes, mode] = await Promise.all([conversation.sealCall('permission', conversation.verdict(question, 'approved')), conversation.sealCall('set-mode', { mode: 'plan' })]);
      machine.sleep(ms);
      for (const [name, sealed] of [['permission', yes], ['set-mode', mode]] as const) {
        assert.deepEqual(await conversation.callSealed(name, sealed), { ok: false, unsealed: true });
      }
      const state = await conversation.state();
      assert.deepEqual([Object.keys(state.requests), state.mode, made()], [[question.id], 'default', false]);
      // What is decided now is carried out.
      assert.equal((await conversation.decide(question, 'denied', { reason: 'good morning' })).ok, true);
      await waitFor('no open question', async () => Object.keys((await conversation.state()).requests).length === 0);
    });
  }

  it('for less: it is done', { timeout: 360_000 }, async () => {
    const sealed = await conversation.sealCall('set-mode', { mode: 'plan' });
    machine.sleep(20 * second);
    assert.equal((await conversation.callSealed('set-mode', sealed)).ok, true);
    assert.equal((await conversation.call('set-mode', { mode: 'default' })).ok, true);
  });
});

describe('a prompt that waited while the machine slept', () => {
  /** Sent to a machine without a network; then it sleeps, and wakes up with one. */
  async function slept(ms: number, until: number): Promise<{ text: string; id: string }> {
    // A prompt of somebody who has not seen how the last turn ended is held for that.
    await waitFor('the end of every turn', async () => (await ended()) >= turns);
    const { now } = await conversation.begin();
    const text = `good for ${until / hour} hours, delivered after ${ms / hour}`;
    const sealed = await conversation.another().sealPrompt(text, {}, { until: now + until });
    machine.sleep(ms);
    await conversation.send(sealed.bundle);
    return { text, id: sealed.id };
  }

  it('seven hours, and is good for eight: runs', { timeout: 360_000 }, async () => {
    const { text } = await slept(7 * hour, 8 * hour);
    await conversation.answered(`Heard: ${text}`);
  });

  it('longer than it is good for: held, and runs on a person’s word', { timeout: 360_000 }, async () => {
    const { text, id } = await slept(9 * hour, 8 * hour);
    await conversation.held(id, 'until');
    assert.equal(given(text), 0);
    assert.equal((await conversation.call('held', { id, run: true })).ok, true);
    await conversation.answered(`Heard: ${text}`);
  });
});

describe('turns that the relay withholds from a browser', () => {
  let browser: Browser;
  let dashboard: Dashboard;

  before(async () => {
    browser = await Browser.start();
    dashboard = await Dashboard.open(browser, lying.url);
    await dashboard.signIn(base32Of(person.secret));
    await dashboard.choose(conversation.id);
  });
  after(() => browser?.close());

  /** What is stored from now on does not reach the browser, until the returned function is called. */
  async function withhold(): Promise<() => Promise<void>> {
    const known = new Set((await person.login.allMessages(conversation.id)).map(({ id }) => id));
    const own = new Set<string>();
    const isKept = (message: any) => message !== undefined && !known.has(message.id) && !own.has(message.content?.c);
    lying.hooks = {
      up: (packet) => {
        if (packet.kind === 'event' && packet.data[0] === 'message') own.add(packet.data[1].message);
      },
      down: (packet) => {
        if (packet.kind !== 'event') return undefined;
        const [name, argument] = packet.data;
        if (name === 'stream') return [];
        if (name !== 'update' || !isKept(argument.body?.message)) return undefined;
        return [event('update', { ...argument, body: { t: 'none' } })];
      },
      reply: ({ path }, { body }) => {
        if (path.includes('/messages') && Array.isArray(body.messages)) body.messages = body.messages.filter((message: any) => !isKept(message));
      },
    };
    return async () => {
      lying.hooks = {};
      await dashboard.page.reload();
      await dashboard.choose(conversation.id);
    };
  }

  /** Two turns that another page asks for. */
  async function twoTurns(name: string): Promise<void> {
    await conversation.begin();
    const other = conversation.another();
    for (const turn of ['first', 'second']) {
      await other.prompt(`${turn} ${name}`);
      await conversation.answered(`Heard: ${turn} ${name}`);
    }
  }

  it('over a minute ago: what the person answers without them is held, and both are said', { timeout: 720_000 }, async () => {
    await dashboard.entry('text', 'Heard: good evening').waitFor();
    const show = await withhold();
    await twoTurns('withheld turn');
    machine.sleep(61 * second);
    await dashboard.prompt('in answer to what I can see');
    await dashboard.page.locator('[data-testid=held][data-why=unseen]').waitFor({ timeout: 60_000 });
    await dashboard.page.getByText(/The relay holds something back/).waitFor({ timeout: 60_000 });
    assert.equal(given('in answer to what I can see'), 0);
    assert.equal(await dashboard.entry('text', 'withheld turn').count(), 0);
    const [held] = (await conversation.state()).held;
    assert.equal(held.why, 'unseen');
    // Shown what was kept back, the person decides.
    await show();
    await dashboard.entry('text', 'Heard: second withheld turn').waitFor();
    await dashboard.by('held-run').click();
    await dashboard.entry('text', 'Heard: in answer to what I can see').waitFor({ timeout: 60_000 });
    assert.equal(given('in answer to what I can see'), 1);
    await dashboard.page.locator('[data-testid=held]').waitFor({ state: 'detached' });
  });

  it('just now: it crossed them, and runs', { timeout: 540_000 }, async () => {
    const show = await withhold();
    await twoTurns('turn of just now');
    await dashboard.prompt('crossing them');
    await waitFor('Claude to have it', () => given('crossing them') === 1, { ms: 30_000 });
    assert.deepEqual((await conversation.state()).held, []);
    await show();
    await dashboard.entry('text', 'Heard: crossing them').waitFor({ timeout: 60_000 });
  });
});
