/// Something on the way answers in the relay's place: a gateway, the sign-in page of a network, a proxy with a bound.
/// It costs nothing: no session, no key, no word, no turn of Claude's.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { linkIn, Machine, pair } from '../support/agent.ts';
import { Person, type Conversation } from '../support/e2ee.ts';
import { LyingRelay, type Page } from '../support/proxy.ts';
import type { Relay } from '../support/relay.ts';
import { gate, say, startScriptedApi } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

const pages: [string, Page][] = [
  ['a text with 404', { status: 404, content: '404 page not found\n' }],
  ['a page with 404', { status: 404, type: 'text/html', content: '<html><h1>Not Found</h1></html>' }],
  ['a page with 200', { status: 200, type: 'text/html', content: '<html>Sign in to the network</html>' }],
  ['a page with 302', { status: 302, type: 'text/html', content: '<a href="https://hotel.example/">Found</a>', headers: { location: 'https://hotel.example/' } }],
  ['a page with 413', { status: 413, type: 'text/html', content: '<html><h1>413 Request Entity Too Large</h1></html>' }],
  ['403', { status: 403, content: 'Forbidden' }],
  ['401', { status: 401, content: '' }],
  ['JSON of somebody else', { status: 404, type: 'application/json', content: '{"error":"no such route","code":"ENOENT","retry":false}' }],
  ['JSON that agrees to everything', { status: 200, type: 'application/json', content: '{"ok":true,"messages":[]}' }],
];

describe('something on the way answers in the place of the relay', () => {
  let relay: Relay;
  let network: LyingRelay;
  let api: Awaited<ReturnType<typeof startScriptedApi>>;
  let machine: Machine;
  let conversation: Conversation;
  let person: Person;
  let terminal: Terminal;

  before(async () => {
    ({ lying: network, relay } = await LyingRelay.start());
    api = await startScriptedApi();
    machine = new Machine({ relay: network.url, api: api.url });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
  });
  after(async () => {
    conversation?.close();
    await machine?.close();
    await network.close();
    await relay.close();
    await api.close();
  });

  const sessions = () => readdirSync(join(machine.state, 'sessions'));

  for (const [at, [what, page]] of pages.entries()) {
    it(`${what}, in the middle of a turn`, { timeout: 180_000 }, async () => {
      const before = sessions();
      api.scene(`page-${at}`, [[say('I begin '), gate(`page-${at}`), say(`and end under page ${at}.`)]]);
      await conversation.prompt(`go on #page-${at}`);
      await api.reached(`page-${at}`);
      network.hooks.page = () => page;
      network.cutLinks();
      await terminal.shows(/offline/);
      api.open(`page-${at}`);
      await pause(1500);
      assert.deepEqual(sessions(), before);
      network.hooks = {};
      await conversation.answered(`and end under page ${at}.`);
    });
  }

  it('says once what answers and where', async () => {
    network.hooks.page = (_, dial) => (dial ? undefined : pages[1]![1]);
    const other = new Machine({ relay: network.url, api: api.url });
    const waiting = await other.start();
    await linkIn(waiting);
    const screen = await waitFor('the word', async () => {
      const text = await waiting.screen();
      return /something else answers in the relay's place/.test(text) && text;
    });
    assert.match(screen, /HTTP 404, a web page/);
    await pause(2500);
    assert.equal((await waiting.screen()).match(/something else answers/g)!.length, 1);
    network.hooks = {};
    await other.close();
  });

  it('a message that is too large for the way waits, is said, and arrives', { timeout: 180_000 }, async () => {
    const words = 'many words '.repeat(10_000);
    api.scene('long', [[gate('long'), say(`${words}and the end.`)]]);
    await conversation.prompt('at length #long');
    await api.reached('long');
    network.hooks.page = (_, dial, bytes) => (dial ? pages[5]![1] : bytes > 65_536 ? pages[4]![1] : undefined);
    network.cutLinks();
    api.open('long');
    await terminal.shows(/too large on its way/, 20_000);
    network.hooks = {};
    await conversation.answered(`${words}and the end.`);
  });

  it('a start under a page loses no key and no word of earlier sessions', { timeout: 270_000 }, async () => {
    api.scene('outage', [[gate('outage'), say('Said while nobody listened.')]]);
    await conversation.prompt('speak #outage');
    await api.reached('outage');
    network.hooks.page = () => pages[0]![1];
    network.cutLinks();
    api.open('outage');
    await waitFor('Claude to have spoken', () => api.asked.findLast(({ prompt }) => prompt === 'speak #outage'));
    await pause(1000);
    process.kill(await terminal.pid(), 'SIGKILL');
    const before = sessions();
    terminal = await machine.start(['--new']);
    await terminal.shows(/something else answers/);
    await pause(2000);
    for (const each of before) assert.ok(existsSync(join(machine.state, 'sessions', each, 'session.json')), each);
    assert.equal(existsSync(join(machine.state, 'trash')), false);
    network.hooks = {};
    await conversation.answered('Said while nobody listened.');
  });

  it('only the relay itself sends a session to the trash, from where it comes back', { timeout: 270_000 }, async () => {
    const gone = { error: 'Not found', code: 'not-found', retry: false };
    const id = conversation.id;
    network.hooks.request = ({ path }) => (path.includes(id) ? { status: 404, body: gone } : undefined);
    const [tag] = sessions().filter((each) => readFileSync(join(machine.state, 'sessions', each, 'session.json'), 'utf8').includes(id));
    const record = join(machine.state, 'sessions', tag!, 'session.json');
    const known = JSON.parse(readFileSync(record, 'utf8'));
    process.kill(await terminal.pid(), 'SIGKILL');
    writeFileSync(record, JSON.stringify({ ...known, checked: 0 }));
    terminal = await machine.start(['--new']);
    await terminal.shows(/See `consortium trash`/);
    assert.ok(existsSync(join(machine.state, 'trash', tag!, 'session.json')));
    const list = await machine.start(['trash']);
    assert.equal(await list.ended(), 0);
    assert.match(await list.screen(), new RegExp(`${id}[^]*the relay says that it does not exist`));

    network.hooks = {};
    process.kill(await terminal.pid(), 'SIGKILL');
    terminal = await machine.start(['--new']);
    await terminal.shows(/shows a session again/);
    assert.ok(existsSync(record));
  });
});
