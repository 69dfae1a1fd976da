/// Login, devices, pairing and their revocation.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { answerChallenge, askChallenge, base64, chainOf, Login, newDevice, nextStatement, randomText, request, SigningKey, type Device } from '../support/client.ts';
import { Pairing, pairingStatus, Person } from '../support/e2ee.ts';
import { commitOf, makeRequest, sealRequestName } from '../support/independent/pairing.ts';
import { kinds, maxAdditions, parseStatement, sealDeviceName, signStatement, statementHash, type DeviceChain, type Statement } from '../support/independent/statement.ts';
import { encode, plusOrder, torsion } from '../support/independent/ed25519.ts';
import { Relay } from '../support/relay.ts';
import { refused } from '../support/refusals.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;

before(async () => {
  relay = await Relay.start({ env: { CONSORTIUM_ACCOUNT_DEVICES: '10000' } });
});
after(() => relay.close());

const login = (body: unknown) => request(`${relay.url}/v1/auth`, 'POST', body);

describe('login', () => {
  it('signs a challenge of the relay', async () => {
    const account = new SigningKey();
    const { status, body } = await request(`${relay.url}/v1/auth/challenge`, 'POST', { publicKey: account.base64, origin: relay.url });
    assert.equal(status, 200);
    const lines = Buffer.from(body.challenge, 'base64').toString('utf8').split('\n');
    assert.deepEqual(lines.slice(0, 3), ['consortium-login-1', relay.url, account.base64]);
    assert.equal(lines.length, 5);
    assert.ok(Math.abs(Number(lines[3]) - Date.now() - 60_000) < 10_000, 'good for a minute');
    assert.equal(Number(lines[3]), new Date(body.expiresAt).getTime());
    assert.equal(Buffer.from(lines[4]!, 'base64').length, 32);

    const answer = await login(answerChallenge(body.challenge, account));
    assert.equal(answer.status, 200);
    assert.equal(answer.body.success, true);
    const again = await Login.in(relay.url, account);
    assert.equal(again.accountId, answer.body.accountId, 'one key, one account');
  });

  it('gives tokens that existing clients can read', async () => {
    const { token, accountId, deviceId } = await Login.in(relay.url);
    const parts = token.split('.');
    assert.equal(parts.length, 3);
    assert.equal(JSON.parse(Buffer.from(parts[0]!, 'base64url').toString()).alg, 'EdDSA');
    assert.doesNotMatch(parts[1]!, /[-_]/, 'browsers decode it with atob');
    const claims = JSON.parse(atob(parts[1]!));
    assert.equal(claims.sub, accountId);
    assert.equal(claims.jti, deviceId);
    assert.equal(claims.exp, undefined);
  });

  it('takes the Host for the origin where none is named', async () => {
    const account = new SigningKey();
    const { status, body } = await request(`${relay.url}/v1/auth/challenge`, 'POST', { publicKey: account.base64 });
    assert.equal(status, 200);
    assert.equal(Buffer.from(body.challenge, 'base64').toString().split('\n')[1], relay.url);
  });

  it('refuses origins that are not its own, and names those that are', async () => {
    for (const origin of ['http://evil.example', 'https://127.0.0.1.evil.example', `${relay.url}/path`, 'null', '']) {
      const answer = await request(`${relay.url}/v1/auth/challenge`, 'POST', { publicKey: new SigningKey().base64, origin });
      refused(answer, [400, 403]);
      if (origin.startsWith('http') && !origin.includes('/path')) {
        assert.equal(answer.body.code, 'wrong-origin');
        assert.match(JSON.stringify(answer.body), /127\.0\.0\.1|localhost/);
      }
    }
  });

  it('uses a challenge once, even when two race', async () => {
    const account = new SigningKey();
    const body = answerChallenge(await askChallenge(relay.url, account), account);
    const both = await Promise.all([login(body), login(body)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 401]);
    refused(await login(body), 401);
  });

  it('refuses every other challenge and signature', async () => {
    const account = new SigningKey();
    const other = new SigningKey();
    const clientMade = Buffer.from(`consortium-login-1\n${relay.url}\n${account.base64}\n${Date.now() + 60_000}\n${randomText(32)}`);
    refused(await login(answerChallenge(base64(clientMade), account)), 401);
    refused(await login(answerChallenge(randomText(32), account)), 401);

    const challenge = await askChallenge(relay.url, account);
    refused(await login({ ...answerChallenge(challenge, other), publicKey: account.base64 }), 401, undefined, 'Invalid signature');
    refused(await login(answerChallenge(challenge, other)), 401);
    const changed = Buffer.from(challenge, 'base64');
    changed[changed.length - 2]! ^= 1;
    refused(await login(answerChallenge(base64(changed), account)), 401);
  });

  it('refuses wrong sizes and encodings', async () => {
    const account = new SigningKey();
    const good = answerChallenge(await askChallenge(relay.url, account), account);
    const device = newDevice();
    const withDevice = answerChallenge(await askChallenge(relay.url, account), account, device);
    const given = withDevice['device'] as object;
    const wrong = [{ ...good, publicKey: randomText(31) }, { ...good, publicKey: 'ü' }, { ...good, publicKey: 7 }, { ...good, signature: randomText(63) }, { ...good, signature: '' },
      { ...good, challenge: '' }, { ...good, challenge: '*' }, { ...good, challenge: randomText(100_000) }, { ...withDevice, deviceSignature: undefined }, { ...withDevice, device: 'x' },
      { ...withDevice, device: { ...given, kind: 'toaster' } }, { ...withDevice, device: { ...given, publicKey: randomText(33) } },
      { ...withDevice, statement: 'x' }, { ...withDevice, statement: 7 }, { ...withDevice, create: 'yes' }];
    for (const body of wrong) refused(await login(body), [400, 401, 413]);
    for (const publicKey of [randomText(31), '', 'x', 5, null]) {
      refused(await request(`${relay.url}/v1/auth/challenge`, 'POST', { publicKey, origin: relay.url }), [400, 401]);
    }
  });

  it('knows a device again by its key, which has to sign too', async () => {
    const account = new SigningKey();
    const [one, two] = [newDevice('browser'), newDevice('agent')];
    const first = await Login.in(relay.url, account, one);
    assert.equal((await Login.in(relay.url, account, one)).deviceId, first.deviceId);
    const second = await Login.in(relay.url, account, two);
    assert.notEqual(second.deviceId, first.deviceId);

    const challenge = await askChallenge(relay.url, account);
    const body = answerChallenge(challenge, account, one);
    const bytes = Buffer.from(challenge, 'base64');
    refused(await login({ ...body, deviceSignature: base64(two.key.sign(bytes, one.key.publicKey)) }), 401);
    const onlyChallenge = base64(account.sign(bytes));
    const fresh = await askChallenge(relay.url, account);
    refused(await login({ ...answerChallenge(fresh, account, one), signature: onlyChallenge }), 401);

    const { devices, log, revision } = await first.must('GET', '/v1/devices');
    assert.deepEqual(devices.map(({ id }: any) => id).sort(), [first.deviceId, second.deviceId].sort());
    const shown = devices.find(({ id }: any) => id === first.deviceId);
    assert.deepEqual(Object.keys(shown).sort(), ['createdAt', 'id', 'kind', 'publicKey', 'revokedAt', 'stated']);
    assert.deepEqual([shown.publicKey, shown.kind, shown.stated, shown.revokedAt], [one.key.base64, 'browser', true, null]);
    assert.equal(typeof log, 'string');
    assert.equal(typeof revision, 'number');
  });

  it('survives a restart with its tokens, but not with its challenges', async () => {
    const account = new SigningKey();
    const { token } = await Login.in(relay.url, account);
    const body = answerChallenge(await askChallenge(relay.url, account), account);
    assert.equal((await relay.stop()).code, 0);
    await relay.start();
    assert.equal((await request(`${relay.url}/v1/sessions`, 'GET', undefined, { token })).status, 200);
    refused(await login(body), 401);
  });
});

/** An account with a browser in it. */
async function someone(): Promise<{ account: SigningKey; login: Login; chain: () => Promise<DeviceChain> }> {
  const account = new SigningKey();
  const login = await Login.in(relay.url, account);
  return { account, login, chain: () => login.chain() };
}

const post = (statements: unknown) => request(`${relay.url}/v1/devices/statements`, 'POST', { statements });

describe('a sign-in of a device that the chain does not name', () => {
  it('makes nothing where no account is and none was asked for', async () => {
    const [account, device] = [new SigningKey(), newDevice()];
    refused(await login(answerChallenge(await askChallenge(relay.url, account), account, device)), 404, 'not-found');
    refused(await login(answerChallenge(await askChallenge(relay.url, account), account, device)), 404, 'not-found');
  });

  it('gets what is needed to sign, and a new challenge', async () => {
    const [account, device] = [new SigningKey(), newDevice()];
    const conflict = await login(answerChallenge(await askChallenge(relay.url, account), account, device, { create: true }));
    refused(conflict, 409, 'conflict');
    const { accountId, statements, challenge, expiresAt } = conflict.body;
    assert.deepEqual(statements, []);
    assert.match(accountId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(Math.abs(new Date(expiresAt).getTime() - Date.now() - 60_000) < 10_000);
    assert.deepEqual(Buffer.from(challenge, 'base64').toString().split('\n').slice(0, 3), ['consortium-login-1', relay.url, account.base64]);
    refused(await login(answerChallenge(await askChallenge(relay.url, account), account, device)), 404, 'not-found', undefined);

    const statement = nextStatement(chainOf(accountId, account.publicKey, []), account, 'add', device);
    const answer = await login(answerChallenge(challenge, account, device, { create: true, statement }));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.accountId, accountId);
    const shown = await request(`${relay.url}/v1/devices`, 'GET', undefined, { token: answer.body.token });
    assert.deepEqual(shown.body.statements, [statement]);
  });

  it('of an account to be made is for the id that was given with the challenge', async () => {
    const [account, device] = [new SigningKey(), newDevice()];
    const first = (await login(answerChallenge(await askChallenge(relay.url, account), account, device, { create: true }))).body;
    const other = '01900000-0000-7000-8000-000000000001';
    const wrong = nextStatement(chainOf(other, account.publicKey, []), account, 'add', device);
    refused(await login(answerChallenge(first.challenge, account, device, { create: true, statement: wrong })), 400, 'bad-request');
    refused(await login(answerChallenge(await askChallenge(relay.url, account), account, device)), 404, 'not-found');
  });

  it('adds that very device and does nothing else', async () => {
    const { account, chain } = await someone();
    const [device, another] = [newDevice(), newDevice()];
    const conflict = async () => (await login(answerChallenge(await askChallenge(relay.url, account), account, device))).body;
    for (const statement of [nextStatement(await chain(), account, 'add', another), nextStatement(await chain(), account, 'add', { ...device, kind: 'agent' })]) {
      refused(await login(answerChallenge((await conflict()).challenge, account, device, { statement })), 400, 'bad-request');
    }
    assert.equal((await chain()).statements.length, 1);
  });

  it('two at once: one conflict more, and both are in', async () => {
    const { account, chain } = await someone();
    const [one, two] = [newDevice(), newDevice('agent')];
    await Promise.all([Login.in(relay.url, account, one), Login.in(relay.url, account, two)]);
    const both = await chain();
    assert.equal(both.statements.length, 3);
    assert.deepEqual([both.find(one.key.publicKey)?.kind, both.find(two.key.publicKey)?.kind], [2, 1]);
  });

  it('repeated after a lost answer is success, and no second addition', async () => {
    const { account, login: mine, chain } = await someone();
    const device = newDevice();
    const { challenge, statements, accountId } = (await login(answerChallenge(await askChallenge(relay.url, account), account, device))).body;
    const statement = nextStatement(chainOf(accountId, account.publicKey, statements), account, 'add', device);
    const once = await login(answerChallenge(challenge, account, device, { statement }));
    const again = await login(answerChallenge(await askChallenge(relay.url, account), account, device, { statement }));
    assert.deepEqual([once.status, again.status], [200, 200]);
    assert.equal(once.body.deviceId, again.body.deviceId);
    assert.deepEqual((await post([statement])).body, { success: true });
    assert.equal((await chain()).statements.length, 2);
    assert.equal((await mine.must('GET', '/v1/devices')).devices.length, 2);
  });
});

describe('a device alone', () => {
  it('signs in when the chain names it, agents too', async () => {
    const { account, login: mine } = await someone();
    const device = newDevice('agent');
    await Login.in(relay.url, account, device);
    for (const one of [device, mine.device]) {
      const alone = await Login.alone(relay.url, account, mine.accountId, one);
      assert.equal((await alone.get('/v1/sessions')).status, 200);
    }
  });

  it('does not when it is unknown, revoked, of another kind or account, or signs with another key', async () => {
    const [{ account, login: mine }, theirs] = [await someone(), await someone()];
    const [agent, revoked, unknown] = [newDevice('agent'), newDevice('agent'), newDevice('agent')];
    for (const device of [agent, revoked]) await Login.in(relay.url, account, device);
    await mine.revoke(revoked.key.publicKey);
    const alone = async (accountId: string, device: Device, change: (body: any) => object = (body) => body) =>
      login(change(await Login.aloneBody(relay.url, accountId, device)));
    refused(await alone(mine.accountId, unknown), 404, 'not-found');
    refused(await alone(theirs.login.accountId, agent), 404, 'not-found');
    refused(await alone('01900000-0000-7000-8000-000000000001', agent), 404, 'not-found');
    refused(await alone(mine.accountId, revoked), [401, 403], 'revoked');
    refused(await alone(mine.accountId, { ...agent, kind: 'browser' }), [400, 404, 409]);
    refused(await alone(mine.accountId, agent, (body) => ({ ...body, deviceSignature: base64(unknown.key.sign(Buffer.from(body.challenge, 'base64'), agent.key.publicKey)) })), 401);
    refused(await alone(mine.accountId, agent, (body) => ({ ...body, deviceSignature: base64(plusOrder(Buffer.from(body.deviceSignature, 'base64'))) })), 401);
    refused(await alone(mine.accountId, agent, (body) => ({ ...body, accountId: mine.accountId.toUpperCase() })), [400, 404]);
    const used = await Login.aloneBody(relay.url, mine.accountId, agent);
    assert.equal((await login(used)).status, 200);
    refused(await login(used), 401);
    // The account's challenge is not the device's.
    const challenge = await askChallenge(relay.url, account);
    refused(await login({ ...used, challenge, deviceSignature: base64(agent.key.sign(Buffer.from(challenge, 'base64'), agent.key.publicKey)) }), 401);
  });

  it('that logs out voids its tokens, and stays in the chain', async () => {
    const { account, login: mine, chain } = await someone();
    const device = newDevice('agent');
    const [one, two] = [await Login.in(relay.url, account, device), await Login.alone(relay.url, account, mine.accountId, device)];
    const open = await two.connected();
    assert.deepEqual((await one.post('/v1/auth/logout')).body, { success: true });
    for (const token of [one, two]) refused(await token.get('/v1/sessions'), 401, 'unauthorized');
    await waitFor('its socket to be closed', () => !open.socket.connected);
    assert.equal((await mine.get('/v1/sessions')).status, 200);
    assert.equal((await chain()).find(device.key.publicKey)?.revoked, false);
    await relay.kill();
    await relay.start();
    refused(await one.get('/v1/sessions'), 401, 'unauthorized');
    const again = await Login.alone(relay.url, account, mine.accountId, device);
    assert.equal((await again.get('/v1/sessions')).status, 200);
    open.close();
  });
});

describe('statements', () => {
  it('prove themselves: taken without a token, in order, all scopes told', async () => {
    const { account, login: mine, chain } = await someone();
    const device = newDevice('agent');
    const added = nextStatement(await chain(), account, 'add', device);
    const both = chainOf(mine.accountId, account.publicKey, [...(await chain()).statements.map(base64), added]);
    const revoked = nextStatement(both, account, 'revoke', device);
    const session = await mine.newSession();
    const watching = await Promise.all([mine.connected(), mine.connected({ auth: { clientType: 'session-scoped', sessionId: session.id } })]);
    assert.deepEqual((await post([added, revoked])).body, { success: true });
    assert.deepEqual((await mine.must('GET', '/v1/devices')).statements.slice(1), [added, revoked]);
    for (const client of watching) {
      for (const statement of [added, revoked]) {
        const update = await client.update('the statement', ({ body }) => body.t === 'device' && body['statement'] === statement);
        assert.deepEqual(Object.keys(update.body).sort(), ['statement', 't']);
      }
      client.close();
    }
    assert.deepEqual((await post([added, revoked])).body, { success: true }, 'what it has is taken again');
    assert.equal((await chain()).statements.length, 3);
    await relay.kill();
    await relay.start();
    assert.deepEqual((await mine.must('GET', '/v1/devices')).statements.slice(1), [added, revoked]);
  });

  it('that are not the next are answered with the chain', async () => {
    const { account, chain } = await someone();
    const [one, two] = [newDevice(), newDevice()];
    const [first, other] = [nextStatement(await chain(), account, 'add', one), nextStatement(await chain(), account, 'add', two)];
    await post([first]);
    const late = await post([other]);
    refused(late, 409, 'conflict');
    assert.deepEqual(late.body.statements, (await chain()).statements.map(base64));
  });

  it('that break a rule are refused, and the chain stays', async () => {
    const { account, login: mine, chain } = await someone();
    const [good, revoked, fresh] = [newDevice('agent'), newDevice('agent'), newDevice('agent')];
    for (const device of [good, revoked]) await Login.in(relay.url, account, device);
    await mine.revoke(revoked.key.publicKey);
    const before = await chain();
    const plain: Statement = {
      account: mine.accountId, n: 5n, previous: before.head, action: 1, device: fresh.key.publicKey, kind: kinds.agent, time: BigInt(Date.now()),
      sealedName: sealDeviceName('fresh', new Person(mine).keys.content.publicKey),
    };
    const signed = (changes: Partial<Statement>, key = account) => signStatement(key, { ...plain, ...changes });
    const none = Buffer.alloc(0);
    const right = signed({});
    const bad: [string, Uint8Array][] = [
      ['no bytes', none],
      ['cut short', right.subarray(0, -1)],
      ['a byte left over', Buffer.concat([right, Buffer.of(0)])],
      ['S + L', Buffer.concat([right.subarray(0, -64), plusOrder(right.subarray(-64))])],
      ['by another key', signed({}, new SigningKey())],
      ['of another account', signed({ account: '01900000-0000-7000-8000-000000000001' })],
      ['action 3', signed({ action: 3 })],
      ['kind 3', signed({ kind: 3 })],
      ['time 2^53', signed({ time: 2n ** 53n })],
      ['a name of 72 bytes', signed({ sealedName: plain.sealedName.subarray(0, 72) })],
      ['a name of 273 bytes', signed({ sealedName: Buffer.alloc(273, 1) })],
      ['a revocation with a name', signed({ action: 2, device: good.key.publicKey })],
      ['a device key of small order', signed({ device: encode(torsion) })],
      ['adds a good one again', signed({ device: good.key.publicKey })],
      ['adds a revoked one again', signed({ device: revoked.key.publicKey })],
      ['revokes an unknown one', signed({ action: 2, sealedName: none })],
      ['revokes with another kind', signed({ action: 2, device: good.key.publicKey, kind: kinds.browser, sealedName: none })],
      ['revokes a second time', signed({ action: 2, device: revoked.key.publicKey, sealedName: none })],
    ];
    for (const [what, statement] of bad) {
      const answer = await post([base64(statement)]);
      assert.ok([400, 404].includes(answer.status), `${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
      refused(answer, [400, 404]);
    }
    // Wrong n or link of a right signature: not the next.
    for (const changes of [{ n: 4n }, { n: 6n }, { previous: Buffer.alloc(32) }]) refused(await post([base64(signed(changes))]), [400, 409]);
    for (const body of [undefined, 'x', [7], [''], ['*'], Array(5000).fill('AAAA')]) refused(await post(body), [400, 413]);
    assert.equal((await chain()).statements.length, before.statements.length);
    assert.deepEqual((await post([base64(right)])).body, { success: true });
  });

  it('are 4,096 at most: of a chain that is full every device can still be revoked, and nothing follows', { timeout: 900_000 }, async () => {
    const { account, login: mine, chain } = await someone();
    const [first] = (await chain()).statements;
    const said: Buffer[] = [first!];
    const say = (action: 1 | 2, device: Uint8Array, kind: number): Buffer => signStatement(account, {
      account: mine.accountId, n: BigInt(said.length + 1), previous: statementHash(said.at(-1)!), action, device, kind,
      time: BigInt(Date.now()), sealedName: Buffer.alloc(action === 1 ? 73 : 0, 9),
    });
    const devices = Array.from({ length: maxAdditions - 1 }, () => new SigningKey().publicKey);
    for (const device of devices) said.push(say(1, device, kinds.agent));
    const oneMore = say(1, new SigningKey().publicKey, kinds.agent);
    for (const device of devices) said.push(say(2, device, kinds.agent));
    said.push(say(2, mine.device.key.publicKey, kinds.browser));
    assert.equal(said.length, 2 * maxAdditions);
    const last = say(1, new SigningKey().publicKey, kinds.agent);

    assert.deepEqual((await post(said.slice(0, maxAdditions).map(base64))).body, { success: true });
    refused(await post([base64(oneMore)]), 400, 'bad-request');
    assert.deepEqual((await post(said.slice(maxAdditions).map(base64))).body, { success: true });
    refused(await post([base64(last)]), 400, 'bad-request');
    refused(await post([...said, last].map(base64)), 400, 'bad-request');
    const { statements } = await mine.must('GET', '/v1/devices');
    assert.equal(statements.length, 2 * maxAdditions);
    assert.equal(statements.at(-1), base64(said.at(-1)!));
  });

  it('before an invalid one are taken', async () => {
    const { account, chain } = await someone();
    const first = nextStatement(await chain(), account, 'add', newDevice());
    const { status } = await post([first, base64(Buffer.alloc(300))]);
    assert.equal(status, 400);
    assert.deepEqual((await chain()).statements.at(-1), Buffer.from(first, 'base64'));
  });
});

describe('revocation', () => {
  it('is immediate for tokens and sockets, and for ever', async () => {
    const account = new SigningKey();
    const lost = newDevice();
    const mine = await Login.in(relay.url, account);
    const theirs = await Login.in(relay.url, account, lost);
    const [open, watching] = await Promise.all([theirs.connected(), mine.connected()]);

    await mine.revoke(lost.key.publicKey);
    refused(await theirs.get('/v1/sessions'), 401, 'revoked');
    await watching.update('the device is revoked', ({ body }) => {
      if (body.t !== 'device') return false;
      const { device, action } = parseStatement(Buffer.from(body['statement'], 'base64'));
      return action === 2 && lost.key.publicKey.equals(device);
    });
    await waitFor('its socket to be closed', () => !open.socket.connected);
    assert.match(await theirs.socket().refused(), /token|revoked/i);
    // It can read the statement that says so, and nothing else.
    const { statements } = await theirs.must('GET', '/v1/devices');
    assert.equal(chainOf(mine.accountId, account.publicKey, statements).find(lost.key.publicKey)?.revoked, true);

    const challenge = await askChallenge(relay.url, account);
    refused(await login(answerChallenge(challenge, account, lost)), [401, 403], 'revoked');
    const { devices } = await mine.must('GET', '/v1/devices');
    assert.equal(typeof devices.find(({ id }: any) => id === theirs.deviceId).revokedAt, 'number');
    assert.equal((await mine.get('/v1/sessions')).status, 200);
    for (const client of [open, watching]) client.close();
  });
});

describe('pairing', () => {
  /** Asked, answered and revealed. */
  async function revealed(name = 'build box') {
    const person = await Person.signIn(relay.url);
    const pairing = new Pairing(relay.url, name);
    assert.deepEqual((await pairing.ask()).body, { success: true });
    const answered = await person.answer(pairing.text);
    assert.deepEqual((await pairing.reveal()).body, { success: true });
    await answered.revealed();
    return { person, pairing, answered };
  }

  it('leads from a link to an agent of the account, step by step', async () => {
    const person = await Person.signIn(relay.url);
    const watching = await person.login.connected();
    const pairing = new Pairing(relay.url, 'build box');
    assert.deepEqual((await pairingStatus(relay.url, pairing.publicKey)).body, { status: 'not_found' });
    await pairing.ask();
    const { publicKey: _, ...fields } = pairing.body;
    assert.deepEqual((await pairingStatus(relay.url, pairing.publicKey)).body, { status: 'pending', ...fields });

    const answered = await person.answer(pairing.text);
    assert.equal(answered.name, 'build box');
    const { response } = (await pairingStatus(relay.url, pairing.publicKey)).body;
    assert.deepEqual((await pairingStatus(relay.url, pairing.publicKey)).body, { status: 'answered', ...fields, response });
    const { answer, code } = pairing.read(response);
    assert.equal(answer.account, person.login.accountId);
    assert.deepEqual(answer.accountKey, person.keys.key.publicKey);
    await pairing.reveal();
    assert.deepEqual((await pairingStatus(relay.url, pairing.publicKey)).body, { status: 'revealed', ...fields, response, nonce: base64(pairing.nonce) });
    assert.deepEqual(await answered.revealed(), code);
    assert.equal((await person.chain()).statements.length, 1, 'nothing exists before the confirmation');

    await answered.confirm();
    const authorized = (await pairingStatus(relay.url, pairing.publicKey)).body;
    assert.deepEqual(Object.keys(authorized).sort(), ['statements', 'status']);
    const chain = pairing.accept(answer, authorized.statements);
    assert.equal(chain.statements.length, 2);
    await watching.update('the device', ({ body }) => body.t === 'device' && body['statement'] === authorized.statements[1]);
    const agent = await Login.alone(relay.url, person.login.account, answer.account, pairing.device);
    assert.equal(JSON.parse(atob(agent.token.split('.')[1]!)).sub, person.login.accountId);
    watching.close();
  });

  it('takes every step again as success', async () => {
    const { person, pairing, answered } = await revealed();
    for (const again of [() => pairing.ask(), () => answered.post(), () => pairing.reveal()]) assert.deepEqual((await again()).body, { success: true });
    const statement = await answered.statement();
    for (const _ of [1, 2]) assert.deepEqual((await answered.confirmWith(statement)).body, { success: true });
    assert.equal((await person.chain()).statements.length, 2);
    refused(await pairing.refuse(), 409, 'conflict');
    refused(await answered.refuse(), 409, 'conflict');
  });

  it('takes the first request and the first answer', async () => {
    const [first, second] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const pairing = new Pairing(relay.url);
    await pairing.ask();
    // Whoever saw the publicKey can make a request for it that is right but for its seal.
    const stranger = newDevice('agent');
    const forged = makeRequest({ ...pairing.link, secret: Buffer.alloc(32) }, stranger.key, 'agent', randomText(60), Buffer.alloc(32));
    refused(await pairing.ask(forged.body), 409, 'conflict');
    assert.equal((await pairing.status('pending')).device.publicKey, pairing.body.device.publicKey);
    const prepared = await second.prepareAnswer(pairing.text);
    const own = await first.prepareAnswer(pairing.text);
    await first.answer(pairing.text);
    refused(await prepared.post(), 409, 'conflict');
    refused(await own.post(), 409, 'conflict');
    refused(await prepared.refuse(), [403, 404]);
    assert.equal((await pairing.status('answered')).status, 'answered');
    assert.equal((await second.chain()).statements.length, 1);
  });

  it('keeps the order: answer, reveal, confirmation', async () => {
    const person = await Person.signIn(relay.url);
    const pairing = new Pairing(relay.url);
    await pairing.ask();
    refused(await pairing.reveal(), 409, 'conflict');
    const answered = await person.answer(pairing.text);
    refused(await answered.confirmWith(await answered.statement()), 409, 'conflict');
    assert.equal((await person.chain()).statements.length, 1);
    await pairing.reveal();
    await answered.revealed();
    await answered.confirm();
    const late = await person.login.post('/v1/auth/response', { publicKey: pairing.publicKey, response: randomText(257) });
    refused(late, 409, 'conflict');
  });

  it('lets nobody vary anything once there is a commitment, whoever knows the link', async () => {
    const [person, stranger] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const pairing = new Pairing(relay.url);
    await pairing.ask();
    const answers = [await person.prepareAnswer(pairing.text), await stranger.prepareAnswer(pairing.text)];
    const answered = await person.answer(pairing.text);
    /** Right in all its parts, but of another device with another nonce. */
    const anotherRequest = () => {
      const device = newDevice('agent');
      return makeRequest(pairing.link, device.key, 'agent', sealRequestName('a machine', pairing.link.secret), commitOf(pairing.link.publicKey, device.key.publicKey, randomBytes(32))).body;
    };
    const stays = async (status: string) => {
      for (let i = 0; i < 5; ++i) refused(await pairing.ask(anotherRequest()), 409, 'conflict');
      for (const answer of answers) refused(await answer.post(), 409, 'conflict');
      for (let i = 0; i < 5; ++i) refused(await pairing.reveal(randomBytes(32)), 400, 'bad-request');
      const { publicKey: _, ...fields } = pairing.body;
      const { status: now, response, nonce, ...shown } = (await pairingStatus(relay.url, pairing.publicKey)).body;
      assert.deepEqual([now, response, shown], [status, answered.response, fields]);
      assert.equal(nonce, status === 'revealed' ? base64(pairing.nonce) : undefined);
    };
    await stays('answered');
    await pairing.reveal();
    await stays('revealed');
    assert.deepEqual(await answered.revealed(), pairing.read(answered.response).code);
    await answered.confirm();
    await pairing.status('authorized');
    refused(await pairing.ask(anotherRequest()), 409, 'conflict');
    for (const answer of answers) refused(await answer.post(), 409, 'conflict');
    assert.equal((await stranger.chain()).statements.length, 1);
  });

  it('is not answered, revealed, confirmed or refused where nobody asked', async () => {
    const { login: mine } = await Person.signIn(relay.url);
    const publicKey = randomText(32);
    refused(await mine.post('/v1/auth/response', { publicKey, response: randomText(257) }), 404, 'not-found');
    refused(await mine.post('/v1/auth/response', { publicKey: randomText(31), response: randomText(257) }), [400, 401]);
    refused(await mine.post('/v1/auth/response', { publicKey, response: 5 }), 400);
    refused(await request(`${relay.url}/v1/auth/reveal`, 'POST', { publicKey, nonce: randomText(32) }), 404, 'not-found');
    refused(await mine.post('/v1/auth/confirm', { publicKey }), 404, 'not-found');
    refused(await mine.post('/v1/auth/refuse', { publicKey }), 404, 'not-found');
  });

  it('refuses requests of a browser, without the device’s signature, or changed', async () => {
    const refusedRequest = async (body: object) => refused(await new Pairing(relay.url).ask(body), [400, 413]);
    await refusedRequest(new Pairing(relay.url, 'a phisher', { kind: 'browser', device: newDevice('browser') }).body);
    const { body } = new Pairing(relay.url);
    const other = new Pairing(relay.url).body;
    const { signature: _, ...unsigned } = body;
    const wrong = [
      {}, unsigned, { ...body, signature: randomText(64) }, { ...body, signature: base64(plusOrder(Buffer.from(body.signature, 'base64'))) },
      { ...body, publicKey: other.publicKey }, { ...body, commit: other.commit }, { ...body, device: other.device }, { ...body, device: { ...body.device, kind: 'browser' } },
      { ...body, device: { ...body.device, sealedName: other.device.sealedName } }, { ...body, device: { ...body.device, publicKey: other.device.publicKey } },
      { ...body, publicKey: randomText(31) }, { ...body, publicKey: 'x' }, { ...body, mac: '!' }, { ...body, mac: randomText(100) }, { ...body, mac: 7 },
      { ...body, commit: randomText(31) }, { ...body, device: null }, { ...body, device: { ...body.device, kind: 'x' } }, { ...body, device: { ...body.device, sealedName: 'A'.repeat(4000) } },
    ];
    for (const bad of wrong) await refusedRequest(bad);
    assert.equal((await request(`${relay.url}/v1/auth/request/status?publicKey=abc`, 'GET')).body.status, 'not_found');
    assert.equal((await pairingStatus(relay.url, body.publicKey)).body.status, 'not_found');
  });

  it('takes a nonce only if it fits, and the right one afterwards', async () => {
    const person = await Person.signIn(relay.url);
    const pairing = new Pairing(relay.url);
    await pairing.ask();
    await person.answer(pairing.text);
    for (const nonce of [Buffer.from(randomText(32), 'base64'), Buffer.alloc(31), Buffer.alloc(0)]) refused(await pairing.reveal(nonce), 400, 'bad-request');
    assert.equal((await pairing.reveal()).status, 200);
    // A commitment that was copied opens with nothing that anybody has.
    const copier = new Pairing(relay.url, 'a copier', { commit: Buffer.from(pairing.body.commit, 'base64') });
    await copier.ask();
    await person.answer(copier.text);
    for (const nonce of [pairing.nonce, copier.nonce]) refused(await copier.reveal(nonce), 400, 'bad-request');
  });

  it('ends by a refusal of the agent or of the browser that answered, and of nobody else', async () => {
    const stranger = await Person.signIn(relay.url);
    for (const by of ['agent', 'browser'] as const) {
      const { person, pairing, answered } = await revealed();
      const body = { publicKey: pairing.publicKey };
      refused(await request(`${relay.url}/v1/auth/refuse`, 'POST', body), [400, 401, 403]);
      refused(await pairing.refuse(randomText(64)), [400, 401, 403]);
      refused(await pairing.refuse(pairing.body.signature), [400, 401, 403]);
      refused(await stranger.login.post('/v1/auth/refuse', body), 404, 'not-found');
      const other = await Login.in(relay.url, person.login.account, newDevice());
      refused(await other.post('/v1/auth/refuse', body), 403, 'forbidden');
      refused(await other.post('/v1/auth/confirm', { ...body, statement: await answered.statement() }), 403, 'forbidden');
      refused(await stranger.login.post('/v1/auth/confirm', { ...body, statement: await answered.statement() }), 404, 'not-found');
      assert.equal((by === 'agent' ? await pairing.refuse() : await answered.refuse()).status, 200);
      assert.deepEqual((await pairingStatus(relay.url, pairing.publicKey)).body, { status: 'refused' });
      refused(await answered.confirmWith(await answered.statement()), [404, 409]);
      assert.equal((await person.chain()).find(pairing.device.key.publicKey), undefined);
    }
  });

  it('confirmed after somebody else was faster is signed again, with the same code', async () => {
    const { person, pairing, answered } = await revealed();
    const before = await answered.statement();
    await Login.in(relay.url, person.login.account, newDevice());
    const conflict = await answered.confirmWith(before);
    refused(conflict, 409, 'conflict');
    assert.deepEqual(conflict.body.statements, (await person.chain()).statements.map(base64));
    await answered.confirm();
    pairing.accept(answered.answer, (await pairing.status('authorized')).statements);
  });

  it('confirms with a statement that adds this device as an agent, and no other', async () => {
    const { person, pairing, answered } = await revealed();
    const device = { key: { publicKey: answered.device }, kind: 'agent' as const, name: 'x' };
    for (const other of [{ ...device, kind: 'browser' as const }, newDevice('agent')]) {
      refused(await answered.confirmWith(nextStatement(await person.chain(), person.login.account, 'add', other)), 400, 'bad-request');
    }
    refused(await answered.confirmWith(nextStatement(await person.chain(), new SigningKey(), 'add', device)), 400, 'bad-request');
    refused(await answered.confirmWith(undefined), [400, 409]);
    refused(await answered.confirmWith(randomText(200)), 400, 'bad-request');
    assert.equal((await person.chain()).statements.length, 1);
    await answered.confirm();
    await pairing.status('authorized');
  });

  it('of a machine that is good in the chain needs no statement; of a revoked one there is none', async () => {
    const person = await Person.signIn(relay.url);
    const first = new Pairing(relay.url);
    await first.complete(person);
    const again = new Pairing(relay.url, 'again', { device: first.device });
    await again.ask();
    const answered = await person.answer(again.text);
    await again.reveal();
    await answered.revealed();
    assert.equal((await answered.confirmWith(undefined)).status, 200);
    assert.equal((await again.status('authorized')).statements.length, 2);
    await person.login.revoke(first.device.key.publicKey);
    const late = new Pairing(relay.url, 'late', { device: first.device });
    await late.ask();
    const other = await person.answer(late.text);
    await late.reveal();
    await other.revealed();
    const answer = await other.confirmWith(undefined);
    assert.ok(answer.status >= 400, `${answer.status}`);
  });

  it('takes a + in the query for what it was', async () => {
    let pairing = new Pairing(relay.url);
    while (!pairing.publicKey.includes('+')) pairing = new Pairing(relay.url);
    await pairing.ask();
    const { body } = await request(`${relay.url}/v1/auth/request/status?publicKey=${pairing.publicKey}`, 'GET');
    assert.equal(body.status, 'pending');
  });

  it('that was not confirmed does not outlive a restart; one that was does', async () => {
    const { pairing, answered } = await revealed();
    await relay.kill();
    await relay.start();
    assert.equal((await pairingStatus(relay.url, pairing.publicKey)).body.status, 'not_found');
    refused(await answered.confirmWith(await answered.statement()), 404, 'not-found');

    const confirmed = await revealed();
    await confirmed.answered.confirm();
    await relay.kill();
    await relay.start();
    const agent = await Login.alone(relay.url, confirmed.person.login.account, confirmed.person.login.accountId, confirmed.pairing.device);
    assert.equal((await agent.get('/v1/sessions')).status, 200);
  });

  it('gives agents a token that reaches no further than their own', async () => {
    const person = await Person.signIn(relay.url);
    const agent = await new Pairing(relay.url).complete(person);

    const own = await agent.newSession();
    const theirs = await person.login.newSession();
    const message = { messages: [{ content: 'c', localId: 'l' }] };
    assert.equal((await agent.post(`/v3/sessions/${own.id}/messages`, message)).status, 200);
    refused(await agent.post(`/v3/sessions/${theirs.id}/messages`, message), [403, 404]);
    refused(await agent.delete(`/v1/sessions/${theirs.id}`), [403, 404]);
    const other = new Pairing(relay.url);
    await other.ask();
    refused(await agent.post('/v1/auth/response', { publicKey: other.publicKey, response: randomText(257) }), 403, 'forbidden');
    refused(await agent.post('/v1/auth/confirm', { publicKey: other.publicKey }), [403, 404, 409]);
    assert.equal((await agent.get('/v1/devices')).body.statements.length, 2, 'agents read the chain');

    const [mine, others] = await Promise.all([agent.connected(), person.login.connected()]);
    mine.emit('rpc-register', { method: `${theirs.id}:permission` });
    await mine.event('rpc-error', ({ type }) => type === 'register');
    mine.emit('rpc-register', { method: `${own.id}:permission` });
    await mine.event('rpc-registered', ({ method }) => method === `${own.id}:permission`);
    const ack = await mine.ask('update-metadata', { sid: theirs.id, metadata: 'x', expectedVersion: theirs.metadataVersion });
    assert.equal(ack.result, 'error');
    mine.emit('session-end', { sid: theirs.id, time: Date.now() });
    await mine.flushed();
    assert.equal((await person.login.must('GET', '/v1/sessions')).sessions.find(({ id }: any) => id === theirs.id).active, true);
    assert.equal((await agent.delete(`/v1/sessions/${own.id}`)).status, 200);
    for (const client of [mine, others]) client.close();
  });
});
