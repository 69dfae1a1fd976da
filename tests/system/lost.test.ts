/// A browser that was lost or stolen, revoked from another; and a phisher's link that a person opens.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine, pair } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { answerChallenge, askChallenge, chainOf, Login, newDevice, nextStatement, request } from '../support/client.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Pairing, Person, type Conversation } from '../support/e2ee.ts';
import { refused } from '../support/refusals.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;
let browser: Browser;
let dashboard: Dashboard;
let person: Person;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
  person = await Person.signIn(relay.url);
  browser = await Browser.start();
  dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.signIn(base32Of(person.secret));
});
after(async () => {
  await browser?.close();
  await api.close();
  await relay.close();
});

const row = (name: string | RegExp) => dashboard.by('device-row').filter({ hasText: name });

/** Revokes it in the dashboard, as a person does. */
async function revoke(name: string): Promise<void> {
  await dashboard.by('nav-devices').first().click();
  await row(name).getByTestId('device-revoke').click();
  await dashboard.by('device-revoke-confirm').click();
  await row(name).and(dashboard.page.locator('[data-revoked]')).waitFor();
}

describe('a stolen browser', () => {
  const phone = newDevice('browser', 'a stolen phone');
  let machine: Machine;
  let theirs: Person;
  let conversation: Conversation;
  /** The thief's page, which was open when it was taken. */
  let page: Conversation;
  const given = (text: string) => api.asked.filter(({ prompts }) => prompts.includes(text)).length;
  const made = () => existsSync(join(machine.work, 'made-by-claude.txt'));

  before(async () => {
    machine = new Machine({ relay: relay.url, api: api.url });
    theirs = await Person.signIn(relay.url, person.secret, phone);
    await pair(await machine.start(), person);
    conversation = await person.join();
    page = await theirs.join({ reconnection: false });
    await page.prompt('while it was mine');
    await conversation.answered('Heard: while it was mine');
  });
  after(async () => {
    conversation?.close();
    page?.close();
    await machine?.close();
  });

  it('once revoked is cut off, and nothing it signed is done any more', { timeout: 900_000 }, async () => {
    await conversation.prompt(`${crypto.randomUUID()} #bash-touch`);
    const question = await conversation.question();
    // Signed while it was good, and delivered later by whoever carries it.
    const late = await page.another().sealPrompt('signed before, delivered after');
    const [yes, mode] = [await page.sealCall('permission', page.verdict(question, 'approved')), await page.sealCall('set-mode', { mode: 'bypassPermissions' })];
    await revoke(phone.name);
    await dashboard.page.getByText(/It cannot make it forget what it has read, and it takes no secret key back: after losing a browser, begin anew with a new key/).waitFor();

    // Its token is dead, its socket closed, and neither comes back.
    await waitFor('the relay to have the revocation', async () => (await theirs.login.get('/v1/sessions')).status !== 200);
    refused(await theirs.login.get('/v1/sessions'), 401, 'revoked');
    await waitFor('its socket to be closed', () => !page.client.socket.connected);
    assert.match(await theirs.login.socket().refused(), /token|revoked/i);
    refused(await request(`${relay.url}/v1/auth`, 'POST', await Login.aloneBody(relay.url, person.login.accountId, phone)), [401, 403], 'revoked');
    refused(await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(await askChallenge(relay.url, person.login.account), person.login.account, phone)), [401, 403], 'revoked');
    const again = nextStatement(await person.chain(), person.login.account, 'add', phone);
    refused(await request(`${relay.url}/v1/devices/statements`, 'POST', { statements: [again] }), 400, 'bad-request');
    // Of all that the account has it may read the statement that says so.
    const { statements } = await theirs.login.must('GET', '/v1/devices');
    assert.equal(chainOf(person.login.accountId, person.keys.key.publicKey, statements).find(phone.key.publicKey)?.revoked, true);

    // Whoever carries it, the agent does nothing on its word.
    await waitFor('the agent to know', async () => (await conversation.begin()).devices === (await person.chain(), person.seen.digest()));
    for (const [name, sealed] of [['permission', yes], ['set-mode', mode]] as const) assert.equal((await conversation.callSealed(name, sealed)).ok, false, name);
    const thief = conversation.another(phone);
    for (const [name, d] of [['permission', thief.verdict(question, 'approved')], ['set-mode', { mode: 'bypassPermissions' }], ['killSession', {}]] as const) {
      assert.equal((await thief.call(name, d)).ok, false, name);
    }
    for (const { id, bundle } of [late, await thief.sealPrompt('of the thief')]) {
      await conversation.send(bundle);
      await conversation.told('prompt-refused', (data) => data.id === id);
    }
    const state = await conversation.state();
    assert.deepEqual([Object.keys(state.requests), state.mode, made()], [[question.id], 'default', false]);
    assert.deepEqual([given('signed before, delivered after'), given('of the thief')], [0, 0]);

    // Nor does a deletion of its: the session goes to no trash, and its owner goes on.
    refused(await theirs.login.delete(`/v1/sessions/${conversation.id}`, person.deletion(conversation.id, phone)), 401, 'revoked');
    assert.equal((await conversation.decide(question, 'denied', { reason: 'not mine' })).ok, true);
    const mine = conversation.another();
    await mine.prompt('I am still here');
    await conversation.answered('Heard: I am still here');
    await dashboard.page.goto(`${relay.url}/session/${conversation.id}`);
    // What it wrote while it was good stands there under its name.
    await dashboard.entry('prompt', 'while it was mine').filter({ hasText: phone.name }).waitFor();
  });

  it('keeps the secret key: a device that is named with it is announced, and can be revoked', { timeout: 540_000 }, async () => {
    await dashboard.by('nav-devices').first().click();
    await dashboard.by('devices-acknowledge').click();
    await dashboard.by('new-device').waitFor({ state: 'detached' });
    await Person.signIn(relay.url, person.secret, newDevice('browser', 'a browser of the thief'));
    await dashboard.by('new-device').getByText(/a browser of the thief was added elsewhere/).waitFor();
    await dashboard.by('devices-announced').getByText(/If that was not you, revoke (it|them) and begin anew with a new key/).waitFor();
    await revoke('a browser of the thief');
  });

  it('whose page is open locks itself, and stays locked when it is loaded anew', { timeout: 540_000 }, async () => {
    await using stolen = await Browser.start({ width: 390, height: 844 });
    const known = new Set((await person.chain()).devices.keys());
    const lost = await Dashboard.open(stolen, relay.url);
    await lost.signIn(base32Of(person.secret));
    await lost.choose(conversation.id);
    const [added] = [...(await person.chain()).devices.entries()].find(([key]) => !known.has(key))!;
    await dashboard.page.goto(`${relay.url}/devices`);
    const theirs = dashboard.page.locator(`[data-testid=device-row][data-device-id="${added}"]`);
    await theirs.getByTestId('device-revoke').click();
    await dashboard.by('device-revoke-confirm').click();
    await lost.by('revoked').waitFor();
    for (const hidden of ['composer-input', 'session-list', 'conversation']) assert.equal(await lost.by(hidden).count(), 0, hidden);
    await lost.page.reload();
    await lost.by('revoked').waitFor();
    assert.equal(await lost.by('session-list').count(), 0);
  });
});

describe('a phisher', () => {
  /** The link in a mail, opened. */
  async function opened(name: string): Promise<Pairing> {
    const phisher = new Pairing(relay.url, name);
    await phisher.ask();
    await dashboard.page.goto('about:blank');
    await dashboard.page.goto(phisher.text);
    return phisher;
  }
  const statements = async () => (await person.chain()).statements.length;

  it('is asked about before anything is looked up, and ends there', async () => {
    const before = await statements();
    const phisher = await opened('your bank');
    await dashboard.by('pair-opened').getByText('Did you start this now, at a machine of yours?').waitFor();
    await dashboard.page.getByText(/If somebody sent you this link, stop/).waitFor();
    assert.equal(await dashboard.page.getByText('your bank').count(), 0, 'his words are not shown yet');
    assert.equal(new URL(dashboard.page.url()).hash, '', 'the link’s secret is out of the address bar');
    await dashboard.by('pair-opened-no').click();
    await dashboard.by('session-list').first().waitFor();
    assert.equal((await phisher.status('pending')).status, 'pending');
    assert.equal(await statements(), before);
  });

  it('who is believed gets no further than the digits: those he sends are not the ones that are asked for', { timeout: 360_000 }, async () => {
    const before = await statements();
    const phisher = await opened('your bank');
    await dashboard.by('pair-opened-yes').click();
    await dashboard.by('pair-name').getByText('your bank').waitFor();
    await dashboard.by('pair-begin').click();
    const { answer, code } = phisher.read((await phisher.status('answered')).response);
    await phisher.reveal();
    await dashboard.by('pair-for-terminal').waitFor();
    await dashboard.by('pair-warning').getByText('They stand on the terminal before you. Whoever sends you these digits is breaking in.').waitFor();
    // He wrote his mail before there was a code: what stands in it is a guess.
    await dashboard.typeDigits(code.slice(0, 2).join('') === '123456' ? '654 321' : '123 456');
    await dashboard.pairingOver('wrong-digits');
    await dashboard.page.getByText(/If somebody sent you the digits, they were breaking in/).waitFor();
    await phisher.status('refused', 'not_found');
    assert.equal(await statements(), before);
    refused(await request(`${relay.url}/v1/auth`, 'POST', await Login.aloneBody(relay.url, answer.account, phisher.device)), 404, 'not-found');
  });
});
