/// No clock but the agent's decides: a browser whose clock is wrong, with the real agent.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, type Conversation } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { hang, say, startScriptedApi, use } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

const hour = 3_600_000;

/** Stops a turn that would not end, and sees that it did. */
async function stops(dashboard: Dashboard, api: Awaited<ReturnType<typeof startScriptedApi>>): Promise<void> {
  const scene = `hanging${++scenes}`;
  api.scene(scene, [[say(`It begins: ${scene}.`), hang()]]);
  await dashboard.prompt(`please #${scene}`);
  await dashboard.by('partial').filter({ hasText: scene }).waitFor({ timeout: 90_000 });
  await dashboard.page.locator('[data-testid=stop]:not([disabled])').waitFor({ timeout: 90_000 });
  await dashboard.by('stop').click();
  await dashboard.entry('text', scene).filter({ hasText: 'Stopped here' }).waitFor({ timeout: 90_000 });
}
let scenes = 0;

describe('a browser whose clock is wrong', () => {
  let relay: Relay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  let machine: Machine;
  let terminal: Terminal;
  let person: Person;
  let conversation: Conversation;

  before(async () => {
    relay = await Relay.start();
    api = await startScriptedApi();
    machine = new Machine({ relay: relay.url, api: api.url });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
  });
  after(async () => {
    conversation?.close();
    await machine?.close();
    await relay.close();
    await api.close();
  });

  /** A browser whose clock is this much ahead, in the conversation. */
  async function ahead(ms: number): Promise<{ browser: Browser; dashboard: Dashboard }> {
    const browser = await Browser.start();
    await browser.context.addInitScript((difference) => {
      const Real = Date;
      const now = () => Real.now() + difference;
      globalThis.Date = new Proxy(Real, {
        construct: (target, args: [], type) => Reflect.construct(target, args.length === 0 ? [now()] : args, type),
        apply: () => new Real(now()).toString(),
        get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
      });
    }, ms);
    const dashboard = await Dashboard.open(browser, relay.url);
    await dashboard.signIn(base32Of(person.secret));
    await dashboard.choose(conversation.id);
    return { browser, dashboard };
  }

  for (const hours of [3, -3, 24, -24]) {
    it(`by ${hours} hours: prompts and approvals work while the agent can be reached`, { timeout: 270_000 }, async () => {
      const { browser, dashboard } = await ahead(hours * hour);
      try {
        const name = `made-${hours}`;
        api.scene(`make${hours < 0 ? 'minus' : 'plus'}${Math.abs(hours)}`, [[say('A file.'), use('Bash', { command: `touch ${name}`, description: 'Make a file' })]]);
        await dashboard.prompt(`please #make${hours < 0 ? 'minus' : 'plus'}${Math.abs(hours)}`);
        await dashboard.page.locator('[data-testid=slip][data-armed=true]').waitFor();
        await dashboard.allowOnce();
        await waitFor('the file', () => existsSync(join(machine.work, name)), { ms: 30_000 });
        await dashboard.settled();
        assert.deepEqual((await conversation.state()).held, []);
      } finally {
        await browser.close();
      }
    });
  }

  for (const minutes of [11, -11]) {
    it(`by ${minutes} minutes: Stop works, and the page says how far the clocks are apart`, { timeout: 270_000 }, async () => {
      const { browser, dashboard } = await ahead(minutes * 60_000);
      try {
        await stops(dashboard, api);
        await dashboard.by('clock-note').filter({ hasText: minutes > 0 ? /is 1[01] min behind this device/ : /is 1[01] min ahead of this device/ }).waitFor();
      } finally {
        await browser.close();
      }
    });
  }

  it('by two days, and the agent away: the prompt is held, not lost', { timeout: 360_000 }, async () => {
    const { browser, dashboard } = await ahead(48 * hour);
    try {
      process.kill(await terminal.pid(), 'SIGKILL');
      await terminal.ended();
      await dashboard.page.reload();
      await dashboard.choose(conversation.id);
      await dashboard.prompt('from the day after tomorrow');
      await dashboard.by('wait-8').click();
      await waitFor('the prompt to be stored', async () => (await conversation.history()).some(({ envelope }) => envelope?.d?.content?.text === 'from the day after tomorrow'));
      terminal = await machine.start();
      await dashboard.page.locator('[data-testid=held][data-why=until]').waitFor({ timeout: 40_000 });
      assert.equal(api.asked.some(({ prompts }) => prompts.includes('from the day after tomorrow')), false);
      await dashboard.by('held-run').first().click();
      await dashboard.entry('text', 'Heard: from the day after tomorrow').waitFor({ timeout: 30_000 });
    } finally {
      await browser.close();
    }
  });
});

describe('a machine whose clock is wrong', () => {
  let relay: Relay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;

  before(async () => {
    relay = await Relay.start();
    api = await startScriptedApi();
  });
  after(async () => {
    await relay.close();
    await api.close();
  });

  for (const minutes of [11, -11]) {
    it(`by ${minutes} minutes: prompts run, Stop works, and the page says how far the clocks are apart`, { timeout: 270_000 }, async () => {
      await using machine = new Machine({ relay: relay.url, api: api.url, sleeps: true });
      machine.sleep(minutes * 60_000);
      const person = await Person.signIn(relay.url);
      await pair(await machine.start(), person);
      const conversation = await person.join();
      const browser = await Browser.start();
      try {
        const dashboard = await Dashboard.open(browser, relay.url);
        await dashboard.signIn(base32Of(person.secret));
        await dashboard.choose(conversation.id);
        await dashboard.prompt('what time is it');
        await dashboard.entry('text', 'Heard: what time is it').waitFor({ timeout: 60_000 });
        await dashboard.settled();
        await stops(dashboard, api);
        await dashboard.by('clock-note').filter({ hasText: minutes > 0 ? /is 1[01] min ahead of this device/ : /is 1[01] min behind this device/ }).waitFor();
      } finally {
        await browser.close();
        conversation.close();
      }
    });
  }
});
