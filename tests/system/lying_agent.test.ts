/// A relay that lies to the agent. It can delay, but it cannot forge, replay, reorder or silently drop.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { answerCode, codeIn, linkIn, Machine } from '../support/agent.ts';
import { Login, randomText } from '../support/client.ts';
import { Conversation, newPairing, pairingStatus, Person, sealAnswer, sealToken, sealUnboundText, utf8, sealBundle } from '../support/e2ee.ts';
import { LyingRelay, type Reply } from '../support/proxy.ts';
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
const credentials = (machine: Machine) => machine.stored().filter(([, content]) => /eyJ[\w-]+\.[\w-]+\.[\w-]+/.test(content.toString('latin1'))).map(([path]) => path);

describe('while pairing', () => {
  const lies: [what: string, change: (reply: Reply, link: string, honest: Person) => Promise<void>][] = [
    ['an answer of its own', async ({ body }, link) => {
      const mallory = await Person.signIn(relay.url);
      body.response = await sealAnswer(link, mallory, { secret: 'its own' });
      body.sealedToken = sealToken(link, mallory.login.token);
    }],
    ['the answer to another request', async ({ body }, _link, honest) => {
      const other = await newPairing(relay.url);
      await fetch(`${relay.url}/v1/auth/request`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(other.body) });
      await honest.approve(other.text);
      body.response = (await pairingStatus(relay.url, other.body.publicKey)).body.response;
    }],
    ['an answer with another key inside', async ({ body }, link, honest) => {
      const mallory = await Person.signIn(relay.url);
      body.response = await sealAnswer(link, honest, { contentKeyOf: mallory });
    }],
    ['a token of another account', async ({ body }, link) => {
      body.sealedToken = sealToken(link, (await Login.in(relay.url)).token);
    }],
    ['a token of another device', async ({ body }, link, honest) => {
      body.sealedToken = sealToken(link, honest.login.token);
    }],
    ['rubbish', async ({ body }) => {
      body.response = randomText(220);
    }],
  ];

  for (const [what, change] of lies) {
    it(`refuses ${what}, and keeps nothing`, { timeout: 60_000 }, async () => {
      await using machine = new Machine({ relay: lying.url, api: api.url });
      const person = await Person.signIn(relay.url);
      const terminal = await machine.start();
      const link = await linkIn(terminal);
      const told = Promise.withResolvers<void>();
      lying.hooks = {
        reply: async ({ path }, reply) => {
          if (!path.startsWith('/v1/auth/request/status') || reply.body.status !== 'authorized') return;
          await change(reply, link, person);
          told.resolve();
        },
      };
      await person.approve(link);
      await told.promise;
      await terminal.shows(/refuse|not made by|does not match|not authentic|was changed|tampered|cannot be trusted|another (account|device)|not belong/i);
      assert.doesNotMatch(await terminal.screen(), /\b\d{3} \d{3} \d{3} \d{3}\b/, 'there is no code to compare');
      assert.deepEqual(credentials(machine), []);
      assert.deepEqual(await person.sessions(), []);
      lying.hooks = {};
    });
  }

  it('a second person who approves the same QR code first gains nothing', { timeout: 60_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const [owner, mallory] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const terminal = await machine.start();
    const link = await linkIn(terminal);
    const malloryCode = await mallory.approve(link);
    assert.equal(await codeIn(terminal), malloryCode);
    assert.deepEqual(credentials(machine), [], 'nothing is kept before the person has confirmed');
    assert.equal((await pairingStatus(relay.url, new URL(link).hash.match(/pk=([\w-]+)/)![1]!.replaceAll('-', '+').replaceAll('_', '/') + '=')).body.status, 'authorized', 'the owner sees that somebody was first');
    assert.equal((await owner.login.must('GET', '/v1/devices')).devices.length, 1);

    await answerCode(terminal, false);
    await waitFor('another link, or the end', async () => {
      const screen = await terminal.screen();
      return screen.replaceAll(link, '').match(/\/pair#v=1&pk=/) || /not equal|not paired|nothing (was|has been)|cancel|stopped|refused/i.test(screen);
    });
    assert.deepEqual(credentials(machine), []);
    assert.deepEqual(await mallory.sessions(), []);
    assert.deepEqual(api.asked, [], 'Claude was never started');
  });
});

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
    const link = await linkIn(terminal);
    const code = await person.approve(link);
    assert.equal(await codeIn(terminal), code);
    await answerCode(terminal, true);
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
  const anotherPage = () => new Conversation(person, conversation.id, conversation.key, conversation.client);

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
    await refusesButLives(async () => conversation.send(await sealUnboundText(JSON.stringify(plain), conversation.key)), { prompt: 'unbound' });
    await refusesButLives(async () => conversation.send(await sealUnboundText(JSON.stringify(plain.d), conversation.key)), { prompt: 'unbound' });
  });

  it("the agent's own words, sent back to it, do nothing", async () => {
    const stored = await person.login.allMessages(conversation.id);
    const readable = await Promise.all(stored.map(async ({ content }) => ({ bundle: content.c as string, ...(await conversation.read(content.c)) })));
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
    const { bundle } = await page.sender.seal('message', { role: 'user', content: { type: 'text', text: 'as a message' }, meta: { sentFrom: 'web' } }, conversation.key, Date.now());
    await conversation.send(bundle);
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
    const forked = { at: Date.now(), from: page.sender.from, n: 2, prev: randomText(16), d: { role: 'user', content: { type: 'text', text: 'forked' } } };
    const bundle = await sealBundle(utf8(JSON.stringify(forked)), conversation.key, conversation.place('prompt'));
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

  describe('approvals', () => {
    const approve = (id: string) => ({ id, approved: true, decision: 'approved' });

    /** The tool has not run; then it is denied for good. */
    async function stillAsks(id: string): Promise<void> {
      assert.ok((await conversation.state()).requests[id], 'the question is still open');
      assert.equal(madeFile(), false);
      await conversation.call('permission', { id, approved: false, decision: 'denied', reason: 'end of the lie' });
      await conversation.said('the denial', (d) => JSON.stringify(d).includes('end of the lie'));
      await waitFor('no open question', async () => Object.keys((await conversation.state()).requests ?? {}).length === 0);
    }

    const rejected = async (name: string, params: string): Promise<void> => {
      const answer = await conversation.callSealed(name, params).catch((error: Error) => ({ ok: false, error: error.message }));
      assert.ok(!answer.ok || answer.result?.error !== undefined, `accepted: ${JSON.stringify(answer)}`);
    };

    async function openQuestion(): Promise<string> {
      await anotherPage().prompt(`${crypto.randomUUID()} #bash-touch`);
      return (await conversation.question()).id;
    }

    it('altered, made of nothing, unbound, or of another method', async () => {
      const id = await openQuestion();
      const sealed = await conversation.sealCall('permission', approve(id));
      const altered = Buffer.from(sealed, 'base64');
      altered[40]! ^= 1;
      await rejected('permission', altered.toString('base64'));
      await rejected('permission', randomText(120));
      await rejected('permission', '');
      const { instance } = await conversation.state();
      await rejected('permission', await sealUnboundText(JSON.stringify({ at: Date.now(), to: instance, d: approve(id) }), conversation.key));
      await rejected('permission', await sealUnboundText(JSON.stringify(approve(id)), conversation.key));
      await rejected('permission', await conversation.sealCall('abort', approve(id)));
      await stillAsks(id);
    });

    it('of another process, or of another time', async () => {
      const id = await openQuestion();
      await rejected('permission', await conversation.sealCall('permission', approve(id), 'cd'.repeat(16)));
      await rejected('permission', await conversation.sealCall('permission', approve(id), undefined, Date.now() - 11 * 60_000));
      await rejected('permission', await conversation.sealCall('permission', approve(id), undefined, Date.now() + 11 * 60_000));
      const elsewhere = new Conversation(person, '01890000-0000-7000-8000-00000000aaaa', conversation.key, conversation.client);
      await rejected('permission', await elsewhere.sealCall('permission', approve(id), (await conversation.state()).instance));
      await stillAsks(id);
    });

    it('repeated: a stop does not stop the next turn as well', async () => {
      api.scene('stoppable', [[say('going '), gate('never')]]);
      const stop = await conversation.sealCall('abort', {});
      await anotherPage().prompt('one #stoppable');
      await waitFor('the first to run', () => heard('one #stoppable') === 1);
      assert.equal((await conversation.callSealed('abort', stop)).ok, true);
      await waitFor('the first to be stopped', () => api.asked.find(({ prompt }) => prompt === 'one #stoppable')!.hungUp);
      await anotherPage().prompt('two #stoppable');
      await waitFor('the second to run', () => heard('two #stoppable') === 1);
      await rejected('abort', stop);
      assert.equal(api.asked.find(({ prompt }) => prompt === 'two #stoppable')!.hungUp, false);
      assert.equal((await conversation.call('abort', {})).ok, true);
      await waitFor('the second to be stopped', () => api.asked.find(({ prompt }) => prompt === 'two #stoppable')!.hungUp);
    });

    it('dropped: the question stays open until somebody answers', async () => {
      const id = await openQuestion();
      const dropped = Promise.withResolvers<void>();
      lying.hooks = {
        down: (packet) => {
          if (packet.kind !== 'event' || packet.data[0] !== 'rpc-request') return undefined;
          dropped.resolve();
          return [];
        },
      };
      const lost = conversation.call('permission', approve(id)).catch(() => undefined);
      await dropped.promise;
      lying.hooks = {};
      assert.ok((await conversation.state()).requests[id]);
      lying.cutLinks();
      await lost;
      await waitFor('the agent to be back', async () => {
        const answer = await conversation.client.ask('rpc-call', { method: `${conversation.id}:permission`, params: '' });
        return answer.error !== 'RPC method not available';
      });
      await stillAsks(id);
    });
  });
});
