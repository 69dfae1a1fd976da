/// The whole: relay, `consortium` with the real Claude Code, and a browser, from the first sign-in to the deletion.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { codeIn, hostnameFor, linkIn, Machine, typeCode } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { parseLink, parseSecret } from '../support/e2ee.ts';
import { program } from '../support/places.ts';
import { findings, findingsBelow } from '../support/plaintext.ts';
import { Relay, run } from '../support/relay.ts';
import { gate, say, startScriptedApi, think, use } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

/** Words that only the two ends may know. */
const planted = {
  machine: hostnameFor('planted-machine-name'),
  folder: 'planted-project-folder',
  prompt: 'planted words of a prompt',
  answer: 'planted words of an answer',
  thought: 'planted words of a thought',
  command: 'touch planted-file-of-a-command',
  reason: 'planted reason of a denial',
};

describe('the whole', () => {
  let relay: Relay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  let browser: Browser;
  let dashboard: Dashboard;
  let machine: Machine;
  let terminal: Terminal;
  let secret: string;
  let session: string;
  let link: ReturnType<typeof parseLink>;

  before(async () => {
    [relay, api, browser] = await Promise.all([
      Relay.start(),
      startScriptedApi({
        scenes: {
          talk: [[think(planted.thought), say('It begins, '), gate('talk'), say(planted.answer)]],
          tool: [[say('A file.'), use('Bash', { command: planted.command, description: 'Make a file' })]],
          other: [[say('Another file.'), use('Bash', { command: 'touch never-made', description: 'Make another file' })]],
          endless: [[say('On and on '), gate('never')]],
          spooled: [[say('before the fall, '), gate('fallen'), say('and after it.')]],
        },
      }),
      Browser.start(),
    ]);
    machine = new Machine({ relay: relay.url, api: api.url, folder: planted.folder, hostname: planted.machine });
  });
  after(async () => {
    await browser?.close();
    await machine?.close();
    await relay?.close();
    await api?.close();
  });

  let broken = false;

  /** Each builds on those before: after a failure the rest would only wait in vain. */
  function step(what: string, act: () => void | Promise<void>): void {
    it(what, { timeout: 360_000 }, async () => {
      assert.equal(broken, false, 'an earlier step has failed');
      broken = true;
      await act();
      broken = false;
    });
  }

  step('a new identity', async () => {
    dashboard = await Dashboard.open(browser, relay.url);
    secret = await dashboard.newIdentity();
  });

  step('pairs by link, with six digits there and six here', async () => {
    terminal = await machine.start();
    const text = await linkIn(terminal);
    link = parseLink(text);
    const there = await dashboard.answer(text);
    assert.match(there, /^\d{3} \d{3}$/);
    await typeCode(terminal, there);
    const here = await codeIn(terminal);
    assert.deepEqual(machine.stored().filter(({ content }) => content.includes('eyJ')), [], 'no token before both halves were typed');
    await dashboard.typeDigits(here);
    await dashboard.by('pair-open-session').click({ timeout: 20_000 });
    await dashboard.by('conversation').waitFor();
    session = await dashboard.session();
    await dashboard.row(session).waitFor();
    assert.ok((await dashboard.by('session-list').innerText()).includes(planted.folder));
  });

  step('streams an answer, thinking included', async () => {
    await dashboard.prompt(`${planted.prompt} #talk`);
    await api.reached('talk');
    await dashboard.by('partial').getByText('It begins,').waitFor();
    assert.equal(await dashboard.page.getByText(planted.answer).count(), 0);
    api.open('talk');
    await dashboard.entry('text', planted.answer).waitFor();
    await dashboard.entry('thinking', planted.thought).waitFor();
    await dashboard.entry('prompt', planted.prompt).waitFor();
    await waitFor('the partial text to go', async () => (await dashboard.by('partial').count()) === 0);
    assert.equal(await dashboard.entry('text', planted.answer).count(), 1);
  });

  step('runs a tool that is allowed, with its exact command shown', async () => {
    await dashboard.prompt('now a file #tool');
    const slip = dashboard.by('slip');
    await slip.waitFor();
    assert.ok((await dashboard.by('slip-exact').innerText()).includes(planted.command));
    assert.equal(existsSync(join(machine.work, 'planted-file-of-a-command')), false);
    await dashboard.allowOnce();
    await slip.waitFor({ state: 'detached' });
    await dashboard.entry('text', 'Results: [done]').waitFor();
    assert.ok(existsSync(join(machine.work, 'planted-file-of-a-command')));
  });

  step('does not run a tool that is denied, and passes on why', async () => {
    await dashboard.prompt('and another #other');
    await dashboard.by('slip-deny').click();
    await dashboard.by('slip-deny-note').fill(planted.reason);
    await dashboard.by('slip-deny-send').click();
    await dashboard.entry('text', planted.reason).waitFor();
    assert.equal(existsSync(join(machine.work, 'never-made')), false);
    assert.ok(api.asked.some(({ results }) => results.some(({ failed, text }: any) => failed && text.includes(planted.reason))));
  });

  step('answers a question of Claude', async () => {
    await dashboard.prompt('which one? #ask');
    await dashboard.by('slip').getByText('Which colour shall the door have?').waitFor();
    await dashboard.by('slip').locator('label').filter({ hasText: 'Blue' }).click();
    await dashboard.by('slip-answer').click();
    await dashboard.entry('text', /Results: \[done\].*Blue/).waitFor();
  });

  step('stops a running turn', async () => {
    await dashboard.prompt('for ever #endless');
    await api.reached('never');
    await dashboard.by('partial').getByText('On and on').waitFor();
    await dashboard.by('stop').click();
    await waitFor('Claude to hang up', () => api.asked.find(({ scene }) => scene === 'endless')?.hungUp);
    await dashboard.entry('result', 'Stopped').waitFor();
    await dashboard.prompt('still there?');
    await dashboard.entry('text', 'Heard: still there?').waitFor();
  });

  step('loses nothing when the relay is killed in the middle', async () => {
    await dashboard.prompt('hold on #spooled');
    await api.reached('fallen');
    await dashboard.by('partial').getByText('before the fall').waitFor();
    await relay.kill();
    // Both sides go on meanwhile: Claude ends its answer, the person writes another prompt.
    api.open('fallen');
    await dashboard.prompt('written while the relay was down');
    await dashboard.by('wait-1').click(); // the agent cannot be reached: how long it may wait is the person's word
    await waitFor('the prompt to be kept here', async () => (await dashboard.entry('prompt', 'written while the relay was down').count()) === 1);
    await relay.start();
    await dashboard.entry('text', 'before the fall, and after it.').waitFor({ timeout: 40_000 });
    await dashboard.entry('text', 'Heard: written while the relay was down').waitFor({ timeout: 40_000 });
    assert.equal(await dashboard.entry('text', 'before the fall, and after it.').count(), 1);
    assert.equal(await dashboard.entry('prompt', 'written while the relay was down').count(), 1);
    assert.equal(await dashboard.by('entry').and(dashboard.page.locator('[data-kind=unverified]')).count(), 0, 'no gap, no doubt');
  });

  step('shows the same after the page was loaded anew', async () => {
    const entries = async () => (await dashboard.by('entry').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ').trim());
    await dashboard.settled();
    const before = await entries();
    await dashboard.page.reload();
    await dashboard.settled();
    let after: string[] = [];
    await waitFor('the same entries', async () => {
      after = await entries();
      return isDeepStrictEqual(after, before);
    }, { last: () => ({ before, after }) });
  });

  step('goes on where it was after the agent was killed', async () => {
    process.kill(await terminal.pid(), 'SIGKILL');
    terminal = await machine.start();
    await dashboard.prompt('after the agent came back');
    await dashboard.entry('text', 'Heard: after the agent came back').waitFor({ timeout: 40_000 });
    assert.equal(api.asked.filter(({ prompts }) => prompts.includes('after the agent came back')).length, 1);
  });

  step('shows it all to the same person in another browser', async () => {
    const other = await Browser.start({ width: 390, height: 844 });
    try {
      const phone = await Dashboard.open(other, relay.url);
      await phone.signIn(secret);
      await phone.choose(session);
      await phone.entry('text', 'Heard: after the agent came back').waitFor();
      assert.deepEqual(other.complaints, []);
    } finally {
      await other.close();
    }
  });

  step('deletes the session', async () => {
    await dashboard.deleteSession();
    await waitFor('the row to go', async () => (await dashboard.row(session).count()) === 0);
  });

  step('the page never complained, but for the connection while the relay was down', () => {
    const others = browser.complaints.filter((text) => !/ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket connection|Failed to load resource/.test(text));
    assert.deepEqual(others, []);
    assert.equal(browser.complaints.some((text) => /Content.Security.Policy/i.test(text)), false);
  });

  step('the browser sent none of it', () => {
    // The text of a prompt is in no request, nor is the key of the account or the secret of the link.
    const secrets = [...Object.values(planted), 'written while the relay was down', secret, parseSecret(secret), link.secret];
    assert.ok(browser.sent.length > 50 && browser.sent.some((bytes) => bytes.includes('update') || bytes.includes('message')));
    assert.deepEqual(browser.sent.flatMap((bytes) => findings('what the browser sent', bytes, secrets)), []);
  });

  step('the relay knows none of it', async () => {
    const secrets = [...Object.values(planted), 'written while the relay was down', secret, parseSecret(secret), link.secret, machine.work];
    assert.deepEqual(findings('its output', Buffer.from(relay.output), secrets), []);
    assert.deepEqual(findingsBelow(relay.data, secrets), []);
    await relay.stop();
    assert.deepEqual(findingsBelow(relay.data, secrets), []);
    assert.deepEqual(findings('its output', Buffer.from(relay.output), secrets), []);
  });

  step('its log is sound, and its views follow from it', async () => {
    for (const args of [['verify'], ['replay', '--check']]) {
      const { code, stdout, stderr } = await run(program('consortium-admin'), [...args, '--data', relay.data]);
      assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    }
  });
});
