/// A relay that lies to the dashboard. What it alters, moves, repeats, reorders or withholds is shown as such.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Pairing, Person, sealedSession, toBase64 } from '../support/e2ee.ts';
import { DeviceChain } from '../support/independent/statement.ts';
import { event, LyingRelay, type Hooks, type Packet } from '../support/proxy.ts';
import { answerChallenge, askChallenge, Login, newDevice, nextStatement, randomText, request, SigningKey } from '../support/client.ts';
import { refused } from '../support/refusals.ts';
import { Relay } from '../support/relay.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let lying: LyingRelay;
let browser: Browser;
let person: Person;
let dashboard: Dashboard;

before(async () => {
  ({ lying, relay } = await LyingRelay.start());
  browser = await Browser.start();
  person = await Person.signIn(relay.url);
});
after(async () => {
  await browser.close();
  await lying.close();
  await relay.close();
});
afterEach(() => {
  lying.hooks = {};
});

/** Signed in, with nothing left open by another group. */
async function open(): Promise<void> {
  if (dashboard !== undefined) return void (await dashboard.page.goto(lying.url));
  dashboard = await Dashboard.open(browser, lying.url);
  await dashboard.signIn(base32Of(person.secret));
}

describe('at the sign-in', () => {
  it('a challenge for another place is not signed', async () => {
    let signed = false;
    lying.hooks = {
      reply: ({ path }, { body }) => {
        if (path !== '/v1/auth/challenge') return;
        const lines = Buffer.from(body.challenge, 'base64').toString().split('\n');
        lines[1] = 'https://relay.example';
        body.challenge = Buffer.from(lines.join('\n')).toString('base64');
      },
      request: ({ path }) => {
        signed ||= path === '/v1/auth';
      },
    };
    const page = await Dashboard.open(browser, lying.url);
    await page.tryToSignIn(base32Of(person.secret));
    await page.by('sign-in-error').getByText(/asked to sign a login for/).waitFor();
    assert.equal(signed, false);
    await page.page.close();
  });
});

describe('a key that was typed', () => {
  it('and that no account has makes none until the person says so', async () => {
    const secret = new SigningKey();
    await using own = await Browser.start();
    const page = await Dashboard.open(own, lying.url);
    await page.tryToSignIn(base32Of(secret.seed));
    await page.by('sign-in-problem').getByText(/no account/i).first().waitFor();
    const nothing = await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(await askChallenge(relay.url, secret), secret, newDevice()));
    refused(nothing, 404, 'not-found');
    await page.by('make-empty').click();
    await page.by('truth-line').waitFor();
    assert.equal((await Person.signIn(relay.url, secret.seed)).login.account.base64, secret.base64);
  });
});

describe('about a conversation', () => {
  let owner: SessionOwner;

  before(open);
  after(() => owner?.close());

  let number = 0;

  /** A session of its own for every lie, open in the dashboard. */
  async function openSession(): Promise<SessionOwner> {
    owner?.close();
    number += 1;
    owner = await SessionOwner.start(person, { path: `/home/someone/project-${number}` });
    await owner.say('an honest beginning');
    await dashboard.choose(owner.id);
    await dashboard.entry('text', 'an honest beginning').waitFor();
    return owner;
  }

  async function doubted(text: RegExp): Promise<void> {
    await dashboard.entry('unverified', text).first().waitFor();
  }

  const shown = (text: string) => dashboard.entry('text', text).count();

  /** The same doubt, and not the lie, after everything was loaded anew. */
  async function doubtedAgain(text: RegExp): Promise<void> {
    await doubted(text);
    await dashboard.page.reload();
    await dashboard.entry('text', 'an honest beginning').waitFor();
    await doubted(text);
  }

  it('an altered message', async () => {
    const { send, seal, text } = bound(await openSession());
    const { bundle } = await seal(text('to be altered'));
    const bytes = Buffer.from(bundle, 'base64');
    bytes[bytes.length - 20]! ^= 1;
    await send(bytes.toString('base64'));
    await doubtedAgain(/not sealed for this place|altered/);
    assert.equal(await shown('to be altered'), 0);
  });

  it('a message of another session', async () => {
    const other = await SessionOwner.start(person, { path: '/home/someone/elsewhere' });
    const moved = await other.say('said elsewhere');
    const { send } = bound(await openSession());
    await send(moved.bundle);
    await doubtedAgain(/not sealed for this place/);
    assert.equal(await shown('said elsewhere'), 0);
    other.close();
  });

  it('a repeated message', async () => {
    const { send, say } = bound(await openSession());
    const { bundle } = await say('said only once');
    await send(bundle);
    await doubtedAgain(/repeats an earlier one/);
    assert.equal(await shown('said only once'), 1);
  });

  it('messages in another order', async () => {
    const { send, seal, text } = bound(await openSession());
    const [first, second] = [await seal(text('said first')), await seal(text('said second'))];
    await send(second.bundle);
    await send(first.bundle);
    await doubtedAgain(/out of order/);
  });

  it('a message that was left out', async () => {
    const { send, seal, text } = bound(await openSession());
    await seal(text('never delivered'));
    await send((await seal(text('after the gap'))).bundle);
    await doubtedAgain(/1 entry is missing/);
  });

  it('a message that is withheld, its number used', async () => {
    const { send, seal, text } = bound(await openSession());
    let hidden: string | undefined;
    const isHidden = (message: any) => message?.content?.c === hidden;
    lying.hooks = {
      down: (packet) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'update' || !isHidden(packet.data[1].body.message)) return undefined;
        return [event('update', { ...packet.data[1], body: { t: 'none' } })];
      },
      reply: ({ path }, { body }) => {
        if (path.startsWith('/v3/') || path.includes('/messages')) body.messages = body.messages?.filter((message: any) => !isHidden(message));
      },
    };
    const sealed = await seal(text('kept back'));
    hidden = sealed.bundle;
    await send(sealed.bundle);
    await send((await seal(text('after what is withheld'))).bundle);
    await doubted(/missing/);
    assert.equal(await shown('kept back'), 0);
  });

  it('the same number given to two entries', async () => {
    const { send, say, seal, text } = bound(await openSession());
    const sealed = await seal(text('the honest one'));
    const ack = await send(sealed.bundle);
    await dashboard.entry('text', 'the honest one').waitFor();
    const other = await seal(text('the other one'));
    const [message] = (await person.login.allMessages(owner.id)).filter(({ seq }) => seq === ack.seq);
    for (const link of lying.links) {
      link.toClient(event('update', { id: 'aaaaaaaaaaaa', seq: ack.revision + 1, createdAt: Date.now(), body: { t: 'new-message', sid: owner.id, message: { ...message, id: crypto.randomUUID(), content: { t: 'encrypted', c: other.bundle } } } }));
    }
    await dashboard.by('session-problem').getByText(/gave the number \d+ of this session to two different entries/).waitFor();
    await say('goes on');
  });

  it('words in your mouth', async () => {
    const { send, seal } = bound(await openSession());
    await send((await seal({ role: 'user', content: { type: 'text', text: 'you never said this' }, meta: { sentFrom: 'web' } })).bundle);
    await doubtedAgain(/speaks as you/);
    assert.equal(await dashboard.entry('prompt', 'you never said this').count(), 0);
  });

  it('an old state as if it were new: the question is not asked again', async () => {
    const mine = await openSession();
    const { requests } = mine.question('rm -rf precious');
    const asking = await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    await mine.setState({ requests: {} });
    await dashboard.by('slip').waitFor({ state: 'detached' });
    const { revision } = await person.login.must('GET', '/v1/sessions');
    for (const link of lying.links) {
      link.toClient(event('update', { id: 'bbbbbbbbbbbb', seq: revision + 1, createdAt: Date.now(), body: { t: 'update-session', id: mine.id, agentState: { value: asking, version: revision + 1 } } }));
    }
    await dashboard.by('session-problem').getByText(/sent an older state of this session as if it were new/).waitFor();
    assert.equal(await dashboard.by('slip').count(), 0);
  });

  it('an answer to an approval that the agent did not give: not known whether, until it is', { timeout: 450_000 }, async () => {
    const mine = await openSession();
    const { requests } = mine.question('touch it');
    await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    let kept: Packet | undefined;
    lying.hooks = {
      up: (packet, link) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'rpc-call' || !packet.data[1].method.endsWith(':permission')) return undefined;
        kept = packet;
        queueMicrotask(() => link.toClient({ kind: 'ack', ack: packet.ack!, data: [{ ok: true, result: '' }] }));
        return [];
      },
    };
    await allowOnce();
    await dashboard.page.locator('[data-testid=slip][data-phase=unknown]').waitFor();
    assert.match(await dashboard.by('slip-said').innerText(), /not known/i);
    assert.equal(mine.calls.length, 0);
    // Never a no, never a yes: in a minute the challenge is dead, and the page looks whether the question is still open.
    await dashboard.page.evaluate(() => {
      const now = performance.now.bind(performance);
      performance.now = () => now() + 55_000;
    });
    await dashboard.page.locator('[data-testid=slip][data-phase=open]').waitFor({ timeout: 100_000 });
    assert.equal(await dashboard.by('slip').count(), 1, 'the question stays');
    lying.hooks = {};
    assert.ok(kept);
    await allowOnce();
    await waitFor('the approval to arrive', () => mine.calls.some(({ name, d }) => name === 'permission' && d.decision === 'approved'));
    assert.equal(mine.calls.filter(({ name }) => name === 'permission').length, 1);
  });

  it('an answer that is nobody’s seal', async () => {
    const mine = await openSession();
    const { requests } = mine.question('touch it');
    await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    lying.hooks = {
      up: (packet, link) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'rpc-call' || !packet.data[1].method.endsWith(':permission')) return undefined;
        queueMicrotask(() => link.toClient({ kind: 'ack', ack: packet.ack!, data: [{ ok: true, result: randomText(60) }] }));
        return [];
      },
    };
    await allowOnce();
    await dashboard.page.locator('[data-testid=slip][data-phase=unknown]').waitFor();
    assert.match(await dashboard.by('slip-said').innerText(), /not known/i, 'neither a yes nor a no');
    assert.equal(mine.calls.length, 0);
    assert.equal(await dashboard.by('slip').count(), 1, 'the question stays');
  });

  it('an approval that only the agent speaks of', async () => {
    const mine = await openSession();
    const { id, ask, hash } = mine.question('touch it');
    const text = JSON.stringify({ challenge: 'ab'.repeat(16), d: { id, ask: hash, decision: 'approved', grants: [] } });
    await mine.event({ type: 'approval', ask, id: randomText(16), text, device: person.device.key.base64, signature: randomText(64) });
    await dashboard.by('decision').getByText(/says the agent/).waitFor();
  });

  it('what the agent has said already, while the agent can be reached', { timeout: 180_000 }, async () => {
    const mine = await openSession();
    const { requests } = mine.question('touch it');
    await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    const withheld = mine.seal(mine.text('kept back from the end'));
    lying.hooks = {
      down: (packet) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'update' || packet.data[1].body.message?.content?.c !== withheld.bundle) return undefined;
        return [event('update', { ...packet.data[1], body: { t: 'none' } })];
      },
      reply: ({ path }, { body }) => {
        if (path.includes('/messages')) body.messages = body.messages?.filter((message: any) => message.content.c !== withheld.bundle);
      },
    };
    await mine.send(withheld.bundle);
    await allowOnce();
    await dashboard.page.getByText(/The relay holds something back/).waitFor({ timeout: 30_000 });
  });

  it('an old state to a browser that has never seen another, while the agent can be reached', { timeout: 180_000 }, async () => {
    const mine = await openSession();
    const { requests } = mine.question('touch it');
    const asking = await mine.setState({ requests });
    const version = mine.stateVersion;
    await mine.setState({ requests: {} });
    const old = (session: any) => {
      if (session?.id === mine.id) Object.assign(session, { agentState: asking, agentStateVersion: version });
    };
    lying.hooks = {
      reply: (_, { body }) => {
        old(body?.session);
        for (const session of body?.sessions ?? []) old(session);
      },
      down: (packet) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'update' || packet.data[1].body.id !== mine.id || packet.data[1].body.agentState === undefined) return undefined;
        return [event('update', { ...packet.data[1], body: { t: 'none' } })];
      },
    };
    await using fresh = await Browser.start();
    const page = await Dashboard.open(fresh, lying.url);
    await page.signIn(base32Of(person.secret));
    await page.choose(mine.id);
    await page.page.locator('[data-testid=slip][data-armed=true]').waitFor();
    await page.allowOnce();
    await page.page.getByText(/The relay holds something back/).waitFor({ timeout: 60_000 });
  });

  it('another key for a session that it has seen: the first one counts, and an alarm', async () => {
    const mine = await openSession();
    const thief = newDevice('agent', 'a former agent');
    await Login.in(relay.url, person.login.account, thief);
    await person.login.revoke(thief.key.publicKey);
    const { fields } = sealedSession(person.keys, person.login.accountId, thief.key, { path: '/home/someone/stolen', host: 'elsewhere', homeDir: '/home/someone', flavor: 'claude', after: 0 });
    lying.hooks = swapped(mine.id, fields);
    await dashboard.page.reload();
    await dashboard.by('session-problem').getByText(/another key/).waitFor();
    await dashboard.entry('text', 'an honest beginning').waitFor();
    await dashboard.prompt('under the first key');
    await waitFor('the prompt, under the first key', async () => (await mine.prompts()).some(({ d }) => d.content.text === 'under the first key'));
  });

  it('the key of a former agent for a session that it never saw: for reading only', async () => {
    const thief = newDevice('agent', 'a former agent');
    await Login.in(relay.url, person.login.account, thief);
    await person.login.revoke(thief.key.publicKey);
    const mine = await openSession();
    const fresh = await Browser.start();
    try {
      const { fields } = sealedSession(person.keys, person.login.accountId, thief.key, { path: '/home/someone/stolen', host: 'elsewhere', homeDir: '/home/someone', flavor: 'claude', after: 0 });
      lying.hooks = swapped(mine.id, fields);
      const page = await Dashboard.open(fresh, lying.url);
      await page.signIn(base32Of(person.secret));
      await page.choose(mine.id);
      await page.page.getByText(/revoked: what it made is for reading only/).first().waitFor();
      await page.by('read-only').waitFor();
      assert.equal(await page.by('send').count(), 0);
    } finally {
      await fresh.close();
    }
  });

  it('the session of one machine in the hands of another: shown under the name that the key signed for it', async () => {
    const mine = await openSession();
    const taker = newDevice('agent', 'the other machine');
    await Login.in(relay.url, person.login.account, taker);
    const { fields } = sealedSession(person.keys, person.login.accountId, taker.key, { path: '/home/someone/project', host: 'somewhere', homeDir: '/home/someone', flavor: 'claude', after: 0 });
    await using fresh = await Browser.start();
    lying.hooks = swapped(mine.id, fields);
    const page = await Dashboard.open(fresh, lying.url);
    await page.signIn(base32Of(person.secret));
    await page.choose(mine.id);
    if (!(await page.by('made-by').count())) await page.by('toggle-context').click();
    await page.by('made-by').getByText('the other machine').waitFor();
    await page.page.getByText(/says it is/).first().waitFor();
  });

  it('one key for two sessions: an alarm', async () => {
    const mine = await openSession();
    const other = await SessionOwner.start(person, { path: '/home/someone/other' }, { device: mine.device });
    await dashboard.row(other.id).waitFor();
    const key = (await person.login.must('GET', '/v1/sessions')).sessions.find(({ id }: any) => id === mine.id).dataEncryptionKey;
    lying.hooks = swapped(other.id, { dataEncryptionKey: key });
    await dashboard.page.reload();
    await dashboard.row(other.id).click();
    await dashboard.page.getByText(/one key for two sessions|another key/).first().waitFor();
    other.close();
  });

  it('an old state under the id of another log: not shown as what is', async () => {
    const mine = await openSession();
    const { requests } = mine.question('rm -rf precious');
    const asking = await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    await mine.setState({ requests: {} });
    await dashboard.by('slip').waitFor({ state: 'detached' });
    const log = '01890000-0000-7000-8000-0000000000cc';
    lying.hooks = {
      request: ({ path }) => (path.startsWith('/v1/log/') ? { status: 404, body: { error: 'Not found', code: 'not-found', retry: false } } : undefined),
      reply: (_, { body }) => {
        if (typeof body?.log === 'string') body.log = log;
        for (const session of body?.sessions ?? []) if (session.id === mine.id) session.agentState = asking;
      },
      down: (packet) => {
        if (packet.kind === 'event' && packet.data[0] === 'caught-up') packet.data[1].log = log;
        return [packet];
      },
    };
    await dashboard.page.reload();
    await dashboard.page.getByText(/an older state of this session/).first().waitFor();
    assert.equal(await dashboard.by('slip').count(), 0);
  });
});

/** The relay shows these fields for a session. */
function swapped(id: string, fields: Record<string, string>): Hooks {
  const change = (session: any) => {
    if (session?.id === id) Object.assign(session, fields);
  };
  return {
    reply: (_, { body }) => {
      for (const session of body?.sessions ?? []) change(session);
    },
    down: (packet) => {
      if (packet.kind === 'event' && packet.data[0] === 'update') change(packet.data[1].body);
      return [packet];
    },
  };
}

/** Clicks as soon as the slip listens. */
async function allowOnce(): Promise<void> {
  await dashboard.page.locator('[data-testid=slip][data-armed=true]').waitFor();
  await dashboard.allowOnce();
}

describe('about the devices', () => {
  before(open);

  /** The relay shows this chain, and takes what is posted and the next, as a relay does, or says so and does not. */
  function showing(statements: string[], posted: string[], { takes }: { takes: boolean }): Hooks {
    return {
      request: ({ method, path, body }) => {
        if (method !== 'POST' || path !== '/v1/devices/statements') return;
        const fresh = body.statements.filter((statement: string) => !statements.includes(statement));
        if (takes && DeviceChain.read(person.login.accountId, person.keys.key.publicKey, [...statements, ...fresh]).broken !== undefined)
          return { status: 409, body: { error: 'not the next', code: 'conflict', retry: false, statements: [...statements] } };
        posted.push(...fresh);
        if (takes) statements.push(...fresh);
        return { status: 200, body: { success: true } };
      },
      reply: ({ path }, { body }) => {
        if (path.startsWith('/v1/devices') && Array.isArray(body.statements)) body.statements = [...statements];
      },
    };
  }
  const rows = async () => {
    await dashboard.by('nav-devices').first().click();
    await dashboard.by('device-row').first().waitFor();
    return Promise.all((await dashboard.by('device-row').all()).map(async (row) => `${await row.innerText()} ${await row.getAttribute('data-revoked')}`.replaceAll(/\s+/g, ' ')));
  };
  let all: string[];
  let listed: string[];

  it('all that it has are listed by the names that the key signed', async () => {
    await Login.in(relay.url, person.login.account, newDevice('agent', 'a named machine'));
    const lost = newDevice('browser', 'a lost browser');
    await Login.in(relay.url, person.login.account, lost);
    await person.login.revoke(lost.key.publicKey);
    await dashboard.by('nav-devices').first().click();
    await dashboard.by('device-row').getByText('a named machine').waitFor();
    all = (await person.chain()).statements.map(toBase64);
    listed = await rows();
  });

  it('a shorter chain: the rest is posted, the list stays; shown again, it is an alarm', async () => {
    const posted: string[] = [];
    const shown = all.slice(0, -2);
    lying.hooks = showing(shown, posted, { takes: true });
    await dashboard.page.reload();
    await waitFor('the rest to be posted', () => posted.length > 0);
    assert.deepEqual(posted, all.slice(-2));
    assert.deepEqual(await rows(), listed);
    lying.hooks = showing(all.slice(0, -2), posted, { takes: false });
    await dashboard.page.reload();
    await rows();
    await dashboard.by('devices-lacking').waitFor();
    assert.deepEqual(await rows(), listed);
    lying.hooks = {};
  });

  it('another branch: the union counts; a person has what lacks appended', async () => {
    const beginning = DeviceChain.read(person.login.accountId, person.keys.key.publicKey, all.slice(0, -2)).chain;
    const posted: string[] = [];
    const branch = [...all.slice(0, -2), nextStatement(beginning, person.login.account, 'add', newDevice('browser', 'of another branch'))];
    lying.hooks = showing(branch, posted, { takes: true });
    await dashboard.page.reload();
    await rows();
    await dashboard.by('devices-lacking').waitFor();
    await dashboard.by('device-row').getByText('of another branch').waitFor();
    assert.equal((await rows()).length, listed.length + 1);
    await dashboard.by('devices-take-over').click();
    await dashboard.by('devices-lacking').waitFor({ state: 'detached' });
    assert.equal(posted.length, 2);
    const whole = DeviceChain.read(person.login.accountId, person.keys.key.publicKey, branch);
    assert.equal(whole.broken, undefined);
    for (const known of (await person.chain()).devices.values()) assert.equal(whole.chain.find(known.key)?.revoked, known.revoked);
    lying.hooks = {};
  });
});

describe('about a machine that asks to be paired', () => {
  before(open);

  const lies: [string, string, (body: any) => void][] = [
    ['another device', 'changed', (body) => { body.device.publicKey = new Pairing(relay.url).body.device.publicKey; }],
    ['another name', 'changed', (body) => { body.device.sealedName = new Pairing(relay.url, 'another').body.device.sealedName; }],
    ['another kind', 'not-agent', (body) => { body.device.kind = 'browser'; }],
    ['another seal', 'changed', (body) => { body.mac = randomText(32); }],
    ['another signature', 'changed', (body) => { body.signature = randomText(64); }],
    ['another commitment', 'changed', (body) => { body.commit = randomText(32); }],
    ['a request of its own for the same key', 'changed', (body) => { Object.assign(body, new Pairing(relay.url, 'another').body); }],
  ];
  for (const [what, why, change] of lies) {
    it(`${what}: the request is refused, nothing can be answered`, async () => {
      const pairing = new Pairing(lying.url, 'my machine');
      await pairing.ask();
      lying.hooks = {
        reply: ({ path }, { body }) => {
          if (path.startsWith('/v1/auth/request/status') && body.status === 'pending') change(body);
        },
      };
      await dashboard.beginPairing(pairing.text);
      await dashboard.pairingOver(why);
      assert.equal(await dashboard.by('pair-begin').count(), 0);
      await dashboard.leavePairing();
    });
  }

  it('a request that somebody else has answered', async () => {
    const mallory = await Person.signIn(relay.url);
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    await mallory.answer(pairing.text);
    await dashboard.beginPairing(pairing.text);
    await dashboard.pairingOver('answered');
    await dashboard.leavePairing();
  });

  it('another nonce than the one that was fixed before', async () => {
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    lying.hooks = {
      reply: ({ path }, { body }) => {
        if (path.startsWith('/v1/auth/request/status') && body.nonce !== undefined) body.nonce = randomText(32);
      },
    };
    await dashboard.beginPairing(pairing.text);
    await dashboard.by('pair-begin').click();
    await pairing.status('answered');
    await pairing.reveal();
    await dashboard.pairingOver('wrong-reveal');
    assert.equal(await dashboard.by('pair-for-terminal').count(), 0, 'no more digits are shown');
    await dashboard.leavePairing();
  });

  it('wrong digits: over, one try, nothing is signed', async () => {
    const before = (await person.chain()).statements.length;
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    const shown = dashboard.answer(pairing.text);
    const { code } = pairing.read((await pairing.status('answered')).response);
    await pairing.reveal();
    assert.equal(await shown, code.slice(2).join(' '));
    await dashboard.typeDigits(code.slice(0, 2).join(' ').replaceAll(/\d/g, (digit) => String((Number(digit) + 1) % 10)));
    await dashboard.pairingOver('wrong-digits');
    await pairing.status('refused', 'not_found');
    assert.equal((await person.chain()).statements.length, before);
    await dashboard.leavePairing();
  });

  it('a phisher’s link, gone on with and then left: nothing is paired', async () => {
    const before = (await person.chain()).statements.length;
    const phisher = new Pairing(lying.url, 'your bank');
    await phisher.ask();
    const shown = dashboard.answer(phisher.text);
    const { answer } = phisher.read((await phisher.status('answered')).response);
    await phisher.reveal();
    await shown;
    await dashboard.page.goto('about:blank');
    await phisher.status('refused', 'not_found');
    assert.equal((await person.chain()).statements.length, before);
    refused(await request(`${relay.url}/v1/auth`, 'POST', await Login.aloneBody(relay.url, answer.account, phisher.device)), 404, 'not-found');
    await dashboard.page.goto(lying.url);
    await dashboard.by('truth-line').waitFor();
  });

  it('an answer to the confirmation that got lost: tried again, paired once', async () => {
    const before = (await person.chain()).statements.length;
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    const shown = dashboard.answer(pairing.text);
    const { code } = pairing.read((await pairing.status('answered')).response);
    await pairing.reveal();
    await shown;
    let lost = 0;
    lying.hooks = {
      reply: ({ path }, reply) => {
        if (path !== '/v1/auth/confirm' || lost > 0) return;
        lost += 1;
        Object.assign(reply, { status: 502, body: 'Bad gateway' });
      },
    };
    await dashboard.typeDigits(code.slice(0, 2).join(' '));
    await dashboard.by('pair-paired').waitFor({ timeout: 30_000 });
    assert.equal(lost, 1);
    assert.equal((await person.chain()).statements.length, before + 1);
    await dashboard.by('pair-done').click();
  });

  it('digits typed as they stand, on both sides: paired', async () => {
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    const shown = dashboard.answer(pairing.text);
    const { answer, code } = pairing.read((await pairing.status('answered')).response);
    await pairing.reveal();
    assert.equal(await shown, code.slice(2).join(' '));
    await dashboard.typeDigits(code.slice(0, 2).join(' '));
    pairing.accept(answer, (await pairing.status('authorized')).statements);
    await dashboard.by('pair-paired').waitFor();
    await Login.alone(lying.url, person.login.account, answer.account, pairing.device);
    await dashboard.by('pair-done').click();
  });
});

/** The owner's methods, for destructuring. */
function bound(owner: SessionOwner) {
  return {
    send: owner.send.bind(owner),
    say: owner.say.bind(owner),
    seal: owner.seal.bind(owner),
    text: owner.text.bind(owner),
  };
}
