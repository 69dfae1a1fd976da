/// A relay that lies to the agent. It can delay, but it cannot forge, replay, reorder or silently drop.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { codeIn, digitsAsked, linkIn, Machine, pair, pairingOver, showsDigits, typeCode } from '../support/agent.ts';
import { Login, newDevice, nextStatement, randomText, request, type Device } from '../support/client.ts';
import { Conversation, openBundle, Pairing, Person, sealBundle, sealUnbound, toBase64, utf8, type Answered } from '../support/e2ee.ts';
import { sealAnswer, answerPlaintext } from '../support/independent/pairing.ts';
import { DeviceChain } from '../support/independent/statement.ts';
import { event, LyingRelay, type Reply } from '../support/proxy.ts';
import { Relay } from '../support/relay.ts';
import { gate, say, startScriptedApi, use } from '../support/scripted-api.mjs';
import type { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let lying: LyingRelay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;

before(async () => {
  ({ lying, relay } = await LyingRelay.start());
  api = await startScriptedApi();
});
after(async () => {
  await lying.close();
  await relay.close();
  await api.close();
});

/** Credentials of any account in what the machine keeps. */
const credentials = (machine: Machine) => machine.stored().filter(({ content }) => /eyJ[\w-]+\.[\w-]+\.[\w-]+/.test(content.toString('latin1'))).map(({ path }) => path);

describe('while pairing', () => {
  afterEach(() => {
    lying.hooks = {};
  });

  /** What the agent is told of its pairing, changed. */
  const changing = (status: string, change: (body: any) => void | Promise<void>) => ({
    reply: async ({ path }: { path: string }, reply: Reply) => {
      if (path.startsWith('/v1/auth/request/status') && reply.body.status === status) await change(reply.body);
    },
  });

  /** Nothing is kept, shown or begun, and nobody gained anything. */
  async function keepsNothing(machine: Machine, terminal: Terminal, person: Person): Promise<void> {
    assert.equal(await showsDigits(terminal), false, 'no digits to be read out');
    assert.deepEqual(credentials(machine), []);
    assert.deepEqual(await person.sessions(), []);
    assert.equal((await person.chain()).statements.length, 1);
    assert.deepEqual(api.asked, [], 'Claude was never started');
  }

  const lies: [what: string, lie: (answered: Answered) => Promise<string>][] = [
    ['an answer by who does not know the link', async ({ answer, transcript, link }) => sealAnswer(answerPlaintext(Buffer.alloc(32, 1), transcript, answer), link.publicKey)],
    ['the answer to another request', async ({ person }) => {
      const other = new Pairing(relay.url);
      await other.ask();
      return (await person.answer(other.text)).response;
    }],
    ['an answer with another key inside', async ({ plaintext, link }) => sealAnswer(Buffer.from(plaintext.map((byte, i) => (i === 40 ? byte ^ 1 : byte))), link.publicKey)],
    ['an answer of 184 bytes', async ({ plaintext, link }) => sealAnswer(plaintext.subarray(0, 184), link.publicKey)],
    ['an answer of 186 bytes', async ({ plaintext, link }) => sealAnswer(Buffer.concat([plaintext, Buffer.of(0)]), link.publicKey)],
    ['rubbish', async () => randomText(257)],
  ];
  for (const [what, lie] of lies) {
    it(`refuses ${what}, and keeps nothing`, { timeout: 180_000 }, async () => {
      await using machine = new Machine({ relay: lying.url, api: api.url });
      const person = await Person.signIn(relay.url);
      const terminal = await machine.start();
      const link = await linkIn(terminal);
      const answered = await person.prepareAnswer(link);
      const response = await lie(answered);
      lying.hooks = changing('answered', (body) => {
        body.response = response;
      });
      await answered.post();
      // It is over: said, and Enter gives another link.
      await terminal.shows(pairingOver);
      await keepsNothing(machine, terminal, person);
    });
  }

  const chains: [what: string, lie: (answered: Answered) => Promise<string[]>][] = [
    ['a chain without this agent', async ({ person }) => (await person.chain()).statements.slice(0, 1).map(toBase64)],
    ['a chain without what the answer named', async ({ person, device }) => {
      const empty = new DeviceChain(person.login.accountId, person.keys.key.publicKey);
      return [nextStatement(empty, person.login.account, 'add', { key: { publicKey: device }, kind: 'agent', name: 'x' })];
    }],
    ['a chain that adds it as a browser', async ({ person, device }) => {
      const { chain } = DeviceChain.read(person.login.accountId, person.keys.key.publicKey, (await person.chain()).statements.slice(0, 1));
      return [...chain.statements.map(toBase64), nextStatement(chain, person.login.account, 'add', { key: { publicKey: device }, kind: 'browser', name: 'x' })];
    }],
    ['the chain of another account', async ({ device }) => {
      const mallory = await Person.signIn(relay.url);
      const chain = await mallory.chain();
      return [...chain.statements.map(toBase64), nextStatement(chain, mallory.login.account, 'add', { key: { publicKey: device }, kind: 'agent', name: 'x' })];
    }],
    ['no chain', async () => []],
  ];
  for (const [what, lie] of chains) {
    it(`does not believe ${what}: no token, no session`, { timeout: 180_000 }, async () => {
      await using machine = new Machine({ relay: lying.url, api: api.url });
      const person = await Person.signIn(relay.url);
      const terminal = await machine.start();
      const answered = await person.answer(await linkIn(terminal));
      await answered.revealed();
      await typeCode(terminal, answered.shown);
      await codeIn(terminal);
      lying.hooks = changing('authorized', async (body) => {
        body.statements = await lie(answered);
      });
      await answered.confirm();
      await terminal.shows(pairingOver);
      assert.deepEqual(credentials(machine), []);
      assert.deepEqual(await person.sessions(), []);
    });
  }

  it('a stranger who answers first gains nothing: the terminal waits for digits that the person does not have', { timeout: 180_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const [owner, mallory] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const terminal = await machine.start();
    const link = await linkIn(terminal);
    const late = await owner.prepareAnswer(link);
    const theirs = await mallory.answer(link);
    await theirs.revealed();
    assert.equal((await late.post()).body.code, 'conflict', 'the owner sees that somebody was first');
    await terminal.shows(digitsAsked);
    await keepsNothing(machine, terminal, owner);
    await typeCode(terminal, theirs.shown === '111 111' ? '222 222' : '111 111');
    await terminal.shows(/not the digits/);
    assert.equal((await pairingStatusOf(theirs)).status, 'refused');
    await keepsNothing(machine, terminal, owner);
    assert.equal((await mallory.chain()).statements.length, 1);
    refusedConfirmation(await theirs.confirmWith(await theirs.statement()));
  });

  it('a relay that answers by itself, and asks the dashboard with a request of its own, does not know the digits', { timeout: 180_000 }, async () => {
    // Between the two it plays each against the other: two pairings, two codes.
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const [owner, mallory] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const terminal = await machine.start();
    const link = await linkIn(terminal);
    const toAgent = await mallory.answer(link);
    await toAgent.revealed();
    const toOwner = new Pairing(relay.url, 'a phisher');
    await toOwner.ask();
    const answered = await owner.answer(toOwner.text);
    await toOwner.reveal();
    await answered.revealed();
    assert.notEqual(answered.shown, toAgent.shown);
    await typeCode(terminal, answered.shown);
    await terminal.shows(/not the digits/);
    await keepsNothing(machine, terminal, owner);
    await answered.refuse();
    assert.equal((await toOwner.status('refused')).status, 'refused');
  });

  it('wrong digits at the terminal end it; the next pairing of the same machine works', { timeout: 270_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    const terminal = await machine.start();
    const first = await linkIn(terminal);
    const answered = await person.answer(first);
    await answered.revealed();
    await typeCode(terminal, answered.shown.replaceAll(/\d/g, (digit) => String((Number(digit) + 1) % 10)));
    await terminal.shows(/not the digits/);
    assert.equal((await pairingStatusOf(answered)).status, 'refused');
    await keepsNothing(machine, terminal, person);
    await terminal.press('Enter');
    const second = await linkIn(terminal, { not: first });
    const again = await person.answer(second);
    assert.notDeepEqual(again.device, answered.device, 'a new key for a new pairing');
    await again.revealed();
    await typeCode(terminal, again.shown);
    await again.confirm();
    (await person.join()).close();
  });

  it('wrong digits at the dashboard: no statement, no token', { timeout: 180_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    const terminal = await machine.start();
    const answered = await person.answer(await linkIn(terminal));
    await answered.revealed();
    await typeCode(terminal, answered.shown);
    await codeIn(terminal);
    await answered.refuse();
    await terminal.shows(pairingOver);
    assert.deepEqual(credentials(machine), []);
    assert.equal((await person.chain()).statements.length, 1);
  });

  it('the relay restarts before the confirmation: it is over, and said', { timeout: 180_000 }, async () => {
    await using own = await Relay.start();
    await using machine = new Machine({ relay: own.url, api: api.url });
    const person = await Person.signIn(own.url);
    const terminal = await machine.start();
    const answered = await person.answer(await linkIn(terminal));
    await answered.revealed();
    await typeCode(terminal, answered.shown);
    await codeIn(terminal);
    await own.kill();
    await own.start();
    await terminal.shows(pairingOver);
    assert.equal((await person.chain()).statements.length, 1);
    assert.deepEqual(credentials(machine), []);
  });

  it('the agent is killed between its digits and the confirmation: started again it finds itself in the chain', { timeout: 270_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const person = await Person.signIn(relay.url);
    let terminal = await machine.start();
    const answered = await person.answer(await linkIn(terminal));
    await answered.revealed();
    await typeCode(terminal, answered.shown);
    await codeIn(terminal);
    process.kill(await terminal.pid(), 'SIGKILL');
    await terminal.ended();
    await answered.confirm();
    terminal = await machine.start();
    const conversation = await person.join();
    assert.equal((await person.chain()).statements.length, 2);
    conversation.close();
  });
});

const pairingStatusOf = (answered: Answered) => statusAfter(answered.publicKey);
const statusAfter = (publicKey: string) =>
  waitFor('the pairing to be over', async () => {
    const { body } = await request(`${relay.url}/v1/auth/request/status?publicKey=${encodeURIComponent(publicKey)}`, 'GET');
    return ['refused', 'not_found'].includes(body.status) && body;
  });
const refusedConfirmation = ({ status }: { status: number }) => assert.ok([404, 409].includes(status), `${status}`);

describe('while a session runs', () => {
  let machine: Machine;
  let terminal: Terminal;
  let person: Person;
  let conversation: Conversation;

  /** All prompts in the order in which Claude was given them. */
  const given = () => api.asked.filter(({ round, sideQuestion }) => round === 0 && !sideQuestion).flatMap(({ prompts }) => prompts).flatMap((text) => text.split('\n'));
  const heard = (prompt: string) => given().filter((text) => text === prompt).length;
  const madeFile = () => existsSync(join(machine.work, 'made-by-claude.txt'));

  before(async () => {
    machine = new Machine({ relay: lying.url, api: api.url });
    person = await Person.signIn(relay.url);
    terminal = await machine.start();
    await pair(terminal, person);
    conversation = await person.join();
    await conversation.prompt('the first');
    await conversation.answered('Heard: the first');
  });
  after(async () => {
    lying.hooks = {};
    conversation?.close();
    await machine?.close();
  });

  /** A page of the same person: another sender. */
  const anotherPage = (device?: Device) => conversation.another(device);

  /** What was refused is neither run nor passed over in silence; the agent goes on with whoever is honest. */
  async function refusesButLives(act: () => Promise<void>, { reason, prompt }: { reason?: RegExp; prompt?: string } = {}): Promise<void> {
    const before = (await conversation.history()).length;
    await act();
    await waitFor('the refusal to be shown', async () => {
      const history = (await conversation.history()).slice(before);
      return history.find(({ envelope }) => {
        const data = (envelope?.d as any)?.content?.data;
        return (data?.type === 'prompt-refused' || data?.type === 'history-broken') && (reason?.test(JSON.stringify(data)) ?? true);
      });
    }, { ms: 20_000, every: 100 });
    const honest = anotherPage();
    const text = `still there ${crypto.randomUUID()}`;
    await honest.prompt(text);
    await conversation.answered(`Heard: ${text}`);
    if (prompt !== undefined) assert.equal(heard(prompt), 0);
  }

  it('a repeated prompt runs once', async () => {
    const { bundle } = await conversation.sealPrompt('only once');
    await conversation.send(bundle);
    await conversation.answered('Heard: only once');
    await refusesButLives(() => conversation.send(bundle));
    assert.equal(heard('only once'), 1);
  });

  it('an altered prompt does not run', async () => {
    const page = anotherPage();
    const { bundle } = await page.sealPrompt('to be altered');
    const bytes = Buffer.from(bundle, 'base64');
    bytes[bytes.length - 20]! ^= 1;
    await refusesButLives(() => conversation.send(bytes.toString('base64')), { prompt: 'to be altered' });
  });

  it('a prompt of another place does not run', async () => {
    const elsewhere = new Conversation(person, '01890000-0000-7000-8000-00000000aaaa', conversation.key, conversation.client);
    const { bundle } = await elsewhere.sealPrompt('of another session');
    await refusesButLives(() => conversation.send(bundle), { prompt: 'of another session' });
  });

  it('a prompt that binds no place does not run', async () => {
    const plain = { at: Date.now(), from: 'ab'.repeat(16), n: 1, prev: null, d: { role: 'user', content: { type: 'text', text: 'unbound' } } };
    await refusesButLives(() => conversation.send(sealUnbound(JSON.stringify(plain), conversation.key)), { prompt: 'unbound' });
    await refusesButLives(() => conversation.send(sealUnbound(JSON.stringify(plain.d), conversation.key)), { prompt: 'unbound' });
  });

  it("the agent's own words, sent back to it, do nothing", async () => {
    const stored = await person.login.allMessages(conversation.id);
    const readable = stored.map(({ content }) => ({ bundle: content.c as string, ...conversation.read(content.c) }));
    const own = readable.filter(({ kind, envelope }) => kind === 'message' && /Heard|result/.test(JSON.stringify(envelope!.d)));
    assert.ok(own.length > 0);
    const before = api.asked.length;
    for (const { bundle } of own) await conversation.send(bundle);
    const honest = anotherPage();
    await honest.prompt('after the echo');
    await conversation.answered('Heard: after the echo');
    assert.equal(api.asked.length, before + 1, 'nothing else reached Claude');
  });

  it('words of a role, in a bundle of the wrong kind, are no prompt', async () => {
    const page = anotherPage();
    const { envelope } = page.sender.next({ role: 'user', content: { type: 'text', text: 'as a message' }, meta: { sentFrom: 'web' } }, Date.now());
    await conversation.send(sealBundle(utf8(JSON.stringify(envelope)), conversation.key, conversation.place('message')));
    // Signed as a prompt, sent as a message.
    await conversation.send(sealBundle(openBundle((await anotherPage().sealPrompt('as a message')).bundle, conversation.key, conversation.place('prompt')).plaintext, conversation.key, conversation.place('message')));
    const honest = anotherPage();
    await honest.prompt('after the wrong kind');
    await conversation.answered('Heard: after the wrong kind');
    assert.equal(heard('as a message'), 0);
  });

  it('a dropped prompt is missed, and what follows waits', async () => {
    const page = anotherPage();
    const sealed = [await page.sealPrompt('kept one'), await page.sealPrompt('dropped'), await page.sealPrompt('after the gap')];
    await page.send(sealed[0]!.bundle);
    await conversation.answered('Heard: kept one');
    await refusesButLives(() => page.send(sealed[2]!.bundle), { prompt: 'after the gap' });
    // The missing one turns up: now both run, in their order, or the late one stays refused; never the other way round.
    await page.send(sealed[1]!.bundle);
    await waitFor('the dropped one to run', () => heard('dropped') === 1, { ms: 20_000 });
    const order = given().filter((prompt) => prompt === 'dropped' || prompt === 'after the gap');
    assert.equal(order[0], 'dropped');
    assert.ok(heard('after the gap') <= 1);
  });

  it('prompts in the wrong order never run in the wrong order', async () => {
    const page = anotherPage();
    const [first, second] = [await page.sealPrompt('order one'), await page.sealPrompt('order two')];
    await page.send(second.bundle);
    await page.send(first.bundle);
    await waitFor('the first to run', () => heard('order one') === 1, { ms: 20_000 });
    const honest = anotherPage();
    await honest.prompt('after the order');
    await conversation.answered('Heard: after the order');
    const [one, two] = [given().indexOf('order one'), given().indexOf('order two')];
    assert.ok(two === -1 || one < two, `${given()}`);
  });

  it('a chain that skips to another predecessor is broken', async () => {
    const page = anotherPage();
    await page.prompt('chain one');
    await conversation.answered('Heard: chain one');
    const { bundle } = await page.sealPrompt('forked', {}, { prev: randomText(16) });
    await refusesButLives(() => page.send(bundle), { prompt: 'forked' });
  });

  it('in flight: altered, doubled and swapped updates change nothing', async () => {
    let mode: 'alter' | 'double' | undefined = 'double';
    lying.hooks = {
      down: (packet) => {
        const update = packet.kind === 'event' && packet.data[0] === 'update' ? packet.data[1] : undefined;
        if (update?.body?.t !== 'new-message') return undefined;
        if (mode === 'double') return [packet, packet, { ...packet, data: ['update', { ...update, seq: update.seq + 1 }] }];
        const c = Buffer.from(update.body.message.content.c, 'base64');
        c[c.length - 1]! ^= 1;
        update.body.message.content.c = c.toString('base64');
        return [packet];
      },
    };
    const page = anotherPage();
    await page.prompt('doubled in flight');
    await conversation.answered('Heard: doubled in flight');
    assert.equal(heard('doubled in flight'), 1);
    mode = 'alter';
    await anotherPage().prompt('altered in flight');
    await waitFor('the alteration to be noticed or fetched anew', async () => heard('altered in flight') === 1
      || (await conversation.history()).some(({ envelope }) => (envelope?.d as any)?.content?.data?.type === 'prompt-refused'), { ms: 20_000, every: 100 });
    lying.hooks = {};
    lying.cutLinks();
    const honest = anotherPage();
    await honest.prompt('after the alterations');
    await conversation.answered('Heard: after the alterations');
    assert.ok(heard('altered in flight') <= 1);
    assert.equal(heard('doubled in flight'), 1);
  });

  describe('prompts signed by somebody else', () => {
    it('by the agent itself: refused, and its number has come', async () => {
      const agent = newDevice('agent');
      await Login.in(relay.url, person.login.account, agent);
      await refusesButLives(async () => void (await anotherPage(agent).prompt('by an agent')), { reason: /device/, prompt: 'by an agent' });
    });

    it('without a signature, or with that of another bundle', async () => {
      const page = anotherPage();
      const { envelope } = page.sender.next({ role: 'user', content: { type: 'text', text: 'unsigned' }, meta: { sentFrom: 'web' } }, Date.now());
      const text = JSON.stringify({ ...envelope, seen: await page.newest(), until: Date.now() + 60_000 });
      await refusesButLives(() => page.send(sealBundle(utf8(text), conversation.key, conversation.place('prompt'))), { prompt: 'unsigned' });
      const { bundle } = await anotherPage().sealPrompt('moved');
      const { plaintext } = openBundle(bundle, conversation.key, conversation.place('prompt'));
      await refusesButLives(() => page.send(sealBundle(plaintext, conversation.key, conversation.place('prompt'))), { prompt: 'moved' });
    });

    it('by a browser that the relay keeps from the agent: held; run once `devices` has delivered it', { timeout: 180_000 }, async () => {
      const { hide, show } = withheld();
      const fresh = newDevice('browser', 'a new phone');
      await hide();
      await Login.in(relay.url, person.login.account, fresh);
      await person.chain();
      const page = anotherPage(fresh);
      const { id } = await page.prompt('of a new browser');
      await conversation.held(id, 'device');
      assert.equal(heard('of a new browser'), 0);
      const delivered = await conversation.devices((await person.chain()).statements.map(toBase64));
      assert.equal(delivered.ok, true, JSON.stringify(delivered));
      await conversation.answered('Heard: of a new browser');
      show();
    });

    it('by a browser whose revocation the relay withholds: refused once `devices` has delivered it', { timeout: 360_000 }, async () => {
      const lost = newDevice('browser', 'a lost phone');
      await Login.in(relay.url, person.login.account, lost);
      const page = anotherPage(lost);
      await page.prompt('before it was lost');
      await conversation.answered('Heard: before it was lost');
      const { hide, show } = withheld();
      await hide();
      await person.login.revoke(lost.key.publicKey);
      await person.chain();
      assert.notEqual((await conversation.begin()).devices, person.seen.digest(), 'the two ends see other devices');
      const delivered = await conversation.devices(person.seen.statements().map(toBase64));
      assert.equal(delivered.ok, true, JSON.stringify(delivered));
      assert.equal((await conversation.begin()).devices, person.seen.digest());
      await terminal.shows(/The relay had held back which devices belong to the account/);
      await refusesButLives(async () => void (await page.prompt('after it was lost')), { reason: /device/, prompt: 'after it was lost' });
      const touch = await openQuestion();
      await rejected(page, 'permission', page.verdict(touch, 'approved'));
      await stillAsks(touch);
      show();
    });
  });

  /** The relay keeps the chain as it is now from the agent, whatever is added. */
  function withheld() {
    const hide = async () => {
      const known = (await person.login.must('GET', '/v1/devices')).statements;
      lying.hooks = {
        reply: ({ path }, { body }) => {
          if (path.startsWith('/v1/devices')) body.statements = known;
        },
        down: (packet) => {
          const update = packet.kind === 'event' && packet.data[0] === 'update' ? packet.data[1] : undefined;
          return update?.body?.t === 'device' ? [{ ...packet, data: ['update', { ...update, body: { t: 'none' } }] }] : undefined;
        },
      };
    };
    return { hide, show: () => void (lying.hooks = {}) };
  }

  const openQuestion = async (): Promise<{ id: string; ask: string }> => {
    await anotherPage().prompt(`${crypto.randomUUID()} #bash-touch`);
    return conversation.question();
  };

  /** The tool has not run; then it is denied for good. */
  async function stillAsks(question: { id: string; ask: string }): Promise<void> {
    assert.ok((await conversation.state()).requests[question.id], 'the question is still open');
    assert.equal(madeFile(), false);
    await conversation.decide(question, 'denied', { reason: 'end of the lie' });
    await conversation.said('the denial', (d) => JSON.stringify(d).includes('end of the lie'));
    await waitFor('no open question', async () => Object.keys((await conversation.state()).requests ?? {}).length === 0);
  }

  /** A sealed no, or nothing that anybody could take for an answer. */
  const rejected = async (page: Conversation, name: string, d: unknown): Promise<void> => {
    const answer = await page.call(name, d);
    assert.equal(answer.ok, false, `accepted: ${JSON.stringify(answer)}`);
  };
  /** Acknowledged with the empty string: whoever reads that knows nothing. */
  const unsealed = async (name: string, params: string): Promise<void> => {
    assert.deepEqual(await conversation.callSealed(name, params), { ok: false, unsealed: true });
  };

  describe('approvals', () => {
    const mode = async () => (await conversation.state()).mode;

    it('altered, made of nothing, unbound, unsigned, or of another method', async () => {
      const question = await openQuestion();
      const yes = conversation.verdict(question, 'approved');
      const sealed = await conversation.sealCall('permission', yes);
      const altered = Buffer.from(sealed, 'base64');
      altered[40]! ^= 1;
      await unsealed('permission', altered.toString('base64'));
      await unsealed('permission', randomText(120));
      await unsealed('permission', '');
      const { challenge } = await conversation.begin();
      await unsealed('permission', sealUnbound(JSON.stringify({ challenge, d: yes }), conversation.key));
      await unsealed('permission', sealBundle(utf8(JSON.stringify({ challenge, d: yes })), conversation.key, conversation.place('rpc-request:permission')));
      await unsealed('permission', await conversation.sealCall('abort', yes));
      const { plaintext } = openBundle(sealed, conversation.key, conversation.place('rpc-request:permission'));
      await unsealed('permission', sealBundle(plaintext, conversation.key, conversation.place('rpc-request:permission')));
      await stillAsks(question);
    });

    it('for a challenge that is unknown, used, or of another session', async () => {
      const question = await openQuestion();
      const yes = conversation.verdict(question, 'approved');
      await unsealed('permission', await conversation.sealCall('permission', yes, 'cd'.repeat(16)));
      const { challenge } = await conversation.begin();
      assert.equal((await conversation.callSealed('set-mode', await conversation.sealCall('set-mode', { mode: 'default' }, challenge))).ok, true);
      await unsealed('permission', await conversation.sealCall('permission', yes, challenge));
      const elsewhere = new Conversation(person, '01890000-0000-7000-8000-00000000aaaa', conversation.key, conversation.client);
      const moved = elsewhere.sealAct('rpc-request:permission', JSON.stringify({ challenge: (await conversation.begin()).challenge, d: yes }));
      await unsealed('permission', moved);
      await stillAsks(question);
    });

    it('whose bundle id was burnt with garbage: no "no" comes of it, and the real one runs', async () => {
      const question = await openQuestion();
      const real = await conversation.sealCall('permission', conversation.verdict(question, 'denied', { reason: 'the real one' }));
      const garbage = Buffer.from(real, 'base64');
      garbage.fill(7, 40);
      await unsealed('permission', garbage.toString('base64'));
      assert.equal((await conversation.callSealed('permission', real)).ok, true);
      await conversation.said('the denial', (d) => JSON.stringify(d).includes('the real one'));
      await unsealed('permission', real);
    });

    it('more begins than are kept: the oldest challenge is dead, the newest lives', { timeout: 180_000 }, async () => {
      const first = await conversation.begin();
      let last = first;
      for (let i = 0; i < 257; ++i) last = await conversation.begin();
      await unsealed('set-mode', await conversation.sealCall('set-mode', { mode: 'default' }, first.challenge));
      assert.equal((await conversation.callSealed('set-mode', await conversation.sealCall('set-mode', { mode: 'default' }, last.challenge))).ok, true);
    });

    it('of an agent, of an unknown device: nothing done; their no is a no', async () => {
      const agent = newDevice('agent');
      await Login.in(relay.url, person.login.account, agent);
      const question = await openQuestion();
      for (const device of [agent, newDevice()]) {
        const page = anotherPage(device);
        await rejected(page, 'permission', page.verdict(question, 'approved'));
        await rejected(page, 'set-mode', { mode: 'bypassPermissions' });
      }
      assert.notEqual(await mode(), 'bypassPermissions');
      const stranger = anotherPage(newDevice());
      assert.equal((await stranger.decide(question, 'denied', { reason: 'a stranger says no' })).ok, true);
      await conversation.said('the denial', (d) => JSON.stringify(d).includes('a stranger says no'));
      assert.equal(madeFile(), false);
    });

    it('of another text, of grants that are not there, or named twice', async () => {
      const question = await openQuestion();
      const { grants } = JSON.parse(question.ask);
      const bad = [
        { ask: 'ab'.repeat(32) }, { ask: undefined }, { grants: [grants.length] }, { grants: [-1] }, { grants: [0.5] }, { grants: ['0'] },
        { grants: grants.length > 0 ? [0, 0] : [7] }, { grants: undefined }, { decision: 'approved_always' }, { mode: 'no such mode' },
      ];
      for (const more of bad) await rejected(conversation, 'permission', { ...conversation.verdict(question, 'approved'), ...more });
      await rejected(conversation, 'permission', { ...conversation.verdict(question, 'denied'), grants: [0] });
      await stillAsks(question);
    });

    it('two at once: the first counts', async () => {
      const question = await openQuestion();
      const [no, yes] = [await conversation.sealCall('permission', conversation.verdict(question, 'denied', { reason: 'first' })), await conversation.sealCall('permission', conversation.verdict(question, 'approved'))];
      const first = await conversation.callSealed('permission', no);
      const second = await conversation.callSealed('permission', yes);
      assert.deepEqual([first.ok, second.ok], [true, false]);
      assert.equal(madeFile(), false);
      const approval = await conversation.told('approval', (data) => data.id === toBase64(Buffer.from(no, 'base64').subarray(1, 17)));
      assert.equal(approval.device, person.device.key.base64);
    });

    it('repeated: a stop does not stop the next turn as well', async () => {
      api.scene('stoppable', [[say('going '), gate('never')]]);
      await anotherPage().prompt('one #stoppable');
      await waitFor('the first to run', () => heard('one #stoppable') === 1);
      const stop = await conversation.sealCall('abort', {});
      const stopped = await conversation.callSealed('abort', stop);
      assert.equal(stopped.ok, true);
      await waitFor('the first to be stopped', () => api.asked.find(({ prompt }) => prompt === 'one #stoppable')!.hungUp);
      const { end } = (stopped as { result: { end: string } }).result;
      await waitFor('the end to be there', async () => (await conversation.history()).some(({ id }) => id === end));
      await anotherPage().prompt('two #stoppable');
      await waitFor('the second to run', () => heard('two #stoppable') === 1);
      await unsealed('abort', stop);
      assert.equal(api.asked.find(({ prompt }) => prompt === 'two #stoppable')!.hungUp, false);
      const again = await conversation.call('abort', {});
      assert.equal(again.ok, true);
      await waitFor('the second to be stopped', () => api.asked.find(({ prompt }) => prompt === 'two #stoppable')!.hungUp);
      const last = (again as { result: { end: string } }).result.end;
      await waitFor('its end to be there', async () => (await conversation.history()).some(({ id }) => id === last));
    });

    it('dropped: the question stays open until somebody answers', async () => {
      const question = await openQuestion();
      const yes = await conversation.sealCall('permission', conversation.verdict(question, 'approved'));
      const dropped = Promise.withResolvers<void>();
      lying.hooks = {
        down: (packet) => {
          if (packet.kind !== 'event' || packet.data[0] !== 'rpc-request') return undefined;
          dropped.resolve();
          return [];
        },
      };
      const lost = conversation.callSealed('permission', yes).catch(() => undefined);
      await dropped.promise;
      lying.hooks = {};
      assert.ok((await conversation.state()).requests[question.id]);
      lying.cutLinks();
      await lost;
      await waitFor('the agent to be back', async () => {
        const answer = await conversation.client.ask('rpc-call', { method: `${conversation.id}:permission`, params: '' });
        return answer.error !== 'RPC method not available';
      });
      await stillAsks(question);
    });
  });

  describe('prompts and time', () => {
    const hours = 3_600_000;

    it('of 300 days ago, or good for too long: held, with no change of mode; run by `held` without it', { timeout: 180_000 }, async () => {
      const page = anotherPage();
      const old = await page.prompt('of last winter', { permissionMode: 'bypassPermissions' }, { at: Date.now() - 300 * 24 * hours, until: Date.now() - 299 * 24 * hours });
      await conversation.held(old.id, 'until');
      const far = await anotherPage().prompt('of next spring', {}, { until: Date.now() + 26 * hours });
      await conversation.held(far.id, 'until');
      assert.notEqual((await conversation.state()).mode, 'bypassPermissions');
      assert.deepEqual([heard('of last winter'), heard('of next spring')], [0, 0]);

      // Behind one held for `until` the same sender waits.
      const next = await page.prompt('behind it');
      assert.equal((await conversation.call('held', { id: old.id, run: true })).ok, true);
      await conversation.answered('Heard: of last winter');
      await conversation.answered('Heard: behind it');
      assert.notEqual((await conversation.state()).mode, 'bypassPermissions');
      assert.equal((await conversation.call('held', { id: far.id, run: false })).ok, true);
      await conversation.told('prompt-refused', (data) => data.id === far.id);
      assert.equal(heard('of next spring'), 0);
      assert.equal((await conversation.call('held', { id: far.id, run: true })).ok, false);
      assert.deepEqual((await conversation.state()).held, []);
      assert.ok(next.n === 2);
    });

    it('with a clock three hours off, corrected by `begin`: runs', async () => {
      const { now } = await conversation.begin();
      const page = anotherPage();
      await page.prompt('by a wrong clock', {}, { at: Date.now() + 3 * hours, until: now + 600_000 });
      await conversation.answered('Heard: by a wrong clock');
    });

    it('written before a Stop and delivered after it: held; one of who pressed runs', { timeout: 180_000 }, async () => {
      api.scene('stopped', [[say('going '), gate('never')]]);
      const late = await anotherPage().sealPrompt('written before the stop');
      await anotherPage().prompt('to be stopped #stopped');
      await waitFor('it to run', () => heard('to be stopped #stopped') === 1);
      const answer = await conversation.call('abort', {});
      assert.equal(answer.ok, true);
      const { end } = (answer as { result: { end: string } }).result;
      await conversation.send(late.bundle);
      await conversation.held(late.id, 'stopped');
      await anotherPage().prompt('after I pressed it', {}, { seen: end });
      await conversation.answered('Heard: after I pressed it');
      assert.equal(heard('written before the stop'), 0);
      await conversation.call('held', { id: late.id, run: false });
    });

    it('taken back before it came: never runs, no gap; one that Claude has: too late', async () => {
      const page = anotherPage();
      const withdrawn = await page.sealPrompt('taken back');
      assert.equal((await conversation.call('take-back', { id: withdrawn.id, from: withdrawn.from, n: withdrawn.n })).ok, true);
      await page.send(withdrawn.bundle);
      await page.prompt('the next of it');
      await conversation.answered('Heard: the next of it');
      assert.equal(heard('taken back'), 0);
      const done = await page.prompt('already done');
      await conversation.answered('Heard: already done');
      const late = await conversation.call('take-back', { id: done.id, from: done.from, n: done.n });
      assert.equal(late.ok, false);
    });
  });
});

describe('a session that is said to be deleted', () => {
  /** A machine in a conversation, its own: it is deleted here. */
  async function talking() {
    const machine = new Machine({ relay: lying.url, api: api.url });
    const person = await Person.signIn(relay.url);
    const terminal = await machine.start();
    await pair(terminal, person);
    const conversation = await person.join();
    await conversation.prompt('something to keep');
    await conversation.answered('Heard: something to keep');
    const keyed = () => machine.stored().some(({ content }) => content.includes(Buffer.from(conversation.key)) || content.includes(toBase64(conversation.key)));
    assert.equal(keyed(), true);
    return { machine, person, terminal, conversation, keyed };
  }

  /** What the agent is told, in place of nothing. */
  const tell = (body: Record<string, unknown>, seq: number) => {
    for (const link of lying.links) link.toClient(event('update', { id: 'cccccccccccc', seq, createdAt: Date.now(), body: { t: 'delete-session', ...body } }));
  };

  it('unsigned, or signed by an agent, a revoked browser, or for another session: its key stays, in the trash', { timeout: 360_000 }, async () => {
    const { machine, person, terminal, conversation, keyed } = await talking();
    const revoked = newDevice();
    await Login.in(relay.url, person.login.account, revoked);
    await person.login.revoke(revoked.key.publicKey);
    const agent = newDevice('agent');
    await Login.in(relay.url, person.login.account, agent);
    const sid = conversation.id;
    const { revision } = await person.login.must('GET', '/v1/sessions');
    tell({ sid, ...person.deletion('01890000-0000-7000-8000-00000000aaaa') }, revision + 1);
    tell({ sid, ...person.deletion(sid, agent) }, revision + 2);
    tell({ sid, ...person.deletion(sid, revoked) }, revision + 3);
    tell({ sid }, revision + 4);
    await terminal.shows(/trash/i);
    assert.equal(keyed(), true, 'its key was not destroyed');
    // The relay shows the session still: started again, it comes back by itself.
    process.kill(await terminal.pid(), 'SIGKILL');
    await terminal.ended();
    await machine.start();
    await conversation.prompt('back from the trash');
    await conversation.answered('Heard: back from the trash', 40_000);
    conversation.close();
    await machine.close();
  });

  it('signed by a good browser: destroyed', { timeout: 270_000 }, async () => {
    const { machine, person, terminal, conversation, keyed } = await talking();
    await person.login.must('DELETE', `/v1/sessions/${conversation.id}`, person.deletion(conversation.id));
    await terminal.shows(/deleted/i);
    await waitFor('its key to be gone', () => !keyed());
    conversation.close();
    await machine.close();
  });
});
