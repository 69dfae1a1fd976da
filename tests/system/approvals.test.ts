/// What a person is asked in the browser, by the real Claude Code, and what passes once it was answered.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
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
/** Scrolls to the end, once: what is long is laid out, and grows, as it comes near the view, and the end stays there. */
const readToTheEnd = async () => {
  await dashboard.by('slip-contents').evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await waitFor('the end of the question to be in view', async () => (await dashboard.by('slip-hidden').count()) === 0, { ms: 30_000, every: 50 });
};
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

describe('a session in which much was asked', () => {
  // Goal: what was answered takes no room from what is asked next. Method: more than the relay's bound of a state, in questions of
  // 16 kB, each read to its end and allowed; then the next one.
  it('asks on after 48 large questions', { timeout: 600_000 }, async () => {
    const many = 48;
    const path = (i: number) => join(machine.work, `part-${i}.txt`);
    const large = 'a line of text\n'.repeat(1_050);
    api.scene('many', [
      ...Array.from({ length: many }, (_, i) => [use('Write', { file_path: path(i), content: large })]),
      [use('Bash', { command: 'touch after-them-all', description: 'A small question' })],
    ]);
    await dashboard.prompt('please #many');
    for (let i = 0; i < many; i += 1) {
      await dashboard.page.locator('[data-testid=slip][data-awake=true]').filter({ hasText: `part-${i}.txt` }).waitFor({ timeout: 60_000 });
      assert.equal(await dashboard.by('slip-allow-once').isDisabled(), true, 'its end is out of view');
      await readToTheEnd();
      await click('slip-allow-once');
      await waitFor(`file ${i}`, () => existsSync(path(i)) && readFileSync(path(i), 'utf8') === large, { ms: 60_000 });
    }
    await question('touch after-them-all');
    await click('slip-allow-once');
    await dashboard.settled();
    assert.equal(existsSync(join(machine.work, 'after-them-all')), true);
  });
});

describe('a question whose end is out of view', () => {
  it('takes no yes before that end was seen, and shows what cannot be seen by its number', { timeout: 240_000 }, async () => {
    const made = join(machine.work, 'made-by-the-end');
    api.scene('long', [[use('Bash', { command: `mkdir -p \u202ehere${'\n'.repeat(60)}| touch ${made}`, description: 'Makes a folder' })]]);
    await dashboard.prompt('please #long');
    const slip = dashboard.page.locator('[data-testid=slip][data-awake=true]');
    await slip.waitFor({ timeout: 60_000 });
    const hidden = dashboard.by('slip-hidden');
    await hidden.waitFor({ timeout: 20_000 });
    assert.ok(Number(await hidden.getAttribute('data-lines')) > 20, await hidden.innerText());
    assert.equal(await dashboard.by('slip-allow-once').isDisabled(), true);
    assert.equal(await dashboard.by('slip-deny').isDisabled(), false);
    await slip.press('1');
    assert.equal(await slip.getAttribute('data-phase'), 'open');
    const words = await dashboard.by('slip-contents').innerText();
    assert.ok(words.includes('U+202Ehere') && words.includes('| touch'), words);
    await dashboard.by('slip-contents').evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await question('U+202Ehere');
    await click('slip-deny');
    await click('slip-deny-send');
    await dashboard.settled();
    assert.equal(existsSync(made), false);
  });
});

/** A server of MCP that asks the person which desk, and says what the person said. */
const desk = `
let call;
const put = (line) => console.log(JSON.stringify({ jsonrpc: '2.0', ...line }));
require('readline').createInterface({ input: process.stdin }).on('line', (text) => {
  const { id, method, params, result, error } = JSON.parse(text);
  if (method === 'initialize') put({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'desk', version: '1' } } });
  else if (method === 'tools/list') {
    put({ id, result: { tools: [{ name: 'book', description: 'Books a desk', inputSchema: { type: 'object', properties: {} } }] } });
    require('fs').writeFileSync(__filename + '.listed', '');
  }
  else if (method === 'tools/call') {
    call = id;
    put({ id: 900, method: 'elicitation/create', params: { message: 'Which desk?', requestedSchema: { type: 'object', properties: { desk: { type: 'string' } }, required: ['desk'] } } });
  } else if (id === 900) put({ id: call, result: { content: [{ type: 'text', text: 'the person said ' + JSON.stringify(result ?? error) }] } });
});`;

describe('a folder with servers and hooks of its own', () => {
  let other: Machine;
  const args = ['--allowedTools', 'mcp__desk__book'];
  const ran = () => existsSync(join(other.work, 'hook-ran'));
  const servers = (more: object) =>
    writeFileSync(join(other.work, '.mcp.json'), JSON.stringify({ mcpServers: { desk: { command: process.execPath, args: [join(other.work, 'desk.cjs')] }, ...more } }));
  /** Claude Code knows what the desk can do: it does not wait for that with a prompt. */
  const deskListed = () => existsSync(join(other.work, 'desk.cjs.listed'));
  const forgetDesk = () => rmSync(join(other.work, 'desk.cjs.listed'), { force: true });
  /** A server that leaves a trace where it is started. */
  const spy = (name: string) => ({ command: '/bin/sh', args: ['-c', `touch ${join(other.work, `${name}-ran`)}`] });
  const ranSpy = (name: string) => existsSync(join(other.work, `${name}-ran`));

  before(() => {
    other = new Machine({ relay: relay.url, api: api.url, folder: 'theirs', args });
    mkdirSync(join(other.work, '.claude'));
    writeFileSync(join(other.work, 'desk.cjs'), desk);
    servers({});
    writeFileSync(join(other.work, '.claude', 'settings.json'), JSON.stringify({ hooks: { SessionStart: [{ hooks: [{ type: 'command', command: `touch ${join(other.work, 'hook-ran')}` }] }] } }));
  });
  after(() => other.close());

  it('runs nothing before a person trusts it: a no at the terminal ends the session', { timeout: 240_000 }, async () => {
    const terminal = await other.start();
    await dashboard.page.goto(relay.url);
    await dashboard.pair(terminal);
    await terminal.shows(/Do you trust this folder\?/);
    const screen = (await terminal.screen()).replaceAll(/\s/g, ''); // lines are broken where they end
    assert.ok(screen.includes('hook-ran') && screen.includes('desk.cjs'), screen);
    await terminal.type('n');
    await terminal.press('Enter');
    await terminal.shows(/This folder is not trusted\. Claude Code was not started\./);
    assert.equal(ran(), false);
  });

  it('is trusted in the browser, and Claude Code remembers it', { timeout: 240_000 }, async () => {
    const terminal = await other.start();
    await terminal.shows(/Do you trust this folder\?/);
    const address = (await terminal.shows(/In the dashboard: (\S+)/))[1]!;
    await dashboard.page.goto(address);
    await question('Trust this folder?');
    const words = await dashboard.by('slip-contents').innerText();
    assert.ok(words.includes('hook-ran') && words.includes('desk.cjs'), words);
    assert.equal(ran(), false);
    await click('slip-allow-once');
    await waitFor('the hook', ran, { ms: 60_000 });
    const { projects } = JSON.parse(readFileSync(join(other.home, '.claude.json'), 'utf8'));
    assert.equal(projects[realpathSync(other.work)].hasTrustDialogAccepted, true);
  });

  it('has a server whose question is answered by the person', { timeout: 240_000 }, async () => {
    api.scene('book', [[use('mcp__desk__book', {})]]);
    await waitFor('the desk', deskListed, { ms: 60_000 });
    await dashboard.prompt('please #book');
    await question('Which desk?');
    await dashboard.by('slip-field').fill('the one by the window');
    await click('slip-answer');
    await dashboard.entry('text', /the person said .*"action":"accept".*the one by the window/).waitFor({ timeout: 60_000 });
    await dashboard.settled();
    await dashboard.prompt('again, please #book');
    await question('Which desk?');
    await click('slip-deny');
    await dashboard.entry('text', /the person said .*"action":"decline"/).waitFor({ timeout: 60_000 });
  });

  it('asks about a server that came later, at the terminal, and Claude Code runs the others alone', { timeout: 240_000 }, async () => {
    servers({ spy: spy('spy') });
    forgetDesk();
    const terminal = await other.start(['--new', ...args]);
    await terminal.shows(/Run it\? \(The dashboard asks too\.\)/);
    const screen = (await terminal.screen()).replaceAll(/\s/g, '');
    assert.ok(screen.includes('server:spy') && screen.includes('spy-ran') && !screen.includes('desk.cjs'), screen);
    await terminal.type('n');
    await terminal.press('Enter');
    await terminal.shows(/As you said, this does not run: spy/);
    await dashboard.page.goto((await terminal.shows(/In the dashboard: (\S+)/))[1]!);
    // The one that was trusted with the folder is there: so Claude Code started its servers.
    await waitFor('the desk', deskListed, { ms: 60_000 });
    await dashboard.prompt('please #book');
    await question('Which desk?');
    await click('slip-deny');
    await dashboard.entry('text', /the person said .*"action":"decline"/).waitFor({ timeout: 60_000 });
    assert.equal(ranSpy('spy'), false);
  });

  it('asks in the browser about a server whose command was changed under its name', { timeout: 240_000 }, async () => {
    servers({ spy: spy('other') });
    const terminal = await other.start(['--new', ...args]);
    await terminal.shows(/Run it\? \(The dashboard asks too\.\)/);
    await dashboard.page.goto((await terminal.shows(/In the dashboard: (\S+)/))[1]!);
    await question('Run this server?');
    const words = await dashboard.by('slip-contents').innerText();
    assert.ok(words.includes('spy') && words.includes('other-ran'), words);
    await click('slip-allow-once');
    await waitFor('the server', () => ranSpy('other'), { ms: 60_000 });
    assert.equal(ranSpy('spy'), false);
  });

  /** A plugin of the folder's own whose hook leaves a trace. */
  const late = (name: string) => {
    const folder = join(other.work, '.claude', 'skills', 'late');
    mkdirSync(join(folder, '.claude-plugin'), { recursive: true });
    mkdirSync(join(folder, 'hooks'), { recursive: true });
    writeFileSync(join(folder, '.claude-plugin', 'plugin.json'), JSON.stringify({ name: 'late' }));
    writeFileSync(join(folder, 'hooks', 'hooks.json'), JSON.stringify({ hooks: { SessionStart: [{ hooks: [{ type: 'command', command: `sh ${join(folder, 'run.sh')}` }] }] } }));
    writeFileSync(join(folder, 'run.sh'), `touch ${join(other.work, `${name}-ran`)}`);
  };

  it('asks about a plugin that came later, and after a no Claude Code runs without it', { timeout: 240_000 }, async () => {
    late('first');
    rmSync(join(other.work, 'hook-ran'), { force: true });
    const terminal = await other.start(['--new', ...args]);
    await terminal.shows(/Run it\? \(The dashboard asks too\.\)/);
    const screen = (await terminal.screen()).replaceAll(/\s/g, '');
    assert.ok(screen.includes('plugin:late@skills-dir') && screen.includes('run.sh'), screen);
    await terminal.type('n');
    await terminal.press('Enter');
    await terminal.shows(/As you said, this does not run: late@skills-dir/);
    // Hooks of a plugin run with those of the settings, which are there.
    await waitFor('the hook', ran, { ms: 60_000 });
    await dashboard.page.goto((await terminal.shows(/In the dashboard: (\S+)/))[1]!);
    await dashboard.prompt('hello');
    await dashboard.entry('text', /Heard: hello/).waitFor({ timeout: 60_000 });
    assert.equal(ranSpy('first'), false);
    assert.deepEqual(JSON.parse(readFileSync(join(other.work, '.claude', 'settings.json'), 'utf8')).enabledPlugins, undefined);
  });

  it('asks in the browser when a file of that plugin has changed, and runs it after a yes, once and for all', { timeout: 240_000 }, async () => {
    late('second');
    let terminal = await other.start(['--new', ...args]);
    await terminal.shows(/Run it\? \(The dashboard asks too\.\)/);
    await dashboard.page.goto((await terminal.shows(/In the dashboard: (\S+)/))[1]!);
    await question('Run this plugin?');
    const words = await dashboard.by('slip-contents').innerText();
    assert.ok(words.includes('late@skills-dir') && words.includes('SessionStart') && words.includes('run.sh'), words);
    assert.equal(ranSpy('second'), false);
    await click('slip-allow-once');
    await waitFor('the plugin', () => ranSpy('second'), { ms: 60_000 });
    rmSync(join(other.work, 'second-ran'));
    terminal = await other.start(['--new', ...args]);
    await waitFor('the plugin, unasked', () => ranSpy('second'), { ms: 60_000 });
  });
});
