/// A relay that lies to the dashboard. What it alters, moves, repeats, reorders or withholds is shown as such.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Pairing, Person } from '../support/e2ee.ts';
import { event, LyingRelay } from '../support/proxy.ts';
import { randomText } from '../support/client.ts';
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

describe('about a conversation', () => {
  let owner: SessionOwner;

  before(async () => {
    dashboard = await Dashboard.open(browser, lying.url);
    await dashboard.signIn(base32Of(person.secret));
  });
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

  it('an answer to an approval that the agent did not give', async () => {
    const mine = await openSession();
    const { requests } = mine.question('touch it');
    await mine.setState({ requests });
    await dashboard.by('slip').waitFor();
    lying.hooks = {
      up: (packet, link) => {
        if (packet.kind !== 'event' || packet.data[0] !== 'rpc-call') return undefined;
        queueMicrotask(() => link.toClient({ kind: 'ack', ack: packet.ack!, data: [{ ok: true, result: randomText(60) }] }));
        return [];
      },
    };
    await dashboard.by('slip-allow-once').click();
    await dashboard.by('slip').getByRole('alert').or(dashboard.by('slip').locator('.bad')).first().waitFor();
    assert.equal(mine.calls.length, 0);
    assert.equal(await dashboard.by('slip').count(), 1, 'the question stays');
    lying.hooks = {};
    await dashboard.by('slip-allow-once').click();
    await waitFor('the approval to arrive', () => mine.calls.some(({ name, d }) => name === 'permission' && d.decision === 'approved'));
  });
});

describe('about a machine that asks to be paired', () => {
  const lies: [string, (body: any) => void][] = [
    ['another device', (body) => { body.device.publicKey = randomText(32); }],
    ['another name', (body) => { body.device.sealedName = new Pairing(relay.url, 'another').body.device.sealedName; }],
    ['another kind', (body) => { body.device.kind = 'browser'; }],
    ['another seal', (body) => { body.mac = randomText(32); }],
    ['another signature', (body) => { body.signature = randomText(64); }],
    ['another commitment', (body) => { body.commit = randomText(32); }],
    ['a request of its own for the same key', (body) => { Object.assign(body, new Pairing(relay.url, 'another').body); }],
  ];
  for (const [what, change] of lies) {
    it(`${what}: the request is refused, nothing can be approved`, async () => {
      const pairing = new Pairing(lying.url, 'my machine');
      await pairing.ask();
      lying.hooks = {
        reply: ({ path }, { body }) => {
          if (path.startsWith('/v1/auth/request/status') && body.status === 'pending') change(body);
        },
      };
      await dashboard.beginPairing(pairing.text);
      await dashboard.by('pair-refused').getByText('does not belong to your link').waitFor();
      assert.equal(await dashboard.by('pair-approve').count(), 0);
      await dashboard.leavePairing();
    });
  }

  it('a request that somebody else has approved', async () => {
    const mallory = await Person.signIn(relay.url);
    const pairing = new Pairing(lying.url, 'my machine');
    await pairing.ask();
    await mallory.answer(pairing.text);
    await dashboard.beginPairing(pairing.text);
    await dashboard.by('pair-refused').getByText('already answered').waitFor();
    assert.equal(await dashboard.by('pair-approve').count(), 0);
    await dashboard.leavePairing();
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
