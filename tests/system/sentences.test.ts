/// What the page and the terminal say of a session that ended, was killed, or goes on: with the real programs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, type Conversation } from '../support/e2ee.ts';
import { program } from '../support/places.ts';
import { Relay } from '../support/relay.ts';
import { say, startScriptedApi, use } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let browser: Browser;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
  browser = await Browser.start();
});
after(async () => {
  await browser?.close();
  await relay.close();
  await api.close();
});

const slow = { timeout: 60_000 };

/** Ends it at its terminal, in order. */
async function end(terminal: Terminal): Promise<void> {
  await terminal.press('C-c');
  await terminal.shows(/Ctrl-C again/);
  await terminal.press('C-c');
  assert.equal(await terminal.ended(60_000), 0);
}

/** The command on the page, as a shell splits it: folder and words. */
async function commandOn(dashboard: Dashboard): Promise<{ folder: string; words: string[] }> {
  await dashboard.by('take-up').click();
  const text = await dashboard.by('take-up-dialog').locator('.cmd code').innerText();
  await dashboard.page.keyboard.press('Escape');
  const [, folder, rest] = /^cd (.+?) && (.+)$/.exec(text)!;
  const split = (line: string) => spawnSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).stdout.trimEnd().split('\n');
  return { folder: split(folder!)[0]!, words: split(rest!) };
}

async function open(person: Person, id: string): Promise<Dashboard> {
  const dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.signIn(base32Of(person.secret));
  await dashboard.choose(id);
  return dashboard;
}

describe('a session', () => {
  let machine: Machine;
  let terminal: Terminal;
  let person: Person;
  let conversation: Conversation;
  let dashboard: Dashboard;

  before(async () => {
    machine = new Machine({ relay: relay.url, api: api.url, folder: "it's here", args: ['--allowedTools', 'Bash(sleep:*) Bash(tail:*)'] });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
    dashboard = await open(person, conversation.id);
  });
  after(async () => {
    conversation?.close();
    await dashboard?.page.close();
    await machine?.close();
  });

  /** The agent holds a prompt whose sender has not seen the end of a turn: of one that Claude Code began by itself, too. */
  async function prompt(text: string): Promise<void> {
    const { id: sent } = await conversation.prompt(text);
    await waitFor('the prompt to run', async () => {
      const state = await conversation.state();
      if ((state?.held ?? []).some(({ id }: any) => id === sent)) await dashboard.by('held-run').first().click();
      return api.asked.some(({ prompt }) => prompt === text);
    }, { ms: 60_000, every: 200, last: () => conversation.state() });
  }

  it('that ended says so, and is taken up again by the very command on its page; what was written meanwhile runs then', { timeout: 300_000 }, async () => {
    await conversation.prompt('before the end');
    await conversation.answered('Heard: before the end', 60_000);
    await dashboard.settled();
    await end(terminal);
    await dashboard.entry('event', 'The session ended: at its terminal').waitFor(slow);
    await dashboard.by('away-note').filter({ hasText: /^Ended, .*\. A prompt waits on the relay until the session is taken up again\./ }).waitFor(slow);
    await dashboard.prompt('written meanwhile');
    await dashboard.by('wait-dialog').filter({ hasText: 'This session has ended' }).waitFor();
    await dashboard.by('wait-8').click();
    const { folder, words } = await commandOn(dashboard);
    assert.equal(folder, machine.work);
    assert.deepEqual(words, ['env', `CONSORTIUM_HOME=${machine.state}`, program('consortium'), '--resume', conversation.id, '--allowedTools', 'Bash(sleep:*) Bash(tail:*)']);
    terminal = await machine.start(words.slice(3));
    await terminal.shows(/Taking up a session again that had ended/);
    await dashboard.entry('event', 'Taken up again at the machine').waitFor(slow);
    await dashboard.entry('text', 'Heard: written meanwhile').waitFor(slow);
    // What is asked next has seen the end of this turn, or the agent would hold it.
    await conversation.answered('Heard: written meanwhile', 60_000);
    await dashboard.settled();
    assert.equal((await person.sessions()).length, 1, 'it is the same session');
    assert.equal(await dashboard.entry('prompt', 'before the end').count(), 1);
    assert.equal(api.asked.at(-1)?.history.includes('before the end'), true, 'Claude knows what was said');
    assert.equal(await dashboard.by('away-note').count(), 0);
  });

  it('whose agent was killed in the middle of a command does not say that it runs', { timeout: 300_000 }, async () => {
    // A file of the folder: about others Claude Code may ask.
    writeFileSync(join(machine.work, 'notes'), '');
    api.scene('long', [[use('Bash', { command: 'tail -f notes', description: 'Wait' })]]);
    api.scene('back', [[use('Bash', { command: 'sleep 301', description: 'Serve', run_in_background: true })]]);
    await prompt('please #back');
    const tool = (command: string) => dashboard.page.locator('[data-testid=tool]').filter({ hasText: command }).locator('summary');
    await tool('sleep 301').filter({ hasText: /in the background$/ }).waitFor(slow);
    await dashboard.page.locator('[data-testid=conversation][data-state=background]').waitFor(slow);
    await prompt('please #long');
    await tool('tail -f').filter({ hasText: /running/ }).waitFor(slow);
    process.kill(await terminal.pid(), 'SIGKILL');
    // Where Claude Code had not written the call down yet, the prompt runs anew: it must come to an end then.
    api.scene('long', [[say('It goes on.')]]);
    await dashboard.page.locator('[data-testid=conversation][data-state=offline]').waitFor({ timeout: 90_000 });
    await dashboard.by('away-note').filter({ hasText: 'why is not known' }).waitFor();
    await tool('tail -f').filter({ hasText: 'no result known' }).waitFor();
    await tool('sleep 301').filter({ hasText: 'was in the background' }).waitFor();
    terminal = await machine.start();
    await terminal.shows(/interrupted here/);
    await dashboard.entry('event', 'The agent was interrupted here and goes on').waitFor(slow);
    await tool('tail -f').filter({ hasText: 'no result: the agent ended before' }).waitFor();
    // How it ended, if Claude Code says so when it is resumed, or that nobody knows.
    await tool('sleep 301').filter({ hasText: /in the background: ./ }).waitFor(slow);
  });

  it('in which a command fails by itself says failed, and denied only where somebody denied it', { timeout: 300_000 }, async () => {
    api.scene('fails', [[use('Bash', { command: 'sh -c "echo Permission denied: the request was rejected; exit 3"', description: 'Fail' })], [use('Bash', { command: 'touch not-this', description: 'Make' })], [say('both are over')]]);
    const tool = (command: string) => dashboard.page.locator('[data-testid=tool]').filter({ hasText: command }).locator('summary');
    await prompt('please #fails');
    const first = await conversation.question(({ arguments: args }) => /exit 3/.test(args.command));
    assert.equal((await conversation.decide(first, 'approved')).ok, true);
    const second = await conversation.question(({ arguments: args }) => args.command === 'touch not-this');
    assert.equal((await conversation.decide(second, 'denied')).ok, true);
    await dashboard.entry('text', 'both are over').waitFor(slow);
    await tool('exit 3').filter({ hasText: /failed, exit 3/ }).waitFor();
    assert.equal(/denied by|denied,/.test(await tool('exit 3').innerText()), false);
    await tool('touch not-this').filter({ hasText: /denied by/ }).waitFor();
  });
});

it('a conversation that was had with claude alone shows what was said, once, however often it is taken up', { timeout: 400_000 }, async () => {
  await using machine = new Machine({ relay: relay.url, api: api.url });
  api.scene('alone', [[say('Let me look.'), use('Bash', { command: 'echo looked', description: 'Look' })], [say('It was said to claude alone.')]]);
  const alone = await machine.start(['-p', 'please #alone', '--allowedTools', 'Bash']);
  await alone.shows(/It was said to claude alone/, 60_000);
  assert.equal(await alone.ended(60_000), 0);
  let terminal = await machine.start(['--continue']);
  const person = await Person.signIn(relay.url);
  await pair(terminal, person);
  const conversation = await person.join();
  const other = await Browser.start();
  try {
    const dashboard = await Dashboard.open(other, relay.url);
    await dashboard.signIn(base32Of(person.secret));
    await dashboard.choose(conversation.id);
    await dashboard.by('boundary').filter({ hasText: "Said before this session, as Claude Code's own record" }).waitFor(slow);
    await dashboard.entry('prompt', 'Said to Claude before').filter({ hasText: 'please #alone' }).waitFor();
    await dashboard.entry('text', 'It was said to claude alone.').waitFor();
    await dashboard.page.locator('[data-testid=tool]').filter({ hasText: 'echo looked' }).waitFor();
    assert.equal(await dashboard.page.getByText('Nothing has been said').count(), 0);
    await conversation.prompt('and now here');
    await conversation.answered('Heard: and now here', 60_000);
    assert.equal(api.asked.at(-1)?.history.includes('please #alone'), true, 'Claude goes on with that conversation');

    for (const words of [['--continue'], ['--resume', conversation.id]]) {
      await dashboard.settled();
      await end(terminal);
      terminal = await machine.start(words);
      await terminal.shows(/Taking up a session again/, 60_000);
      await dashboard.page.locator('[data-testid=conversation][data-state=idle]').waitFor(slow);
      await conversation.prompt(`again with ${words[0]}`);
      await conversation.answered(`Heard: again with ${words[0]}`, 60_000);
    }
    await dashboard.settled();
    assert.equal((await person.sessions()).length, 1, 'one conversation, one session');
    assert.equal(await dashboard.entry('prompt', 'please #alone').count(), 1);
    assert.equal(await dashboard.by('boundary').filter({ hasText: 'Said before' }).count(), 1);

    const second = await machine.start(['--resume', conversation.id]);
    await second.shows(/runs already/, 60_000);
    assert.equal(await second.ended(60_000), 1);
    const unknown = await machine.start(['--resume', '00000000-0000-4000-8000-000000000000']);
    await unknown.shows(/neither a session nor a conversation/, 60_000);
    assert.equal(await unknown.ended(60_000), 1);
    const listed = await machine.start(['--resume']);
    // A line for each, and the id alone between blanks, to be copied.
    await listed.shows(new RegExp(`\\n  ${conversation.id}  \\S+  (not )?ended\\s*\\n`), 60_000);
    assert.equal(await listed.ended(60_000), 1);
  } finally {
    conversation.close();
    await other.close();
  }
});
