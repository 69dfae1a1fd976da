/// Login, devices, pairing and their revocation.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answerChallenge, askChallenge, base64, Login, newDevice, randomText, request, SigningKey } from '../support/client.ts';
import { newPairing, pairingStatus, Person, readApproval } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { refused } from '../support/refusals.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;

before(async () => {
  relay = await Relay.start();
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
      { ...withDevice, device: { ...given, kind: 'toaster' } }, { ...withDevice, device: { ...given, publicKey: randomText(33) } }, { ...withDevice, device: { ...given, sealedName: 'A'.repeat(2000) } }];
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
    assert.deepEqual(Object.keys(shown).sort(), ['createdAt', 'id', 'kind', 'publicKey', 'revokedAt', 'sealedName']);
    assert.deepEqual([shown.publicKey, shown.kind, shown.sealedName, shown.revokedAt], [one.key.base64, 'browser', one.sealedName, null]);
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

describe('revocation', () => {
  it('is immediate for tokens and sockets, and for ever', async () => {
    const account = new SigningKey();
    const lost = newDevice();
    const mine = await Login.in(relay.url, account);
    const theirs = await Login.in(relay.url, account, lost);
    const [open, watching] = await Promise.all([theirs.connected(), mine.connected()]);

    assert.deepEqual(await mine.must('DELETE', `/v1/devices/${theirs.deviceId}`), { success: true });
    refused(await theirs.get('/v1/sessions'), 401);
    await watching.update('the device is revoked', ({ body }) => body.t === 'device' && body['id'] === theirs.deviceId && body['state'] === 'revoked');
    await waitFor('its socket to be closed', () => !open.socket.connected);
    assert.match(await theirs.socket().refused(), /token/i);

    const challenge = await askChallenge(relay.url, account);
    refused(await login(answerChallenge(challenge, account, lost)), [401, 403], 'revoked');
    const { devices } = await mine.must('GET', '/v1/devices');
    assert.equal(typeof devices.find(({ id }: any) => id === theirs.deviceId).revokedAt, 'number');
    assert.equal((await mine.get('/v1/sessions')).status, 200);
    for (const client of [open, watching]) client.close();
  });
});

describe('pairing', () => {
  const ask = (body: unknown) => request(`${relay.url}/v1/auth/request`, 'POST', body);

  it('leads from a link to a token of the account', async () => {
    const person = await Person.signIn(relay.url);
    const watching = await person.login.connected();
    const pairing = await newPairing(relay.url, 'build box');
    assert.equal((await pairingStatus(relay.url, pairing.body.publicKey)).body.status, 'not_found');
    assert.deepEqual((await ask(pairing.body)).body, { state: 'requested' });
    const pending = (await pairingStatus(relay.url, pairing.body.publicKey)).body;
    assert.deepEqual(pending, { status: 'pending', supportsV2: false, sealed: true, device: pairing.body.device, mac: pairing.body.mac });

    const code = await person.approve(pairing.text);
    const { body } = await pairingStatus(relay.url, pairing.body.publicKey);
    assert.equal(body.status, 'authorized');
    assert.equal(body.token, undefined, 'the token travels sealed only');
    const approval = await readApproval(pairing, body);
    assert.equal(approval.code, code);
    assert.equal(approval.answer.accountId, person.login.accountId);
    assert.deepEqual(approval.answer.publicKey, person.keys.publicKey);
    const claims = JSON.parse(atob(approval.token.split('.')[1]!));
    assert.equal(claims.sub, person.login.accountId);

    const { devices } = await person.login.must('GET', '/v1/devices');
    const paired = devices.find(({ id }: any) => id === claims.jti);
    assert.deepEqual([paired.publicKey, paired.kind], [pairing.body.device.publicKey, 'agent']);
    assert.notEqual(paired.sealedName, pairing.body.device.sealedName, 'its name is sealed to the account now');
    await watching.update('the device', ({ body: update }) => update.t === 'device' && update['id'] === claims.jti && update['state'] === 'added');
    watching.close();

    // An answer that was lost can be fetched again for a while.
    assert.equal((await pairingStatus(relay.url, pairing.body.publicKey)).body.response, body.response);
  });

  it('goes to whoever approves first; a second approval changes nothing', async () => {
    const [first, second] = await Promise.all([Person.signIn(relay.url), Person.signIn(relay.url)]);
    const pairing = await newPairing(relay.url);
    await ask(pairing.body);
    await first.approve(pairing.text);
    const { body } = await pairingStatus(relay.url, pairing.body.publicKey);
    const late = await second.login.post('/v1/auth/response', { publicKey: pairing.body.publicKey, response: randomText(200), sealedName: randomText(80) });
    assert.equal(late.status, 200, 'the first answer is kept');
    const still = (await pairingStatus(relay.url, pairing.body.publicKey)).body;
    assert.equal(still.response, body.response);
    assert.equal((await second.login.must('GET', '/v1/devices')).devices.length, 1, 'the second gained no device');
  });

  it('is not answered for requests that nobody made', async () => {
    const { login: mine } = await Person.signIn(relay.url);
    refused(await mine.post('/v1/auth/response', { publicKey: randomText(32), response: randomText(200) }), 404, 'not-found', 'Request not found');
    refused(await mine.post('/v1/auth/response', { publicKey: randomText(31), response: randomText(200) }), [400, 401]);
    refused(await mine.post('/v1/auth/response', { publicKey: randomText(32), response: 5 }), 400);
  });

  it('refuses malformed requests', async () => {
    const { body } = await newPairing(relay.url);
    const wrong = [{}, { ...body, publicKey: randomText(31) }, { ...body, publicKey: 'x' }, { ...body, mac: '!' }, { ...body, mac: randomText(100) }, { ...body, mac: 7 }, { ...body, device: null },
      { ...body, device: { ...body.device, kind: 'x' } }, { ...body, device: { ...body.device, publicKey: '' } }, { ...body, device: { ...body.device, sealedName: 'A'.repeat(4000) } }];
    for (const bad of wrong) refused(await ask(bad), [400, 401, 413]);
    refused(await ask({ publicKey: randomText(32), supportsV2: true }), [400, 403], undefined);
    assert.equal((await request(`${relay.url}/v1/auth/request/status?publicKey=abc`, 'GET')).body.status, 'not_found');
  });

  it('takes a + in the query for what it was', async () => {
    let pairing = await newPairing(relay.url);
    while (!pairing.body.publicKey.includes('+')) pairing = await newPairing(relay.url);
    await ask(pairing.body);
    const { body } = await request(`${relay.url}/v1/auth/request/status?publicKey=${pairing.body.publicKey}`, 'GET');
    assert.equal(body.status, 'pending');
  });

  it('keeps an approval over a restart', async () => {
    const person = await Person.signIn(relay.url);
    const pairing = await newPairing(relay.url);
    await ask(pairing.body);
    await person.approve(pairing.text);
    const { body } = await pairingStatus(relay.url, pairing.body.publicKey);
    const { token } = await readApproval(pairing, body);
    await relay.kill();
    await relay.start();
    assert.equal((await request(`${relay.url}/v1/sessions`, 'GET', undefined, { token })).status, 200);
  });

  it('gives agents a token that reaches no further than their own', async () => {
    const person = await Person.signIn(relay.url);
    const pairing = await newPairing(relay.url);
    await ask(pairing.body);
    await person.approve(pairing.text);
    const { token } = await readApproval(pairing, (await pairingStatus(relay.url, pairing.body.publicKey)).body);
    const claims = JSON.parse(atob(token.split('.')[1]!));
    const agent = new Login(relay.url, person.login.account, { token, accountId: claims.sub, deviceId: claims.jti });

    const own = await agent.newSession();
    const theirs = await person.login.newSession();
    const message = { messages: [{ content: 'c', localId: 'l' }] };
    assert.equal((await agent.post(`/v3/sessions/${own.id}/messages`, message)).status, 200);
    refused(await agent.post(`/v3/sessions/${theirs.id}/messages`, message), [403, 404]);
    refused(await agent.delete(`/v1/sessions/${theirs.id}`), [403, 404]);
    refused(await agent.delete(`/v1/devices/${person.login.deviceId}`), 403, 'forbidden');
    const other = await newPairing(relay.url);
    await ask(other.body);
    refused(await agent.post('/v1/auth/response', { publicKey: other.body.publicKey, response: randomText(200), sealedName: randomText(50) }), 403, 'forbidden');

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
