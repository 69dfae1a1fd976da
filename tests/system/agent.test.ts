/// `consortium` as a program: its first run, its commands, what it says when something is missing, its end.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { codeIn, linkIn, Machine, pair as pairWith, pairingOver, typeCode } from '../support/agent.ts';
import { claudeProgram } from '../support/claude.ts';
import { Person, parseSecret } from '../support/e2ee.ts';
import { program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { gate, say, startScriptedApi, use } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi({ scenes: { endless: [[say('on and on '), gate('never')]] } });
});
after(async () => {
  await relay.close();
  await api.close();
});

const newMachine = (env: Record<string, string> = {}) => new Machine({ relay: relay.url, api: api.url, env });

/** Pairs what waits in the terminal with a new person. */
async function pair(terminal: Terminal): Promise<Person> {
  const person = await Person.signIn(relay.url);
  await pairWith(terminal, person);
  return person;
}

describe('consortium', () => {
  it('explains itself', async () => {
    const { code, stdout } = await run(program('consortium'), ['--help']);
    assert.equal(code, 0);
    for (const word of ['auth', '--new', 'CONSORTIUM_SERVER_URL', 'CONSORTIUM_HOME', 'CONSORTIUM_CLAUDE']) assert.ok(stdout.includes(word), word);
  });

  it('says what to do when Claude Code is missing, before anything else', async () => {
    await using machine = newMachine({ CONSORTIUM_CLAUDE: '/nonexistent/claude' });
    const named = await machine.start();
    assert.notEqual(await named.ended(), 0);
    await named.shows(/\/nonexistent\/claude/);
    machine.env['CONSORTIUM_CLAUDE'] = '';
    const terminal = await machine.start();
    assert.notEqual(await terminal.ended(), 0);
    await terminal.shows(/Claude Code.*install/is);
  });

  it('says what to do when Claude Code is not logged in', { timeout: 180_000 }, async () => {
    await using machine = newMachine({ ANTHROPIC_API_KEY: '' });
    const terminal = await machine.start();
    const person = await pair(terminal);
    const conversation = await person.join();
    await conversation.prompt('hello');
    await terminal.shows(/not logged in|log ?in/i, 30_000);
    await conversation.said('the reason', (d) => /not logged in|\/login|log in/i.test(JSON.stringify(d)));
    conversation.close();
  });

  it('says that the relay cannot be reached, and goes on when it can', { timeout: 180_000 }, async () => {
    const other = await Relay.start();
    const { port } = other;
    await other.stop();
    await using machine = new Machine({ relay: `http://127.0.0.1:${port}`, api: api.url });
    const terminal = await machine.start();
    await linkIn(terminal);
    await terminal.shows(/The relay is not reached/);
    await other.start(port);
    await terminal.shows(/The relay answers again/);
    const person = await Person.signIn(other.url);
    await pairWith(terminal, person);
    (await person.join()).close();
    await other.close();
  });

  it('reaches its relay through the proxy that the environment names, and says so', { timeout: 180_000 }, async () => {
    const asked: string[] = [];
    const proxy = createServer((_, answer) => void answer.writeHead(405).end());
    // The relay's name is known to the proxy alone.
    proxy.on('connect', (request, end: Socket) => {
      asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
      const far = connect(Number(new URL(relay.url).port), '127.0.0.1', () => {
        end.write('HTTP/1.1 200 OK\r\n\r\n');
        end.pipe(far).pipe(end);
      });
      for (const each of [end, far]) each.on('error', () => (end.destroy(), far.destroy()));
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    using _ = { [Symbol.dispose]: () => (proxy.close(), proxy.closeAllConnections()) };
    const at = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await using machine = new Machine({ relay: 'http://relay.invalid', api: api.url, args: ['--insecure'], env: { http_proxy: `http://me:swordfish@${at}` } });
    const terminal = await machine.start();
    await linkIn(terminal);
    const screen = await terminal.screen();
    assert.ok(screen.includes(`through the proxy http://${at}, as http_proxy says`), screen);
    assert.ok(!screen.includes('swordfish'), screen);
    assert.equal(asked[0], `relay.invalid:80 Basic ${Buffer.from('me:swordfish').toString('base64')}`);
  });

  it('makes the account itself, and forgets its key once a browser has it', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const terminal = await machine.start();
    await terminal.shows(/\b2\s+Start here/);
    await terminal.type('2');
    await terminal.press('Enter');
    const [text] = await terminal.shows(/([A-Z2-7]{5}-){10}[A-Z2-7]{2}/);
    const secret = parseSecret(text);
    const forms = [Buffer.from(secret), Buffer.from(Buffer.from(secret).toString('base64')), Buffer.from(Buffer.from(secret).toString('hex')), Buffer.from(text)];
    const kept = () => machine.stored().some(({ content }) => forms.some((form) => content.includes(form)));
    assert.equal(kept(), true, 'until a browser has it, it is the only copy');
    const person = await Person.signIn(relay.url, secret);
    await terminal.shows(/Forget it here/);
    await terminal.type('y');
    await terminal.press('Enter');
    const conversation = await person.join();
    assert.equal(kept(), false);
    await conversation.prompt('is anybody there?');
    await conversation.answered('Heard: is anybody there?');
    conversation.close();
  });

  for (const columns of [80, 100]) {
    it(`breaks no word in a terminal of ${columns} columns`, { timeout: 540_000 }, async () => {
      const person = await Person.signIn(relay.url);
      await using machine = new Machine({ relay: relay.url, api: api.url, columns });
      const terminal = await machine.start();
      const first = await linkIn(terminal);
      const answered = await person.answer(first);
      await answered.revealed();
      await typeCode(terminal, answered.shown === '000 000' ? '111 111' : '000 000');
      await terminal.shows(pairingOver);
      await terminal.press('Enter');
      const again = await person.answer(await linkIn(terminal, { not: first }));
      await again.revealed();
      await typeCode(terminal, again.shown);
      await codeIn(terminal);
      // Joined again, what the terminal broke is longer than it is wide: the links alone.
      const broken = (await terminal.screen()).split('\n').filter((line) => [...line].length > columns);
      assert.ok(broken.length >= 2);
      for (const line of broken) assert.match(line, /^http:\S+$/);
    });
  }

  it('keeps its state to itself', async () => {
    await using machine = newMachine();
    const terminal = await machine.start();
    const person = await pair(terminal);
    (await person.join()).close();
    assert.equal(statSync(machine.state).mode & 0o777, 0o700);
    for (const { path, mode } of machine.stored()) assert.equal(mode & 0o077, 0, path);
  });

  it('hands over to Claude Code what is not its own, unchanged', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const seen = join(machine.home, 'arguments');
    const wrapper = join(machine.home, 'claude');
    writeFileSync(wrapper, `#!/bin/sh\nprintf '%s\\0' "$@" > '${seen}'\nexec '${claudeProgram}' "$@"\n`);
    chmodSync(wrapper, 0o755);
    machine.env['CONSORTIUM_CLAUDE'] = wrapper;
    const terminal = await machine.start(['--model', 'sonnet', '--', '--append-system-prompt', 'two  words; $HOME "quoted"', '--allowedTools', 'Bash(ls *)']);
    const person = await pair(terminal);
    const conversation = await person.join();
    await conversation.prompt('with arguments');
    await conversation.answered('Heard: with arguments');
    const given = readFileSync(seen, 'utf8').split('\0');
    const at = given.indexOf('--append-system-prompt');
    assert.deepEqual(given.slice(at, at + 4), ['--append-system-prompt', 'two  words; $HOME "quoted"', '--allowedTools', 'Bash(ls *)']);
    assert.equal(given[given.indexOf('--model') + 1], 'sonnet');
    conversation.close();
  });

  it('keeps its own variables and its keys from Claude', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const seen = join(machine.home, 'environment');
    const wrapper = join(machine.home, 'claude');
    writeFileSync(wrapper, `#!/bin/sh\nenv > '${seen}'\nexec '${claudeProgram}' "$@"\n`);
    chmodSync(wrapper, 0o755);
    machine.env['CONSORTIUM_CLAUDE'] = wrapper;
    const terminal = await machine.start();
    const person = await pair(terminal);
    const conversation = await person.join();
    const key = machine.stored().map(({ path }) => path).find((path) => path.endsWith('session.json'))!;
    api.scene('peek', [[use('Read', { file_path: key })], [say('That was all.')]]);
    await conversation.prompt('look #peek');
    await conversation.answered('That was all.');
    const [result] = api.asked.findLast(({ prompt }) => prompt === 'look #peek')!.results;
    assert.equal(result!.failed, true, 'denied without a question');
    assert.doesNotMatch(result!.text, /dataKey/);
    assert.match(readFileSync(seen, 'utf8'), /^HOME=/m);
    assert.doesNotMatch(readFileSync(seen, 'utf8'), /CONSORTIUM_/);
    assert.match(readFileSync(`/proc/${await terminal.pid()}/limits`, 'utf8'), /Max core file size +0 /);
    conversation.close();
  });

  it('refuses a relay without TLS beyond this machine, and says what to do', async () => {
    await using machine = new Machine({ relay: 'http://relay.example', api: api.url });
    const terminal = await machine.start();
    assert.notEqual(await terminal.ended(), 0);
    await terminal.shows(/without TLS[^]*https:\/\/[^]*--insecure/);
    const insecure = await machine.start(['--insecure']);
    await linkIn(insecure);
  });

  it('asks again before it goes on without asking', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    let terminal = await machine.start();
    const person = await pair(terminal);
    const conversation = await person.join();
    const record = machine.stored().map(({ path }) => path).find((path) => path.endsWith('session.json'))!;
    process.kill(await terminal.pid(), 'SIGKILL');
    // As it stands there when that was chosen in the dashboard.
    writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), mode: 'bypassPermissions' }));
    terminal = await machine.start();
    await terminal.shows(/bypassPermissions\)\. Go on like that\?/);
    await terminal.press('Enter');
    await terminal.shows(/from now on it asks/);
    await terminal.shows(/connected/);
    await waitFor('another mode', () => JSON.parse(readFileSync(record, 'utf8')).mode !== 'bypassPermissions');
    conversation.close();
  });

  it('says who it is, and forgets it', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const status = async (pattern: RegExp) => {
      const terminal = await machine.start(['auth', 'status']);
      const code = await terminal.ended();
      await terminal.shows(pattern);
      return { code, screen: await terminal.screen() };
    };
    assert.equal((await status(/Not paired/)).code, 1);
    const terminal = await machine.start(['auth', 'login']);
    const person = await pair(terminal);
    assert.equal(await terminal.ended(), 0);
    const paired = await status(/Access/);
    assert.equal(paired.code, 0, paired.screen);
    assert.ok(paired.screen.includes(person.login.accountId) && paired.screen.includes(relay.url));
    const logout = await machine.start(['auth', 'logout']);
    assert.equal(await logout.ended(), 0);
    assert.equal((await status(/Not paired/)).code, 1);
    assert.equal(machine.stored().some(({ content }) => content.includes('eyJ')), false, 'no token is left');
  });

  it('owns a session alone: a second one in the same folder begins another', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const first = await machine.start();
    const person = await pair(first);
    const conversation = await person.join();
    await machine.start();
    const sessions = await waitFor('a second session', async () => {
      const all = await person.sessions();
      return all.length === 2 && all;
    });
    const other = await person.join({}, () => true);
    assert.equal(sessions.some(({ id }) => id !== conversation.id), true);
    await conversation.prompt('to the first');
    await conversation.answered('Heard: to the first');
    assert.equal(api.asked.filter(({ prompt }) => prompt === 'to the first').length, 1);
    for (const each of [conversation, other]) each.close();
  });

  it('stops when its device is revoked', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    const terminal = await machine.start();
    const person = await pair(terminal);
    const conversation = await person.join();
    const [session] = await person.sessions();
    await person.login.revoke(session!.device);
    await terminal.shows(/revoked/i);
    conversation.close();
  });

  it('ends in order: by Ctrl-C twice, and by SIGTERM', { timeout: 180_000 }, async () => {
    await using machine = newMachine();
    let terminal = await machine.start();
    const person = await pair(terminal);
    let conversation = await person.join();
    await conversation.prompt('one #endless');
    await api.reached('never');
    await terminal.press('C-c');
    await waitFor('the turn to stop', () => api.asked.find(({ prompt }) => prompt === 'one #endless')?.hungUp);
    await terminal.shows(/Ctrl-C again/);
    await terminal.press('C-c');
    assert.equal(await terminal.ended(), 0);
    const active = async (id: string) => (await person.login.must('GET', '/v1/sessions')).sessions.find((session: any) => session.id === id).active;
    await waitFor('the session to be inactive', async () => (await active(conversation.id)) === false);
    conversation.close();

    terminal = await machine.start();
    await waitFor('another session', async () => (await person.sessions()).some(({ id, raw }) => id !== conversation.id && raw.active));
    process.kill(await terminal.pid(), 'SIGTERM');
    await terminal.ended();
    await waitFor('no session to be active', async () => (await person.sessions()).every(({ raw }) => !raw.active));
    assert.ok(existsSync(machine.state));
  });
});
