/// The device chain between real programs: a relay that shows less of it or something else, one that was set back to a
/// backup, phishers, and keys that change hands.

import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { codeIn, linkIn, Machine, pair, typeCode } from '../support/agent.ts';
import { Login, newDevice, nextStatement, request } from '../support/client.ts';
import { Pairing, Person, toBase64, type Conversation } from '../support/e2ee.ts';
import { DeviceChain } from '../support/independent/statement.ts';
import { freshDirectory, program } from '../support/places.ts';
import { LyingRelay, type Hooks } from '../support/proxy.ts';
import { refused } from '../support/refusals.ts';
import { Relay, run } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let api: Awaited<ReturnType<typeof startScriptedApi>>;

before(async () => {
  api = await startScriptedApi();
});
after(() => api.close());

const given = (text: string) => api.asked.filter(({ prompts }) => prompts.includes(text)).length;

describe('a relay that shows less of the chain to an agent', () => {
  let relay: Relay;
  let lying: LyingRelay;
  let machine: Machine;
  let terminal: Terminal;
  let person: Person;
  let conversation: Conversation;
  const late = newDevice('browser', 'a late browser');
  const lost = newDevice('browser', 'a lost browser');

  before(async () => {
    ({ lying, relay } = await LyingRelay.start());
    machine = new Machine({ relay: lying.url, api: api.url });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
    // The agent has seen one more come and one go.
    for (const device of [late, lost]) await Login.in(relay.url, person.login.account, device);
    await person.login.revoke(lost.key.publicKey);
    await conversation.another(late).prompt('of the late one');
    await conversation.answered('Heard: of the late one');
    await person.chain();
    assert.equal((await conversation.begin()).devices, person.seen.digest());
  });
  after(async () => {
    lying.hooks = {};
    conversation?.close();
    await machine?.close();
    await lying?.close();
    await relay?.close();
  });
  afterEach(() => {
    lying.hooks = {};
  });

  /** The relay's chain ends with its first `count` statements; what is posted is noted, and taken or not. */
  function shortened(count: number, posted: string[][], { takes }: { takes: boolean }): Hooks {
    let shown = count;
    return {
      request: ({ method, path, body }) => {
        if (method !== 'POST' || path !== '/v1/devices/statements') return;
        posted.push(body.statements);
        if (takes) shown += body.statements.length;
        return { status: 200, body: { success: true } };
      },
      reply: ({ path }, { body }) => {
        if (path.startsWith('/v1/devices') && Array.isArray(body.statements)) body.statements = body.statements.slice(0, shown);
      },
    };
  }

  it('gets the rest posted, and nothing changes', { timeout: 180_000 }, async () => {
    const all = (await person.chain()).statements.map(toBase64);
    const posted: string[][] = [];
    lying.hooks = shortened(2, posted, { takes: true });
    lying.cutLinks();
    await waitFor('the rest to be posted', () => posted.length > 0);
    assert.deepEqual(posted.flat(), all.slice(2));
    await terminal.shows(/The relay had lost .* about your account's devices/);
    const page = conversation.another(late);
    await page.prompt('of the late one, once more');
    await conversation.answered('Heard: of the late one, once more');
    assert.equal((await conversation.begin()).devices, person.seen.digest());
  });

  it('that stays as it is raises an alarm; who is good stays good, who was revoked stays revoked', { timeout: 180_000 }, async () => {
    const posted: string[][] = [];
    lying.hooks = shortened(2, posted, { takes: false });
    lying.cutLinks();
    await waitFor('the rest to be posted', () => posted.length > 0);
    await terminal.shows(/does not show devices or revocations of your account that this machine saw before/);
    const mine = conversation.another(late);
    await mine.prompt('still of the late one');
    await conversation.answered('Heard: still of the late one');
    const { id } = await conversation.another(lost).prompt('of the lost one');
    await conversation.told('prompt-refused', (data) => data.id === id);
    assert.equal(given('of the lost one'), 0);
    assert.equal((await conversation.begin()).devices, person.seen.digest());
  });

  it('another branch, in which the late browser never was: the union counts', { timeout: 180_000 }, async () => {
    // Somebody with the secret, or a backup that went on: the same beginning, another end.
    const fork = DeviceChain.read(person.login.accountId, person.keys.key.publicKey, (await person.chain()).statements.slice(0, 2)).chain;
    const branch = [...fork.statements.map(toBase64), nextStatement(fork, person.login.account, 'add', newDevice('browser', 'of another branch'))];
    lying.hooks = {
      reply: ({ path }, { body }) => {
        if (path.startsWith('/v1/devices') && Array.isArray(body.statements)) body.statements = branch;
      },
    };
    lying.cutLinks();
    await waitFor('another device to be counted', async () => (await conversation.begin()).devices !== person.seen.digest());
    await conversation.another(late).prompt('on another branch');
    await conversation.answered('Heard: on another branch');
    const { id } = await conversation.another(lost).prompt('of the lost one, on another branch');
    await conversation.told('prompt-refused', (data) => data.id === id);
    await terminal.shows(/does not show devices or revocations of your account that this machine saw before/);
  });
});

describe('a relay that was restored from a backup', () => {
  it('gets back what it lost: agents and browsers younger than the backup go on', { timeout: 540_000 }, async () => {
    const relay = await Relay.start();
    await using machine = new Machine({ relay: relay.url, api: api.url });
    using backup = freshDirectory('backup');
    try {
      const person = await Person.signIn(relay.url);
      await relay.stop();
      cpSync(relay.data, join(backup.path, 'data'), { recursive: true });
      await relay.start();
      const terminal = await machine.start();
      await pair(terminal, person);
      let conversation = await person.join();
      await conversation.prompt('before the loss');
      await conversation.answered('Heard: before the loss');
      const before = (await person.chain()).statements.map(toBase64);
      conversation.close();
      await relay.stop();

      rmSync(relay.data, { recursive: true });
      cpSync(join(backup.path, 'data'), relay.data, { recursive: true });
      rmSync(join(relay.data, 'witness'));
      cpSync(relay.data, join(backup.path, 'copy'), { recursive: true });
      const adopted = await run(program('consortium-admin'), ['witness', 'adopt', '--accept-loss', '--data', relay.data, '--copy', join(backup.path, 'copy')]);
      assert.equal(adopted.code, 0, adopted.stdout + adopted.stderr);
      await relay.start();
      // The agent has no secret: it posts the statements that it kept, which prove themselves, and signs in alone.
      await waitFor('the chain to be whole again', async () => {
        const answer = await person.login.get('/v1/devices');
        return answer.status === 200 && before.every((statement) => answer.body.statements.includes(statement));
      }, { ms: 60_000, every: 200 });
      // The session itself is younger than the backup too: the machine begins another.
      await terminal.close();
      await machine.start();
      conversation = await person.join();
      await conversation.prompt('after the loss');
      await conversation.answered('Heard: after the loss', 60_000);
      assert.equal(given('before the loss'), 1);
      conversation.close();
    } finally {
      await relay.close();
    }
  });

  // Put back whole, the log has its id, and gives numbers anew that the agent has looked at.
  for (const [what, away] of [['runs', false], ['was off', true]] as const) {
    it(`whole, beside a machine that ${what}: its session goes on, and what is written then runs`, { timeout: 540_000 }, async () => {
      await using relay = await Relay.start();
      await using machine = new Machine({ relay: relay.url, api: api.url });
      using backup = freshDirectory('backup');
      const person = await Person.signIn(relay.url);
      let terminal = await machine.start();
      await pair(terminal, person);
      let conversation = await person.join();
      await conversation.prompt('in the backup');
      await conversation.answered('Heard: in the backup');
      conversation.close();
      await relay.stop();
      cpSync(relay.data, join(backup.path, 'data'), { recursive: true });
      await relay.start();
      conversation = await person.join();
      const lost = `not in the backup, the machine ${what}`;
      await conversation.another().prompt(lost);
      await conversation.answered(`Heard: ${lost}`);
      const { v } = await conversation.begin();
      conversation.close();
      if (away) {
        process.kill(await terminal.pid(), 'SIGKILL');
        await terminal.ended();
      }
      await relay.stop();
      rmSync(relay.data, { recursive: true });
      cpSync(join(backup.path, 'data'), relay.data, { recursive: true });
      await relay.start();
      if (away) terminal = await machine.start();
      await terminal.shows(/The relay's log was set back/, 60_000);
      conversation = await person.join();
      // Above what readers have seen, whatever number the relay gives it.
      await waitFor('a state above the lost one', async () => ((await conversation.state())?.v ?? 0) > v, { ms: 60_000, every: 100 });
      const text = `after the backup was put back, the machine ${what}`;
      await conversation.another().prompt(text);
      await conversation.answered(`Heard: ${text}`, 60_000);
      assert.deepEqual([given(lost), given(text)], [1, 1]);
      conversation.close();
    });
  }
});

describe('a machine away for a week', () => {
  it('does not run what a browser asked that was revoked meanwhile', { timeout: 360_000 }, async () => {
    await using relay = await Relay.start();
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    let terminal = await machine.start();
    await pair(terminal, person);
    const conversation = await person.join();
    await conversation.prompt('while all is well');
    await conversation.answered('Heard: while all is well');
    const lost = newDevice('browser', 'a lost browser');
    await Login.in(relay.url, person.login.account, lost);
    process.kill(await terminal.pid(), 'SIGKILL');
    await terminal.ended();

    const { id } = await conversation.another(lost).prompt('asked by the lost one');
    await person.login.revoke(lost.key.publicKey);
    terminal = await machine.start();
    const text = `after the return ${crypto.randomUUID()}`;
    const judged = async () => {
      const held = (await conversation.state())?.held?.some((one: any) => one.id === id);
      return held || (await conversation.history()).some(({ envelope }) => envelope?.d?.content?.data?.type === 'prompt-refused' && envelope.d.content.data.id === id);
    };
    await waitFor('it to be held or refused', judged, { ms: 30_000, every: 100 });
    await conversation.prompt(text);
    await conversation.answered(`Heard: ${text}`);
    assert.equal(given('asked by the lost one'), 0);
    conversation.close();
  });
});

describe('a machine that was revoked', () => {
  it('takes no acts any more, says so, and is a new machine when paired anew', { timeout: 360_000 }, async () => {
    await using relay = await Relay.start();
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    let terminal = await machine.start();
    await pair(terminal, person);
    const conversation = await person.join();
    await conversation.prompt('before');
    await conversation.answered('Heard: before');
    const [former] = await person.sessions();
    await person.login.revoke(former!.device);
    await terminal.shows(/revoked/i);
    await conversation.prompt('after the revocation');
    assert.equal((await conversation.call('abort', {}).catch(() => ({ ok: false }))).ok, false);
    await terminal.close();

    terminal = await machine.start(['auth', 'login']);
    await terminal.shows(/Replace that\?/);
    await terminal.type('y');
    await terminal.press('Enter');
    const link = await linkIn(terminal);
    const answered = await person.answer(link);
    assert.notDeepEqual(answered.device, former!.device, 'a revoked key never comes back');
    await answered.revealed();
    await typeCode(terminal, answered.shown);
    await codeIn(terminal);
    await answered.confirm();
    assert.equal(await terminal.ended(), 0);
    await machine.start();
    const sessions = await waitFor('a session of the new machine', async () => {
      const all = await person.sessions();
      return all.some(({ device }) => device.equals(answered.device)) && all;
    }, { ms: 30_000 });
    assert.ok(sessions.some(({ device }) => device.equals(former!.device)), 'the former session is there, for reading');
    assert.equal(given('after the revocation'), 0);
    conversation.close();
  });
});

describe('a phisher', () => {
  it('whose link was answered and whose page was closed has nothing', async () => {
    await using relay = await Relay.start();
    const person = await Person.signIn(relay.url);
    const phisher = new Pairing(relay.url, 'your bank');
    await phisher.ask();
    await person.answer(phisher.text);
    const { answer } = phisher.read((await phisher.status('answered')).response);
    await phisher.reveal();
    await phisher.status('revealed');
    // The page is closed here. He knows account, id and content key, and gets no further.
    assert.equal((await person.chain()).statements.length, 1);
    const alone = await request(`${relay.url}/v1/auth`, 'POST', await Login.aloneBody(relay.url, answer.account, phisher.device));
    refused(alone, 404, 'not-found');
    refused(await request(`${relay.url}/v1/auth/confirm`, 'POST', { publicKey: phisher.publicKey }), 401);
  });
});
