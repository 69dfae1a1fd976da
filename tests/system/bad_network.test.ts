/// A network that drops, delays, half-closes, falls silent, answers in the relay's place and changes its address: every
/// message arrives exactly once and in order, and what terminal and dashboard say meanwhile is true. SEED=… repeats a run.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Machine, mayResolve, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Client } from '../support/client.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, SenderOrder, type Conversation } from '../support/e2ee.ts';
import { Network, weathers, type Weather } from '../support/network.ts';
import { Random } from '../support/random.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

const full = process.env['CONSORTIUM_FULL'] === '1';
const rounds = full ? 300 : 10;
/** Where nobody may say which address a name has, the agent's network stays where it is. */
const agentsWeathers = mayResolve ? weathers : weathers.filter((weather) => weather !== 'move');
/** Of a network that is silently dead, one says so within this time. */
const noticed = 30_000;
/** For what happens on a busy machine between what is so and what is seen of it. */
const slack = 3_000;
const deathMs = noticed + slack + 4_000;

interface Plan {
  agent: Weather;
  browser: Weather;
  ms: number;
}

/** Each kind of weather on each side at least once, and silent deaths that last, of the browser's side. */
function plan(random: Random): Plan[] {
  const shuffled = <T>(list: readonly T[]) => list.map((value) => ({ value, key: random.next() })).sort((a, b) => a.key - b.key).map(({ value }) => value);
  const out: Plan[] = [];
  while (out.length < rounds - 1) {
    const [agent, browser] = [shuffled(agentsWeathers), shuffled(weathers)];
    agent.forEach((weather, n) => out.push({ agent: weather, browser: browser[n]!, ms: random.between(200, 3_000) }));
  }
  out.length = rounds - 1;
  const deaths = full ? 8 : 1;
  for (let n = 0; n < deaths; n += 1) out.splice(random.between(0, out.length), 0, { agent: 'stall', browser: 'stall', ms: deathMs });
  return out;
}

describe('a bad network', () => {
  let relay: Relay;
  let agentNetwork: Network;
  let browserNetwork: Network;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  let machine: Machine;
  let browser: Browser;
  let dashboard: Dashboard;
  let person: Person;
  let conversation: Conversation;
  let client: Client;
  let terminal: Terminal;

  before(async () => {
    [agentNetwork, browserNetwork] = await Promise.all([Network.start(), Network.start()]);
    relay = await Relay.start({ args: ['--public-url', agentNetwork.url, '--public-url', browserNetwork.url] });
    agentNetwork.target = browserNetwork.target = relay.port;
    api = await startScriptedApi();
    machine = new Machine({ relay: agentNetwork.url, api: api.url, hosts: agentNetwork.hosts });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
    client = new Client(browserNetwork.url, { token: person.login.token, clientType: 'user-scoped' }, { reconnection: true, agent: browserNetwork.agent });
    browser = await Browser.start();
    dashboard = await Dashboard.open(browser, browserNetwork.url);
    await dashboard.signIn(base32Of(person.secret));
    await dashboard.choose(conversation.id);
  });
  after(async () => {
    client?.close();
    conversation?.close();
    await browser?.close();
    await machine?.close();
    await agentNetwork?.close();
    await browserNetwork?.close();
    await relay?.close();
    await api?.close();
  });

  const prompted = () =>
    api.asked.filter(({ round, sideQuestion }) => round === 0 && !sideQuestion).flatMap((asked) => asked.prompts).flatMap((text) => text.split('\n'));

  /** Sends what it is given in order, each the same until the relay has acknowledged it, as a dashboard does. */
  class Outbox {
    readonly #waiting: string[] = [];
    readonly sent: string[] = [];
    #over = false;
    readonly #end: Promise<void> = this.#run();

    add(text: string): void {
      this.#waiting.push(text);
    }
    async finish(): Promise<void> {
      this.#over = true;
      await this.#end;
    }

    async #run(): Promise<void> {
      while (!this.#over || this.#waiting.length > 0) {
        const text = this.#waiting.shift();
        if (text === undefined) {
          await pause(50);
          continue;
        }
        const { bundle } = await conversation.sealPrompt(text);
        const localId = crypto.randomUUID();
        await waitFor(`${text} to be stored`, async () => {
          if (!client.socket.connected) return false;
          try {
            const ack = await client.socket.timeout(3_000).emitWithAck('message', { sid: conversation.id, message: bundle, localId });
            return ack.result === 'success';
          } catch {
            client.socket.io.engine.close(); // perhaps the connection is dead, and nobody said so
            return false;
          }
        }, { ms: 120_000, every: 50, last: () => [...client.diary, ...client.refusals.map(String)].slice(-20) });
        this.sent.push(text);
      }
    }
  }

  /** Says yes to every prompt that the agent holds. Their texts. */
  async function runWhatIsHeld(): Promise<string[]> {
    const held: { id: string; why: string }[] = (await conversation.state())?.held ?? [];
    const history = await conversation.history();
    const texts: string[] = [];
    for (const { id, why } of held) {
      assert.equal(why, 'unseen');
      texts.push((history.find((one) => one.id === id)!.envelope!.d as any).content.text);
      assert.equal((await conversation.call('held', { id, run: true })).ok, true);
    }
    return texts;
  }

  /** Writes in the page, whose agent may be known to be away. */
  async function write(text: string): Promise<void> {
    await dashboard.by('composer-input').fill(text);
    await dashboard.by('send').click();
    const written = dashboard.entry('prompt', text);
    const wait = dashboard.by('wait-8');
    await written.or(wait).first().waitFor({ timeout: 60_000 }); // the page asks the agent first, which may not answer
    if (await wait.isVisible()) await wait.click();
    await written.first().waitFor();
  }

  /** What is said of the connection, watched while it happens. */
  class Watch {
    readonly lies: string[] = [];
    /** What each said last. */
    readonly words = { terminal: '', page: '' };
    #over = false;
    readonly #ends = [this.#watchTerminal(), this.#watchPage()];

    get connected(): boolean {
      return this.words.terminal === 'connected' && this.words.page === 'live';
    }

    async finish(): Promise<void> {
      this.#over = true;
      await Promise.all(this.#ends);
    }

    async #watchTerminal(): Promise<void> {
      let connections = 0;
      let dead: number | undefined;
      while (!this.#over) {
        const screen = await terminal.screen();
        const words = [...screen.matchAll(/^\S+ +(connected|offline) /gm)].map(([, word]) => word!);
        this.words.terminal = words.at(-1) ?? '';
        const count = words.filter((word) => word === 'connected').length;
        const since = agentNetwork.deadSince;
        const passed = since === undefined ? 0 : Date.now() - since;
        if (passed > noticed + slack && this.words.terminal === 'connected') this.lies.push(`terminal: connected, ${passed} ms after the network died`);
        if (since !== undefined && dead === since && count > connections) this.lies.push(`terminal: connects ${passed} ms after the network died`);
        if (/\bALARM\b/.test(screen)) this.lies.push('terminal: an alarm');
        dead = passed > slack ? since : undefined;
        connections = count;
        await pause(400);
      }
    }

    async #watchPage(): Promise<void> {
      const believed = new Set<string>();
      while (!this.#over) {
        const since = browserNetwork.deadSince;
        const seen = await dashboard.page.evaluate(() => ({
          state: document.querySelector('[data-testid=truth-line]')?.getAttribute('data-state') ?? 'gone',
          stored: Array.from(document.querySelectorAll('[data-testid=entry][data-kind=prompt]'))
            .filter((entry) => /^(stored|held|taken|refused)$/.test(entry.querySelector('[data-state]')?.getAttribute('data-state') ?? ''))
            .map((entry) => /(?:page|test) \d+/.exec(entry.textContent ?? '')?.[0] ?? ''),
          alarms: Array.from(document.querySelectorAll('[data-testid=held-back], [data-testid=devices-lacking], [data-testid=truth-line][data-t=bad]')).map((one) => one.textContent),
        }));
        this.words.page = seen.state;
        const passed = since !== undefined && since === browserNetwork.deadSince ? Date.now() - since : 0;
        if (passed > noticed + slack && /^(live|catching-up)$/.test(seen.state)) this.lies.push(`page: ${seen.state}, ${passed} ms after the network died`);
        if (seen.alarms.length > 0) this.lies.push(`page: ${seen.alarms.join('; ')}`);
        const fresh = seen.stored.filter((text) => text !== '' && !believed.has(text));
        if (fresh.length > 0) {
          const there = (await conversation.history()).filter(({ kind }) => kind === 'prompt').map(({ envelope }) => (envelope!.d as any).content.text as string);
          for (const text of fresh) {
            if (!there.includes(text)) this.lies.push(`page: ${text} is stored, and the relay does not have it`);
            believed.add(text);
          }
        }
        await pause(400);
      }
    }
  }

  const allIsWell = (watch: Watch) => waitFor('terminal and page to say that they are connected', () => watch.connected, { ms: 60_000, last: () => watch.words });

  it(`${rounds} rounds of it cost nothing and are told as they are`, { timeout: full ? 3_600_000 : 300_000 }, async (test) => {
    const random = new Random();
    test.diagnostic(`SEED=${random.seed}`);
    const outbox = new Outbox();
    const watch = new Watch();
    const written: string[] = [];
    try {
      for (const [n, { agent, browser: side, ms }] of plan(random).entries()) {
        test.diagnostic(`round ${n}: agent ${agent}, browser ${side}, ${ms} ms`);
        if (ms === deathMs) await allIsWell(watch);
        const weather = Promise.all([agentNetwork.have(agent, ms, random), browserNetwork.have(side, ms, random)]);
        outbox.add(`test ${n}`);
        if (n % 3 === 0) {
          written.push(`page ${n}`);
          await write(`page ${n}`);
        }
        await weather;
        await pause(random.between(0, 1_500));
      }
    } finally {
      await outbox.finish();
    }
    test.diagnostic(`${prompted().length} prompts with Claude when the weather is calm`);
    await allIsWell(watch);
    await watch.finish();
    assert.deepEqual(watch.lies, []);
    const all = [...outbox.sent, ...written].sort();
    // What took more than a minute to come, on a slow machine, a turn's end of that time unseen, waits for a person's word.
    const late = await runWhatIsHeld();
    for (const text of late) test.diagnostic(`${text} came late, was held, and ran on a person's word`);
    const inTime = (texts: string[]) => texts.filter((text) => !late.includes(text));
    await waitFor('all prompts to have been given to Claude', () => prompted().length >= all.length, { ms: 120_000, every: 200, last: prompted });
    assert.deepEqual([...prompted()].sort(), all, 'each once');
    for (const sent of [outbox.sent, written]) assert.deepEqual(inTime(prompted().filter((text) => sent.includes(text))), inTime(sent), 'each sender\'s in order');

    const answers = api.asked.filter(({ sideQuestion }) => !sideQuestion).map((asked) => `Heard: ${asked.prompt}`);
    const said = async () => (await conversation.history()).filter(({ kind }) => kind === 'message')
      .map(({ envelope }) => envelope!.d as any)
      .filter((d) => d?.content?.data?.type === 'assistant')
      .flatMap((d) => d.content.data.message.content.filter(({ type }: any) => type === 'text').map(({ text }: any) => text as string));
    await waitFor('all answers', async () => (await said()).length >= answers.length, { ms: 120_000, every: 200 });
    assert.deepEqual(await said(), answers);

    // As the relay stores it, and as the keys open it: nothing twice, nothing missing, nothing out of its place.
    const history = await conversation.history();
    const order = new SenderOrder();
    for (const { seq, kind, envelope, id } of history) {
      assert.notEqual(kind, 'unreadable', `message ${seq}`);
      assert.equal(order.append({ from: envelope!.from, n: envelope!.n, prev: envelope!.prev, id }), undefined, `message ${seq}`);
    }
    const prompts = history.filter(({ kind }) => kind === 'prompt').map(({ envelope }) => (envelope!.d as any).content.text as string);
    assert.deepEqual(inTime(prompts), inTime(prompted()), 'in the order in which the relay has them');
    const told = (type: string) => history.filter(({ envelope }) => (envelope!.d as any).content?.data?.type === type).length;
    assert.deepEqual(['prompt-refused', 'history-broken', 'prompt-held'].map(told), [0, 0, late.length]);

    // The page shows the whole of it: what is further up, once it is asked for.
    const older = dashboard.by('load-older');
    const first = dashboard.entry('prompt', new RegExp(`${prompts[0]}\\b`)).first();
    await waitFor('the page to go back to the first prompt', async () => {
      if ((await first.count()) > 0) return true;
      await older.click({ timeout: 1_000 }).catch(() => {}); // it loads, or has loaded
      return false;
    }, { ms: 120_000 });
    for (const text of written) await dashboard.entry('prompt', new RegExp(`${text}\\b`)).first().waitFor();
    let shown: string[] = [];
    await waitFor('the page to show the last prompts in their order', async () => {
      shown = await dashboard.page.evaluate(() => Array.from(document.querySelectorAll('[data-testid=entry][data-kind=prompt]')).map((one) => /(?:page|test) \d+/.exec(one.textContent ?? '')?.[0] ?? ''));
      return shown.slice(-5).join() === prompts.slice(-5).join();
    }, { ms: 30_000, last: () => [shown, prompts] });
  });
});
