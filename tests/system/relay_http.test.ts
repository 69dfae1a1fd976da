/// The HTTP contract of the relay: sessions, messages, machines, and what bad input gets.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { base64, Login, newDevice, randomText, request, type Answer } from '../support/client.ts';
import { Person } from '../support/e2ee.ts';
import { plusOrder } from '../support/independent/ed25519.ts';
import { Relay } from '../support/relay.ts';
import { refused } from '../support/refusals.ts';

const unknownId = '01890000-0000-7000-8000-000000000000';
const mebibyte = 1024 * 1024;

let relay: Relay;
let alice: Login;
let bob: Login;

before(async () => {
  relay = await Relay.start();
  [alice, bob] = await Promise.all([Login.in(relay.url), Login.in(relay.url)]);
});
after(() => relay.close());

/** Every endpoint that needs a token, with a body it would accept. */
const guarded: [method: string, path: string, body?: unknown][] = [
  ['GET', '/v1/sessions'],
  ['POST', '/v1/sessions', { tag: 't', metadata: 'm' }],
  ['GET', `/v1/sessions/${unknownId}`],
  ['GET', '/v2/sessions'],
  ['GET', `/v1/sessions/${unknownId}/messages`],
  ['DELETE', `/v1/sessions/${unknownId}`],
  ['GET', `/v3/sessions/${unknownId}/messages`],
  ['POST', `/v3/sessions/${unknownId}/messages`, { messages: [{ content: 'c', localId: 'l' }] }],
  ['GET', '/v1/machines'],
  ['POST', '/v1/machines', { id: 'machine', metadata: 'm' }],
  ['GET', `/v1/machines/${unknownId}`],
  ['GET', '/v1/devices'],
  ['POST', '/v1/auth/logout'],
  ['POST', '/v1/auth/confirm', { publicKey: randomText(32) }],
  ['GET', '/v1/changes?since=0'],
  ['GET', '/v1/log/checkpoint'],
  ['GET', '/v1/log/proof?revision=1'],
  ['DELETE', '/v1/account', { challenge: randomText(), signature: randomText(64) }],
  ['POST', '/v1/auth/response', { publicKey: randomText(32), response: randomText(200) }],
];

describe('the server as such', () => {
  it('is healthy and says who it is', async () => {
    const { status, body } = await request(`${relay.url}/health`, 'GET');
    assert.equal(status, 200);
    assert.equal(body.status, 'ok');
    assert.equal(body.service, 'consortium-relay');
    assert.equal(new Date(body.timestamp).toISOString(), body.timestamp);
    assert.equal(typeof body.version, 'string');
    assert.equal(body.log, (await alice.must('GET', '/v1/sessions')).log);
  });

  it('serves the dashboard under a strict policy', async () => {
    const { status, headers, body } = await request(`${relay.url}/`, 'GET');
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^text\/html/);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src '(none|self)'/);
    assert.doesNotMatch(/script-src[^;]*/.exec(policy)?.[0] ?? '', /unsafe|\*/);
    const script = /<script[^>]+src="([^"]+)"/.exec(body)?.[1];
    assert.ok(script, 'the page loads a script');
    const served = await request(new URL(script, `${relay.url}/`).href, 'GET');
    assert.equal(served.status, 200);
    assert.match(served.headers.get('content-type') ?? '', /javascript/);
    assert.equal((await request(`${relay.url}/pair`, 'GET')).status, 200, 'the path that pairing links have');
  });

  it('names what it does not have', async () => {
    const answer = await request(`${relay.url}/v1/nothing?x=1`, 'GET');
    refused(answer, 404, undefined, 'Not found');
    assert.equal(answer.body.path, '/v1/nothing?x=1');
    assert.equal(answer.body.method, 'GET');
    assert.ok([404, 405].includes((await alice.delete('/v1/sessions')).status));
  });

  it('lets other origins in, in errors too', async () => {
    const preflight = await fetch(`${relay.url}/v1/sessions`, {
      method: 'OPTIONS',
      headers: { Origin: 'http://elsewhere.example', 'Access-Control-Request-Method': 'DELETE', 'Access-Control-Request-Headers': 'authorization' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
      assert.ok(preflight.headers.get('access-control-allow-methods')?.includes(method), method);
    }
    for (const name of ['authorization', 'content-type', 'x-consortium-client', 'x-happy-client']) {
      assert.ok(preflight.headers.get('access-control-allow-headers')?.toLowerCase().includes(name), name);
    }
    const denied = await request(`${relay.url}/v1/sessions`, 'GET');
    assert.equal(denied.headers.get('access-control-allow-origin'), '*');
    assert.equal((await request(`${relay.url}/v1/nothing`, 'GET')).headers.get('access-control-allow-origin'), '*');
  });

  it('survives requests that are none', async () => {
    const { connect } = await import('node:net');
    const lines = ['nonsense\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'POST /v1/auth HTTP/1.1\r\nContent-Length: -1\r\n\r\n', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`, '\x16\x03\x01\x00'];
    for (const line of lines) {
      const socket = connect(relay.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.end(line);
      await new Promise((resolve) => socket.on('close', resolve).resume());
    }
    assert.equal((await request(`${relay.url}/health`, 'GET')).status, 200);
  });
});

describe('authorisation', () => {
  for (const [method, path, body] of guarded) {
    it(`guards ${method} ${path}`, async () => {
      const url = relay.url + path;
      refused(await request(url, method, body), 401, undefined, 'Missing authorization header');
      refused(await request(url, method, body, { headers: { Authorization: 'Basic YTpi' } }), 401, undefined, 'Missing authorization header');
      const [head, payload, signature] = alice.token.split('.');
      const forged = Buffer.from(JSON.stringify({ ...JSON.parse(atob(payload!)), sub: bob.accountId })).toString('base64url');
      const none = Buffer.from('{"alg":"none"}').toString('base64url');
      const tokens = ['x', 'a.b.c', `${head}.${payload}`, `${head}.${payload}.`, `${head}.${forged}.${signature}`, `${none}.${payload}.`, `${alice.token}A`];
      for (const token of tokens) refused(await request(url, method, body, { token }), 401, undefined, 'Invalid token');
    });
  }
});

describe('bad input', () => {
  const posts = ['/v1/sessions', '/v1/machines', '/v1/auth', '/v1/auth/challenge', '/v1/auth/request', '/v1/auth/response', `/v3/sessions/${unknownId}/messages`];

  for (const path of posts) {
    it(`POST ${path} refuses what is no JSON object`, async () => {
      // What strangers may post is small.
      const small = path.startsWith('/v1/auth');
      const badText = ['', '{', '{"a":}', 'null', '[]', '"text"', '7', 'true', '{"tag":"\ud800"}', '\ufeff{}', '{}{}', '['.repeat(small ? 10_000 : 100_000)];
      if (small) refused(await request(relay.url + path, 'POST', undefined, { token: alice.token, raw: '['.repeat(100_000) }), 413, 'too-large');
      for (const raw of badText) refused(await request(relay.url + path, 'POST', undefined, { token: alice.token, raw }), 400, 'bad-request');
      const notUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]);
      refused(await request(relay.url + path, 'POST', undefined, { token: alice.token, raw: notUtf8 }), 400, 'bad-request');
    });
  }

  it('refuses wrong types and missing fields of sessions', async () => {
    const good = { tag: 'typed', metadata: 'm' };
    const wrong = [{}, { tag: 'a' }, { metadata: 'm' }, { ...good, tag: 1 }, { ...good, tag: null }, { ...good, metadata: {} }, { ...good, metadata: null },
      { ...good, dataEncryptionKey: 5 }, { ...good, dataEncryptionKey: '***' }, { ...good, dataEncryptionKey: 'QQ' }];
    for (const body of wrong) refused(await alice.post('/v1/sessions', body), 400, 'bad-request');
  });

  it('refuses wrong types and missing fields of machines', async () => {
    const good = { id: 'typed', metadata: 'm' };
    for (const body of [{}, { id: 'a' }, { metadata: 'm' }, { ...good, id: 7 }, { ...good, id: '' }, { ...good, daemonState: 1 }, { ...good, dataEncryptionKey: '!' }]) {
      refused(await alice.post('/v1/machines', body), 400, 'bad-request');
    }
  });

  it('refuses wrong types and counts of messages', async () => {
    const { id } = await alice.newSession();
    const path = `/v3/sessions/${id}/messages`;
    const one = { content: 'c', localId: 'l' };
    const wrong = [{}, { messages: 'x' }, { messages: [] }, { messages: [1] }, { messages: [{ content: 'c' }] }, { messages: [{ localId: 'l' }] },
      { messages: [{ ...one, content: 1 }] }, { messages: [{ ...one, localId: '' }] }, { messages: [{ ...one, localId: 1 }] }, { messages: Array(501).fill(one) }];
    for (const body of wrong) refused(await alice.post(path, body), 400, 'bad-request');
    const queries = ['after_seq=-1', 'after_seq=x', 'before_seq=0', 'limit=0', 'limit=501', 'limit=a', 'after_seq=1&before_seq=2', 'after_seq=99999999999999999999'];
    for (const query of queries) refused(await alice.get(`${path}?${query}`), 400, 'bad-request');
    assert.deepEqual((await alice.must('GET', path)).messages, [], 'nothing of it was stored');
  });

  it('refuses what is too large, and says so', async () => {
    const { id } = await alice.newSession();
    const sizes = [400, 413];
    refused(await alice.post('/v1/sessions', { tag: 'x'.repeat(257), metadata: 'm' }), sizes, 'too-large');
    refused(await alice.post('/v1/sessions', { tag: 'big', metadata: 'm'.repeat(mebibyte + 1) }), sizes, 'too-large');
    refused(await alice.post('/v1/machines', { id: 'x'.repeat(257), metadata: 'm' }), sizes, 'too-large');
    refused(await alice.post('/v1/machines', { id: 'big', metadata: 'm'.repeat(mebibyte + 1) }), sizes, 'too-large');
    refused(await alice.post(`/v3/sessions/${id}/messages`, { messages: [{ content: 'c', localId: 'x'.repeat(257) }] }), sizes, 'too-large');
    refused(await alice.post(`/v3/sessions/${id}/messages`, { messages: [{ content: 'c'.repeat(8 * mebibyte + 1), localId: 'l' }] }), sizes, 'too-large');
    const tooLong = await request(`${relay.url}/v1/sessions`, 'POST', undefined, { token: alice.token, raw: 'x'.repeat(16 * mebibyte + 1) }).catch((error: Error) => error);
    if (!(tooLong instanceof Error)) refused(tooLong, 413, 'too-large');
    assert.deepEqual((await alice.must('GET', `/v3/sessions/${id}/messages`)).messages, []);
    const fits = await alice.post(`/v3/sessions/${id}/messages`, { messages: [{ content: 'c'.repeat(8 * mebibyte), localId: 'l' }] });
    assert.equal(fits.status, 200, 'the largest that is allowed');
    assert.equal((await alice.allMessages(id))[0].content.c.length, 8 * mebibyte);
  });
});

describe('ids of others', () => {
  it('are answered exactly like ids that nobody has', async () => {
    const theirs = (await bob.newSession()).id as string;
    await bob.must('POST', '/v1/machines', { id: 'bobs-machine', metadata: 'm' });
    const calls: [string, (id: string) => string, string, unknown?][] = [
      ['GET', (id) => `/v1/sessions/${id}`, theirs],
      ['GET', (id) => `/v1/sessions/${id}/messages`, theirs],
      ['DELETE', (id) => `/v1/sessions/${id}`, theirs],
      ['GET', (id) => `/v3/sessions/${id}/messages`, theirs],
      ['POST', (id) => `/v3/sessions/${id}/messages`, theirs, { messages: [{ content: 'c', localId: 'l' }] }],
      ['GET', (id) => `/v1/machines/${id}`, 'bobs-machine'],
    ];
    const ask = async (method: string, path: string, id: string, body: unknown) => {
      const { status, body: answered } = await request(relay.url + path, method, body, { token: alice.token });
      return { status, body: JSON.parse(JSON.stringify(answered).replaceAll(id, 'ID')) };
    };
    for (const [method, path, id, body] of calls) {
      const foreign = await ask(method, path(id), id, body);
      const unknown = await ask(method, path(unknownId), unknownId, body);
      assert.equal(foreign.status, 404, `${method} ${path(id)}`);
      assert.deepEqual(foreign, unknown);
    }
    for (const strange of ['x', '..%2f..', '%00', '-1', 'a'.repeat(300), '%ff']) {
      assert.ok([400, 404].includes((await alice.get(`/v1/sessions/${strange}/messages`)).status), strange);
    }
    assert.equal((await bob.get(`/v1/sessions/${theirs}/messages`)).status, 200, 'it is still there');
  });

  it('share tags and machine ids with nobody', async () => {
    const [one, two] = await Promise.all([alice.newSession({ tag: 'same' }), bob.newSession({ tag: 'same' })]);
    assert.notEqual(one.id, two.id);
    await alice.must('POST', '/v1/machines', { id: 'shared', metadata: 'of alice' });
    await bob.must('POST', '/v1/machines', { id: 'shared', metadata: 'of bob' });
    assert.equal((await alice.must('GET', '/v1/machines/shared')).machine.metadata, 'of alice');
    assert.equal((await bob.must('GET', '/v1/machines/shared')).machine.metadata, 'of bob');
  });
});

const sessionFields = ['active', 'activeAt', 'agentState', 'agentStateVersion', 'createdAt', 'dataEncryptionKey', 'id', 'lastMessage', 'metadata', 'metadataVersion', 'seq', 'updatedAt'];

describe('sessions', () => {
  it('are created once per tag', async () => {
    const key = randomText(105);
    const { session } = await alice.must('POST', '/v1/sessions', { tag: 'once', metadata: 'first', agentState: 'dropped', dataEncryptionKey: key, unknown: 1 });
    assert.deepEqual(Object.keys(session).sort(), sessionFields);
    assert.equal(session.seq, 0);
    assert.equal(session.metadata, 'first');
    assert.equal(session.agentState, null);
    assert.equal(session.agentStateVersion, 0);
    assert.equal(session.dataEncryptionKey, key);
    assert.equal(session.active, true);
    assert.equal(session.lastMessage, null);
    assert.ok(session.metadataVersion > 0, 'the revision of its creation');
    assert.ok(Math.abs(session.createdAt - Date.now()) < 60_000);
    const again = await alice.must('POST', '/v1/sessions', { tag: 'once', metadata: 'second', dataEncryptionKey: randomText(105) });
    assert.deepEqual(again.session, session);
    const plain = await alice.must('POST', '/v1/sessions', { tag: 'no key', metadata: 'm', dataEncryptionKey: null });
    assert.equal(plain.session.dataEncryptionKey, null);
  });

  it('are created once by twins at the same time', async () => {
    const twins = await Promise.all(Array.from({ length: 16 }, () => alice.must('POST', '/v1/sessions', { tag: 'twins', metadata: 'm' })));
    assert.equal(new Set(twins.map(({ session }) => session.id)).size, 1);
  });

  it('are listed newest first, at most 150, with what they reflect; the others are reached too', async () => {
    const carol = await Login.in(relay.url);
    const ids: string[] = [];
    for (let i = 0; i < 152; i += 1) ids.push((await carol.newSession()).id);
    assert.deepEqual([...ids].sort(), ids, 'ids sort by creation');
    await carol.must('POST', `/v3/sessions/${ids[0]}/messages`, { messages: [{ content: 'c', localId: 'l' }] });
    const answer = await carol.get('/v1/sessions');
    assert.equal(answer.body.sessions.length, 150);
    assert.equal(answer.body.sessions[0].id, ids[0], 'a message moves it to the front');
    assert.equal(answer.body.sessions[1].id, ids[151]);
    assert.deepEqual(Object.keys(answer.body.sessions[0]).sort(), sessionFields);
    assert.ok(answer.body.revision >= 153, 'each creation and the message are events');
    assert.equal(answer.headers.get('x-consortium-revision'), String(answer.body.revision));
    assert.equal(answer.headers.get('x-consortium-log'), answer.body.log);
    assert.equal(answer.body.hasMore, true);

    // Those beyond the end are reached page by page, and each by its id.
    const pages: string[][] = [];
    for (let next: string | null = ''; next !== null;) {
      const page: any = await carol.must('GET', `/v2/sessions?limit=60${next === '' ? '' : `&cursor=${next}`}`);
      pages.push(page.sessions.map(({ id }: any) => id));
      assert.equal(page.hasNext, page.nextCursor !== null);
      assert.ok(pages.length <= 3);
      next = page.nextCursor;
    }
    assert.deepEqual(pages.flat(), ids.toReversed());
    const [{ updatedAt }] = answer.body.sessions;
    assert.deepEqual((await carol.must('GET', `/v2/sessions?changedSince=${updatedAt}`)).sessions.map(({ id }: any) => id), [ids[0]]);
    assert.deepEqual((await carol.must('GET', `/v1/sessions/${ids[0]}`)).session, answer.body.sessions[0]);
    for (const cursor of ['x', 'cursor_v1_', `cursor_v1_${ids[0]!.toUpperCase()}x`, `cursor_v2_${ids[0]}`]) {
      refused(await carol.get(`/v2/sessions?cursor=${cursor}`), 400, 'bad-request', 'Invalid cursor format');
    }
    for (const limit of ['0', '201', 'x']) refused(await carol.get(`/v2/sessions?limit=${limit}`), 400, 'bad-request');
    assert.equal((await alice.must('GET', '/v2/sessions?limit=200')).sessions.some(({ id }: any) => ids.includes(id)), false);
  });

  it('are deleted for good', async () => {
    const { id } = await alice.newSession({ tag: 'to delete' });
    await alice.must('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: 'c', localId: 'l' }] });
    // The dashboard sends the content type although there is no body.
    const deleted = await request(`${relay.url}/v1/sessions/${id}`, 'DELETE', undefined, { token: alice.token, headers: { 'Content-Type': 'application/json' } });
    // What receipt and proof say: relay_log.test.ts.
    assert.deepEqual([deleted.status, deleted.body.success], [200, true]);
    refused(await alice.delete(`/v1/sessions/${id}`), 404, 'not-found', 'Session not found or not owned by user');
    refused(await alice.get(`/v1/sessions/${id}/messages`), 404, 'not-found', 'Session not found');
    refused(await alice.get(`/v3/sessions/${id}/messages`), 404, 'not-found', 'Session not found');
    refused(await alice.post(`/v3/sessions/${id}/messages`, { messages: [{ content: 'c', localId: 'm' }] }), 404, 'not-found', 'Session not found');
    const list = (await alice.must('GET', '/v1/sessions')).sessions;
    assert.equal(list.some((session: any) => session.id === id), false);
    assert.notEqual((await alice.newSession({ tag: 'to delete' })).id, id);
  });

  it('keep the signature under which a browser deleted them', async () => {
    const person = new Person(alice);
    const agent = await Login.in(relay.url, alice.account, newDevice('agent'));
    const revoked = newDevice();
    await Login.in(relay.url, alice.account, revoked);
    await alice.revoke(revoked.key.publicKey);
    const { id } = await agent.newSession();
    const path = `/v1/sessions/${id}`;
    const good = person.deletion(id);
    const bad = [
      person.deletion(id, agent.device), person.deletion(id, revoked), person.deletion(id, newDevice()), person.deletion(unknownId),
      { ...good, device: agent.device.key.base64 }, { ...good, signature: base64(plusOrder(Buffer.from(good.signature, 'base64'))) }, { ...good, signature: randomText(63) },
      { device: good.device }, { signature: good.signature }, { ...good, device: 7 },
    ];
    for (const body of bad) refused(await alice.delete(path, body), 400, 'bad-request');
    assert.ok((await alice.must('GET', '/v1/sessions')).sessions.some((session: any) => session.id === id), 'it is still there');

    const watching = await Promise.all([alice.connected(), agent.connected({ auth: { clientType: 'session-scoped', sessionId: id } })]);
    assert.equal((await alice.delete(path, good)).status, 200);
    for (const client of watching) {
      const { body } = await client.update('the deletion', ({ body: update }) => update.t === 'delete-session' && update['sid'] === id);
      assert.deepEqual([body['device'], body['signature']], [good.device, good.signature]);
      client.close();
    }
    // Whoever comes late to it is told too, and nobody else.
    for (const login of [alice, agent]) {
      const answer = await login.get(`/v3/sessions/${id}/messages`);
      refused(answer, 404, 'not-found');
      assert.deepEqual(answer.body.deletion, good);
    }
    assert.equal((await bob.get(`/v3/sessions/${id}/messages`)).body.deletion, undefined);
    const late = agent.socket({ auth: { clientType: 'session-scoped', sessionId: id } });
    await late.refused();
    assert.deepEqual((late.refusals[0] as Error & { data: any }).data.deletion, good);
    late.close();
    await relay.kill();
    await relay.start();
    assert.deepEqual((await agent.get(`/v3/sessions/${id}/messages`)).body.deletion, good);

    // Without a signature, as the public contract has it: carried out, and told without one.
    const { id: unsigned } = await agent.newSession();
    assert.equal((await alice.delete(`/v1/sessions/${unsigned}`)).status, 200);
    assert.equal((await agent.get(`/v3/sessions/${unsigned}/messages`)).body.deletion, undefined);
  });
});

describe('messages', () => {
  it('are stored once per localId, in order, from 1', async () => {
    const { id } = await alice.newSession();
    const path = `/v3/sessions/${id}/messages`;
    const message = (n: number) => ({ content: `content ${n}`, localId: `local ${n}` });
    const first = await alice.must('POST', path, { messages: [message(1), message(2), { ...message(1), content: 'other' }] });
    assert.deepEqual(first.messages.map(({ seq, localId }: any) => [seq, localId]), [[1, 'local 1'], [2, 'local 2']]);
    const second = await alice.must('POST', path, { messages: [message(3), { ...message(2), content: 'other' }] });
    assert.deepEqual(second.messages.map(({ seq, localId }: any) => [seq, localId]), [[2, 'local 2'], [3, 'local 3']]);
    assert.equal(second.messages[0].id, first.messages[1].id);
    assert.equal(second.messages[0].content, undefined);

    const stored = await alice.allMessages(id);
    assert.deepEqual(stored.map(({ seq, content, localId }) => [seq, content, localId]), [1, 2, 3].map((n) => [n, { t: 'encrypted', c: `content ${n}` }, `local ${n}`]));
    assert.deepEqual(Object.keys(stored[0]).sort(), ['content', 'createdAt', 'id', 'localId', 'revision', 'seq', 'updatedAt']);
    assert.deepEqual(stored.map(({ revision }) => revision), [...stored.map(({ revision }) => revision)].sort((a, b) => a - b));
    assert.equal((await alice.must('GET', '/v1/sessions')).sessions.find((session: any) => session.id === id).seq, 3);
  });

  it('come back as the very same text', async () => {
    const { id } = await alice.newSession();
    const texts = [randomText(1000), 'QQ==', 'QR==', 'QQ', '=', 'not base64 at all', 'Grüße 世界 👩‍💻 \u0000\u001f"\\', '\u2028\u2029', ' ', 'ab-_', 'QUJD\n'];
    await alice.must('POST', `/v3/sessions/${id}/messages`, { messages: texts.map((content, n) => ({ content, localId: String(n) })) });
    assert.deepEqual((await alice.allMessages(id)).map(({ content }) => content.c), texts);
  });

  it('are read in pages, forwards and backwards', async () => {
    const { id } = await alice.newSession();
    const path = `/v3/sessions/${id}/messages`;
    const sent = Array.from({ length: 230 }, (_, n) => ({ content: `c${n + 1}`, localId: `l${n + 1}` }));
    await alice.must('POST', path, { messages: sent });
    const seqs = async (query: string) => {
      const { messages, hasMore } = await alice.must('GET', `${path}?${query}`);
      return [messages.length, messages[0]?.seq, messages.at(-1)?.seq, hasMore];
    };
    assert.deepEqual(await seqs(''), [100, 1, 100, true]);
    assert.deepEqual(await seqs('after_seq=200'), [30, 201, 230, false]);
    assert.deepEqual(await seqs('after_seq=220&limit=10'), [10, 221, 230, false]);
    assert.deepEqual(await seqs('after_seq=219&limit=10'), [10, 220, 229, true]);
    assert.deepEqual(await seqs('after_seq=230'), [0, undefined, undefined, false]);
    assert.deepEqual(await seqs('before_seq=2147483647&limit=100'), [100, 230, 131, true]);
    assert.deepEqual(await seqs('before_seq=31&limit=30'), [30, 30, 1, false]);
    assert.deepEqual(await seqs('before_seq=1'), [0, undefined, undefined, false]);
    assert.deepEqual(await seqs('before_seq=9007199254740991&limit=500'), [230, 230, 1, false]);
    const { messages } = await alice.must('GET', `/v1/sessions/${id}/messages`);
    assert.deepEqual([messages.length, messages[0].seq, messages.at(-1).seq], [150, 230, 81]);
  });

  it('end a page with the one that reaches 1 MiB, in every read that has pages', async () => {
    const { id } = await alice.newSession();
    const { revision } = await alice.must('GET', '/v1/sessions');
    const path = `/v3/sessions/${id}/messages`;
    for (let n = 1; n <= 4; n += 1) await alice.must('POST', path, { messages: [{ content: randomText(450_000), localId: `l${n}` }] });
    const seqs = ({ messages, hasMore }: any) => [messages.map(({ seq }: any) => seq), hasMore];
    assert.deepEqual(seqs(await alice.must('GET', `${path}?limit=500`)), [[1, 2], true]);
    assert.deepEqual(seqs(await alice.must('GET', `${path}?before_seq=5&limit=500`)), [[4, 3], true]);
    assert.deepEqual(seqs(await alice.must('GET', `${path}?after_seq=2`)), [[3, 4], false]);
    assert.equal((await alice.must('GET', `/v1/sessions/${id}/messages`)).messages.length, 2);
    const changes = await alice.must('GET', `/v1/changes?since=${revision}&limit=500`);
    assert.ok(changes.updates.length < 4 && changes.hasMore, `${changes.updates.length} updates in one page`);
    const { records } = await alice.must('GET', `/v1/log/proof?revision=${revision + 1}&count=100`);
    assert.ok(records.length < 4, `${records.length} records in one answer`);
    assert.deepEqual((await alice.allMessages(id)).map(({ seq }) => seq), [1, 2, 3, 4]);
  });

  it('keep their order and number under many writers', async () => {
    const { id } = await alice.newSession();
    await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        for (let n = 0; n < 10; n += 1) {
          await alice.must('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: `${writer}:${n}`, localId: `${writer}:${n}` }] });
        }
      }),
    );
    const stored = await alice.allMessages(id);
    assert.deepEqual(stored.map(({ seq }) => seq), Array.from({ length: 200 }, (_, n) => n + 1));
    for (let writer = 0; writer < 20; writer += 1) {
      const own = stored.filter(({ localId }) => localId.startsWith(`${writer}:`)).map(({ content }) => content.c);
      assert.deepEqual(own, Array.from({ length: 10 }, (_, n) => `${writer}:${n}`));
    }
  });
});

describe('machines', () => {
  const fields = ['active', 'activeAt', 'createdAt', 'daemonState', 'daemonStateVersion', 'dataEncryptionKey', 'id', 'metadata', 'metadataVersion', 'updatedAt'];

  it('are registered once per id', async () => {
    const carol = await Login.in(relay.url);
    const { machine } = await carol.must('POST', '/v1/machines', { id: 'laptop', metadata: 'first', daemonState: 'state' });
    assert.deepEqual(Object.keys(machine).sort(), fields);
    assert.equal(machine.active, false);
    assert.equal(machine.dataEncryptionKey, null);
    assert.equal(machine.daemonState, 'state');
    assert.ok(machine.metadataVersion > 0);
    assert.equal(machine.daemonStateVersion, machine.metadataVersion, 'both were written by the one event');
    const again = await carol.must('POST', '/v1/machines', { id: 'laptop', metadata: 'second' });
    assert.deepEqual(again.machine, machine);
    const bare = await carol.must('POST', '/v1/machines', { id: 'bare', metadata: 'm' });
    assert.deepEqual([bare.machine.daemonState, bare.machine.daemonStateVersion], [null, 0]);

    const list = await carol.get('/v1/machines');
    assert.ok(Array.isArray(list.body));
    assert.deepEqual(list.body.map(({ id }: any) => id).sort(), ['bare', 'laptop']);
    assert.deepEqual(Object.keys(list.body[0]).sort(), [...fields, 'seq'].sort());
    assert.match(list.headers.get('x-consortium-revision') ?? '', /^\d+$/);
    assert.equal(list.headers.get('x-consortium-log'), (await carol.must('GET', '/v1/sessions')).log);
    assert.equal((await carol.must('GET', '/v1/machines/laptop')).machine.metadata, 'first');
    refused(await carol.get('/v1/machines/desktop'), 404, 'not-found', 'Machine not found');
  });

  it('may have any id that fits into a path', async () => {
    const id = 'a b/ü%?#+';
    await alice.must('POST', '/v1/machines', { id, metadata: 'm' });
    assert.equal((await alice.must('GET', `/v1/machines/${encodeURIComponent(id)}`)).machine.id, id);
  });
});

describe('changes over HTTP', () => {
  it('are the updates after a revision, page by page', async () => {
    const carol = await Login.in(relay.url);
    const before = await carol.must('GET', '/v1/sessions');
    const { id } = await carol.newSession();
    await carol.must('POST', `/v3/sessions/${id}/messages`, { messages: [1, 2, 3, 4].map((n) => ({ content: `c${n}`, localId: `l${n}` })) });
    const query = (since: number, limit?: number) => `/v1/changes?since=${since}&log=${before.log}${limit ? `&limit=${limit}` : ''}`;
    const whole = await carol.must('GET', query(before.revision));
    assert.deepEqual(whole.updates.map(({ seq, body }: any) => [seq - before.revision, body.t]), [
      [1, 'new-session'], [2, 'new-message'], [3, 'new-message'], [4, 'new-message'], [5, 'new-message']]);
    assert.equal(whole.hasMore, false);
    assert.equal(whole.log, before.log);
    assert.equal(whole.revision, before.revision + 5);
    const page = await carol.must('GET', query(before.revision, 2));
    assert.deepEqual([page.updates.length, page.hasMore], [2, true]);
    const rest = await carol.must('GET', query(page.updates.at(-1).seq, 100));
    assert.deepEqual([...page.updates, ...rest.updates].map(({ body }: any) => body), whole.updates.map(({ body }: any) => body));
    refused(await carol.get('/v1/changes?since=x'), 400, 'bad-request');
    const ahead: Answer = await carol.get(query(whole.revision + 100));
    assert.ok(ahead.status >= 400 || ahead.body.resync !== undefined, `ahead of the head: ${JSON.stringify(ahead.body)}`);
  });
});
