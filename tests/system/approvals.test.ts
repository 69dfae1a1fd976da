/// What a person is asked in the browser, by the real Claude Code, and what passes once it was answered.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi, use } from '../support/scripted-api.mjs';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let browser: Browser;
let machine: Machine;
let dashboard: Dashboard;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
  browser = await Browser.start();
  machine = new Machine({ relay: relay.url, api: api.url });
  dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.newIdentity();
  await dashboard.pair(await machine.start());
  await dashboard.by('pair-open-session').click({ timeout: 60_000 });
  await dashboard.by('conversation').waitFor();
});
after(async () => {
  await browser.close();
  await machine.close();
  await relay.close();
  await api.close();
});

/** The question that shows this text, once it can be answered with a yes. */
async function question(text: string) {
  const slip = dashboard.page.locator('[data-testid=slip][data-armed=true]').filter({ hasText: text });
  await slip.waitFor({ timeout: 60_000 });
  return slip;
}
const click = (id: string) => dashboard.by(id).click({ timeout: 20_000 });

describe('a question in the browser', () => {
  it('about one file offers rules for that file alone: after "Allow for session" another one is asked', { timeout: 240_000 }, async () => {
    const here = join(machine.work, 'notes.txt');
    const elsewhere = join(machine.home, 'elsewhere', 'config.txt');
    mkdirSync(join(machine.home, 'elsewhere'));
    api.scene('files', [
      [use('Write', { file_path: here, content: 'one\n' })],
      [use('Write', { file_path: here, content: 'one, again\n' })],
      [use('Write', { file_path: elsewhere, content: 'two\n' })],
    ]);
    await dashboard.prompt('please #files');
    await question('notes.txt');
    await click('slip-allow-session');
    const picked = dashboard.page.locator('label:has([data-testid=slip-grant-pick]:checked)');
    assert.equal((await picked.innerText()).replaceAll(/\s+/g, ' '), `Until the session ends: Changing this very file passes without a question Edit(/${here})`);
    await click('slip-always-confirm');
    await waitFor('the first file', () => existsSync(here));
    const slip = await question('config.txt'); // and not, once more, the first
    assert.ok((await slip.innerText()).includes(elsewhere));
    assert.equal(existsSync(elsewhere), false);
    await click('slip-deny');
    await click('slip-deny-send');
    await dashboard.settled();
    assert.equal(existsSync(elsewhere), false);
  });

  it('says how wide the rules are that Claude suggests, and of a subagent that it is one', { timeout: 240_000 }, async () => {
    api.scene('inner', [[use('Bash', { command: 'npm run build', description: 'Builds', timeout: 5000, run_in_background: true, dangerouslyDisableSandbox: true })]]);
    api.scene('outer', [[use('Agent', { description: 'Build it', prompt: 'please #inner', subagent_type: 'general-purpose' })]]);
    await dashboard.prompt('please #outer');
    const slip = await question('npm run build');
    const words = (await slip.innerText()).replaceAll(/\s+/g, ' ');
    for (const part of ['A subagent asks: Run this command?', 'Every command that begins with “npm run” passes without a question Bash(npm run *)', 'timeout 5000', 'run_in_background true', 'dangerouslyDisableSandbox true'])
      assert.ok(words.includes(part), `${part} in ${words}`);
    await click('slip-deny');
    await click('slip-deny-send');
    await dashboard.settled();
  });
});
