/// Who may make an account, and how much one may have.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Machine } from '../support/agent.ts';
import { Browser } from '../support/browser.ts';
import { answerChallenge, askChallenge, Login, newDevice, randomText, request, SigningKey, type Answer } from '../support/client.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person } from '../support/e2ee.ts';
import { filesBelow } from '../support/files.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const form = /^[A-Z2-7]{5}(-[A-Z2-7]{5}){4}$/;
const byInvitation = { CONSORTIUM_REGISTRATION: 'invite' };

function refused(answer: Answer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
}

/** A login of a simple client: the account's key alone. */
async function plainLogin(url: string, account: SigningKey, invitation?: string): Promise<Answer> {
  return request(`${url}/v1/auth`, 'POST', answerChallenge(await askChallenge(url, account), account, undefined, invitation === undefined ? {} : { invitation }));
}

/** The codes that a relay printed. */
const printed = (output: string) => [...output.matchAll(/^ {2}([A-Z2-7]{5}(?:-[A-Z2-7]{5}){4})$/gm)].map(([, code]) => code!);

describe('registration', () => {
  it('is by invitation, and free for the first account of a relay that only this machine reaches', async () => {
    await using relay = await Relay.start({ env: { ...byInvitation } });
    assert.deepEqual(printed(relay.output), []);
    const first = await Login.in(relay.url);
    const asked = await Login.attempt(relay.url);
    refused(asked, 403, 'invitation-required');
    assert.equal(asked.body.retry, false);
    assert.match(asked.body.error, /by invitation: ask somebody who has an account here/);

    const { code, link, expiresAt } = await first.must('POST', '/v1/invitations');
    assert.match(code, form);
    assert.equal(link, `${relay.url}/#invite=${code}`);
    assert.ok(Math.abs(expiresAt - Date.now() - 7 * 86_400_000) < 60_000);
    const second = await Login.in(relay.url, new SigningKey(), newDevice(), code);
    assert.notEqual(second.accountId, first.accountId);
    // It is used up; who has an account needs none.
    const again = await Login.attempt(relay.url, new SigningKey(), newDevice(), code);
    refused(again, 403, 'invitation-required');
    assert.match(again.body.error, /not good: it was used already/);
    assert.equal((await Login.in(relay.url, second.account)).accountId, second.accountId);
    // As somebody types it, and as a link.
    const typed = (await first.must('POST', '/v1/invitations')).code.toLowerCase().replaceAll('-', ' ');
    await Login.in(relay.url, new SigningKey(), newDevice(), typed);
    await Login.in(relay.url, new SigningKey(), newDevice(), (await first.must('POST', '/v1/invitations')).link);

    // Of the code nothing is on the disk, and the log holds together.
    await relay.stop();
    const open = code.replaceAll('-', '');
    for (const { path, content } of filesBelow(relay.data))
      for (const text of [code, open, open.toLowerCase()]) assert.ok(!content.includes(text), `${path} holds the code`);
    for (const command of [['verify'], ['replay', '--check']]) {
      const { code: status, stdout, stderr } = await run(program('consortium-admin'), [...command, '--data', relay.data]);
      assert.equal(status, 0, stdout + stderr);
    }
  });

  it('gives one account for one code, however many try at once', async () => {
    await using relay = await Relay.start({ env: { ...byInvitation } });
    const first = await Login.in(relay.url);
    for (let round = 0; round < 3; ++round) {
      const { code } = await first.must('POST', '/v1/invitations');
      const answers = await Promise.all(Array.from({ length: 12 }, () => plainLogin(relay.url, new SigningKey(), code)));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(11).fill(403)]);
    }
  });

  it('where others reach the relay begins with the invitation that it prints, once', async () => {
    const args = ['--public-url', 'https://relay.example'];
    await using relay = await Relay.start({ args, env: { ...byInvitation } });
    refused(await Login.attempt(relay.url), 403, 'invitation-required');
    const [code, ...more] = printed(relay.output);
    assert.deepEqual(more, []);
    assert.ok(relay.output.includes(`https://relay.example/#invite=${code}`), relay.output);
    assert.ok(relay.output.includes(`consortium-admin invite --data ${relay.data}`), relay.output);
    await relay.stop();
    await relay.start();
    assert.equal(printed(relay.output).length, 1, 'it is not stored, and another one is the admin\'s');

    // By the admin's tool, beside the running relay and without one.
    const invite = async () => {
      const { code: status, stdout, stderr } = await run(program('consortium-admin'), ['invite', '--data', relay.data]);
      assert.equal(status, 0, stderr);
      return { code: printed(stdout)[0]!, stdout };
    };
    const beside = await invite();
    assert.ok(beside.stdout.includes(`https://relay.example/#invite=${beside.code}`), beside.stdout);
    await relay.stop();
    const without = await invite();
    assert.ok(!without.stdout.includes('#invite='), without.stdout);
    await relay.start();
    for (const good of [code, beside.code, without.code]) await Login.in(relay.url, new SigningKey(), newDevice(), good);
    refused(await Login.attempt(relay.url, new SigningKey(), newDevice(), code), 403, 'invitation-required');
  });

  it('that is closed takes nobody, and lets those go on who are there', async () => {
    using place = freshDirectory('closed');
    const login = await (async () => {
      await using relay = await Relay.start({ data: place.path });
      return await Login.in(relay.url);
    })();
    await using relay = await Relay.start({ data: place.path, env: { CONSORTIUM_REGISTRATION: 'closed' } });
    refused(await Login.attempt(relay.url), 403, 'registration-closed');
    refused(await plainLogin(relay.url, new SigningKey()), 403, 'registration-closed');
    const again = await Login.in(relay.url, login.account);
    refused(await again.post('/v1/invitations'), 403, 'registration-closed');
    const { code, stderr } = await run(program('consortium-admin'), ['invite', '--data', relay.data]);
    assert.equal(code, 3);
    assert.match(stderr, /takes no new accounts/);
  });

  it('by a login without a device follows the same rules; its token is of an unnamed device', async () => {
    await using relay = await Relay.start({ env: { ...byInvitation } });
    const account = new SigningKey();
    const made = await plainLogin(relay.url, account);
    assert.equal(made.status, 200, JSON.stringify(made.body));
    refused(await plainLogin(relay.url, new SigningKey()), 403, 'invitation-required');
    const ask = (method: string, path: string, body?: unknown) => request(relay.url + path, method, body, { token: made.body.token });
    const { body } = await ask('GET', '/v1/devices');
    assert.deepEqual(body.statements, [], 'no statement names it');
    assert.deepEqual(body.devices.map(({ kind, publicKey, stated }: any) => ({ kind, publicKey, stated })), [{ kind: 'unnamed', publicKey: null, stated: false }]);
    // It works as a client of the wire, and speaks for nobody: it invites nobody, and deletes no account.
    assert.equal((await ask('POST', '/v1/sessions', { tag: 'one', metadata: randomText() })).status, 200);
    refused(await ask('POST', '/v1/invitations'), 403, 'forbidden');
    refused(await ask('DELETE', '/v1/account', {}), 403, 'forbidden');
    // `create` is asked of logins with a device only.
    const device = newDevice();
    const missing = await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(await askChallenge(relay.url, new SigningKey()), new SigningKey(), device));
    assert.notEqual(missing.status, 200);
    const stranger = new SigningKey();
    refused(await request(`${relay.url}/v1/auth`, 'POST', answerChallenge(await askChallenge(relay.url, stranger), stranger, device)), 404, 'not-found');
    // A device of the same key joins the account that the plain login made.
    assert.equal((await Login.in(relay.url, account)).accountId, made.body.accountId);
  });

  it('an unnamed device exists for the relay alone: a dashboard says so, and opens nothing of it', async () => {
    await using relay = await Relay.start();
    const person = await Person.signIn(relay.url);
    const plain = await plainLogin(relay.url, person.login.account);
    assert.equal(plain.body.accountId, person.login.accountId);
    const made = await request(`${relay.url}/v1/sessions`, 'POST', { tag: 'planted', metadata: randomText(), dataEncryptionKey: randomText(105) }, { token: plain.body.token });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    await using browser = await Browser.start();
    const dashboard = await Dashboard.open(browser, relay.url);
    await dashboard.signIn(base32Of(person.secret));
    await dashboard.page.goto(`${relay.url}/devices`);
    await dashboard.page.getByText('Known to the relay alone').waitFor();
    await dashboard.page.getByText('sign-in without a device').waitFor();
    await dashboard.page.goto(`${relay.url}/session/${made.body.session.id}`);
    await dashboard.by('session-problem').getByText(/was not sealed for you by a device of yours/).waitFor();
  });

  it('at the terminal takes the code from the command line, or asks for it', { timeout: 120_000 }, async () => {
    await using relay = await Relay.start({ env: { ...byInvitation } });
    const first = await Login.in(relay.url);
    const invite = async () => (await first.must('POST', '/v1/invitations')).code as string;
    const secretShown = /This is its secret key/;

    await using told = new Machine({ relay: relay.url, api: 'http://127.0.0.1:9' });
    const quick = await told.start(['auth', 'login', '--invite', await invite()]);
    await quick.shows(/\b2[).:\]]?\s+[^\n]*/);
    await quick.type('2');
    await quick.press('Enter');
    await quick.shows(secretShown);

    await using untold = new Machine({ relay: relay.url, api: 'http://127.0.0.1:9' });
    const asked = await untold.start(['auth', 'login']);
    await asked.shows(/\b2[).:\]]?\s+[^\n]*/);
    await asked.type('2');
    await asked.press('Enter');
    await asked.shows(/A new account needs an invitation/);
    await asked.type('AAAAA-AAAAA-AAAAA-AAAAA-AAAAA');
    await asked.press('Enter');
    await asked.shows(/this invitation is not good/);
    await asked.type(await invite());
    await asked.press('Enter');
    await asked.shows(secretShown);

    await using gives = new Machine({ relay: relay.url, api: 'http://127.0.0.1:9' });
    const up = await gives.start(['auth', 'login']);
    await up.shows(/\b2[).:\]]?\s+[^\n]*/);
    await up.type('2');
    await up.press('Enter');
    await up.shows(/Invitation, the code or its link/);
    await up.press('Enter');
    await up.shows(/No account was made/);
    assert.equal(await up.ended(), 1);
    assert.ok(!gives.stored().some(({ path }) => path.endsWith('sign-in.json')), 'the key of no account is kept');
  });
});

describe('an account', () => {
  const say = (login: Login, sid: string, content: string) => login.post(`/v3/sessions/${sid}/messages`, { messages: [{ content, localId: crypto.randomUUID() }] });

  it('has its quotas of sessions and machines over restarts, and gets back what it deletes', async () => {
    await using relay = await Relay.start({ env: { CONSORTIUM_ACCOUNT_SESSIONS: '2', CONSORTIUM_ACCOUNT_MACHINES: '1', CONSORTIUM_ACCOUNT_DEVICES: '2' } });
    const login = await Login.in(relay.url);
    const one = await login.newSession();
    await login.newSession();
    const session = { tag: 'three', metadata: randomText() };
    const full = async () => {
      const answer = await login.post('/v1/sessions', session);
      refused(answer, 507, 'quota');
      assert.ok(answer.body.retry >= 1000, 'an outbox would drop it');
      assert.match(answer.body.error, /2 sessions: delete some/);
    };
    await full();
    await relay.stop();
    await relay.start();
    await full();
    assert.equal((await login.delete(`/v1/sessions/${one.id}`)).status, 200);
    assert.equal((await login.post('/v1/sessions', session)).status, 200);
    refused(await login.post('/v1/sessions', { tag: 'four', metadata: randomText() }), 507, 'quota');
    assert.equal((await login.post('/v1/machines', { id: 'one', metadata: randomText() })).status, 200);
    refused(await login.post('/v1/machines', { id: 'two', metadata: randomText() }), 507, 'quota');
    assert.equal((await login.delete('/v1/machines/one')).status, 200);
    assert.equal((await login.post('/v1/machines', { id: 'two', metadata: randomText() })).status, 200);
    const second = await Login.in(relay.url, login.account);
    refused(await Login.attempt(relay.url, login.account), 507, 'quota');
    await login.revoke(second.device.key.publicKey);
    await Login.in(relay.url, login.account);
    // Somebody else's are somebody else's.
    await (await Login.in(relay.url)).newSession();
    await relay.stop();
    const { code, stdout } = await run(program('consortium-admin'), ['replay', '--check', '--data', relay.data]);
    assert.equal(code, 0, stdout);
  });

  it('that has written all it may can be signed in to and deleted, and no other is touched', async () => {
    await using relay = await Relay.start({ env: { CONSORTIUM_ACCOUNT_MIB: '1' } });
    const login = await Login.in(relay.url);
    const other = await Login.in(relay.url);
    const { id } = await login.newSession();
    const content = randomText(100_000);
    const last = await waitFor('the quota to be reached', async () => {
      const answer = await say(login, id, content);
      return answer.status === 200 ? undefined : answer;
    });
    refused(last, 507, 'quota');
    assert.equal(typeof last.body.retry, 'number');
    assert.match(last.body.error, /1 MiB written/);
    const socket = await login.connected();
    const ack: any = await socket.socket.timeout(5000).emitWithAck('message', { sid: id, message: content, localId: crypto.randomUUID() });
    assert.deepEqual([ack.result, ack.code, typeof ack.retry], ['error', 'quota', 'number']);
    socket.socket.close();
    await other.newSession();
    await relay.stop();
    await relay.start();
    refused(await say(login, id, content), 507, 'quota');
    const fresh = await Login.in(relay.url, login.account);
    assert.equal((await fresh.delete(`/v1/sessions/${id}`)).status, 200);
    refused(await login.post('/v1/sessions', { tag: 'more', metadata: randomText() }), 507, 'quota');
    assert.equal((await fresh.post('/v1/auth/logout')).status, 200);
    await relay.stop();
    const { code, stdout } = await run(program('consortium-admin'), ['replay', '--check', '--data', relay.data]);
    assert.equal(code, 0, stdout);
  });
});
