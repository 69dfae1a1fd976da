/// Strangers who open, announce and withhold as much as they can: they cost little, and keep nobody out.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { endLater } from '../support/cleanup.ts';
import { Client, Login, base64, randomText, request } from '../support/client.ts';
import { RawSocket } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const rates = ['--rate-limits', 'off'];
/** Other relays of tests judge nobody by address. */
const env = { CONSORTIUM_RATE_LIMITS: 'on' };

/** A connection that has sent `text` and says no more. */
class Silent {
  readonly tcp: Socket;
  closed = false;
  received = '';

  constructor(port: number, text = '', localAddress = '127.0.0.1') {
    this.tcp = connect({ port, host: '127.0.0.1', localAddress });
    const forget = endLater(() => this.tcp.destroy());
    this.tcp.on('error', () => {});
    this.tcp.on('data', (data) => (this.received += data.toString('latin1')));
    this.tcp.on('close', () => {
      this.closed = true;
      forget();
    });
    if (text) this.tcp.write(text);
  }
}

const descriptorsOf = (relay: Relay) => readdirSync(`/proc/${relay.pid}/fd`).length;
const residentMiB = (relay: Relay) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relay.pid}/status`, 'utf8'))![1]) / 1024;
const head = (line: string, fields: Record<string, string | number>) =>
  `${line} HTTP/1.1\r\nHost: relay\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;

describe('a relay with few descriptors', () => {
  let relay: Relay;
  before(async () => {
    relay = await Relay.start({ env, descriptors: 300, args: ['--strangers', '4096'] });
  });
  after(() => relay.close());

  it('outlives more silent connections than it has descriptors, and goes on writing', { timeout: 60_000 }, async () => {
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    const client = await login.connected();
    const silent: Silent[] = [];
    for (let n = 0; n < 1_030; n += 1) {
      silent.push(new Silent(relay.port, n % 2 ? 'GET / HT' : '', `127.0.1.${1 + (n % 40)}`));
      if (n % 50 === 0) assert.equal((await client.ask('message', { sid: id, message: randomText(20_000), localId: `${n}` })).result, 'success');
    }
    await waitFor('connections that had to make room', () => silent.filter(({ closed }) => closed).length > 800, { ms: 20_000, last: () => silent.filter(({ closed }) => closed).length });
    for (let n = 0; n < 300; n += 1) assert.equal((await client.ask('message', { sid: id, message: randomText(20_000), localId: `after ${n}` })).result, 'success');
    assert.ok(descriptorsOf(relay) <= 300);
    assert.equal((await login.allMessages(id)).length, 321);
    assert.equal((await request(`${relay.url}/health`, 'GET')).status, 200);
    assert.equal(client.socket.connected, true);
    client.close();
    for (const { tcp } of silent) tcp.destroy();
    await relay.stop();
    const said = relay.output.split('\n').filter((line) => /refused [\d,]+ connections/.test(line));
    assert.ok(said.length >= 1 && said.length <= 3, relay.output);
  });

  it('says what it needs when there are too few to serve anybody', async () => {
    await assert.rejects(Relay.start({ env, descriptors: 100 }), /the system allows 100 open files, the relay needs \d+ at least/);
  });
});

describe('strangers of one address', () => {
  it('lose their oldest silent connections, while others and who has signed in stay', async () => {
    const relay = await Relay.start({ env, args: ['--strangers-per-address', '8', '--connections-per-address', '20'] });
    const login = await Login.in(relay.url);
    const client = await login.connected();
    const other = new Silent(relay.port, '', '127.0.0.2');
    const silent = Array.from({ length: 100 }, () => new Silent(relay.port));
    await waitFor('connections that made room', () => silent.filter(({ closed }) => closed).length >= 92);
    assert.equal((await login.get('/v1/sessions')).status, 200);
    assert.equal(client.socket.connected, true);
    assert.equal(other.closed, false);
    client.close();
    await relay.close();
  });

  it('are not judged by address with --rate-limits off', async () => {
    const relay = await Relay.start({ env, args: ['--strangers-per-address', '8', ...rates] });
    const silent = Array.from({ length: 100 }, () => new Silent(relay.port));
    assert.equal((await request(`${relay.url}/health`, 'GET')).status, 200);
    assert.equal(silent.filter(({ closed }) => closed).length, 0);
    await relay.close();
  });

  it('have so long for a header and for signing in, and no longer by trying again', async () => {
    const relay = await Relay.start({ env, args: ['--header-timeout-ms', '300', '--connect-timeout-ms', '600'] });
    const half = new Silent(relay.port, 'GET / HTTP/1.1\r\nX-A: b');
    const raw = await RawSocket.open(relay.port);
    const trying = setInterval(() => raw.text('40{"token":"a.b.c"}'), 100);
    await raw.gone(5_000).finally(() => clearInterval(trying));
    await waitFor('the end of half a header', () => half.closed);
    assert.equal(half.received, '');
    await relay.close();
  });

  it('may send a WebSocket small messages only', async () => {
    const relay = await Relay.start({ env });
    const raw = await RawSocket.open(relay.port);
    raw.text(`42["message","${'x'.repeat(20_000)}"]`);
    await raw.gone(5_000);
    assert.equal(raw.closeCode, 1009);
    await relay.close();
  });
});

describe('bodies that are withheld', () => {
  it('cost no more than the bound, and end when nothing comes', { timeout: 60_000 }, async () => {
    const relay = await Relay.start({ env, args: ['--strangers-per-address', '200'] });
    const login = await Login.in(relay.url);
    const before = residentMiB(relay);
    const size = 3 * 2 ** 20;
    const withheld = Array.from({ length: 60 }, (_, n) => new Silent(relay.port, '', `127.0.2.${1 + (n % 30)}`));
    for (const { tcp } of withheld) {
      tcp.write(head('POST /v1/devices/statements', { 'Content-Length': size }));
      tcp.write('x'.repeat(size - 1));
    }
    const refused = () => withheld.filter(({ received }) => /^HTTP\/1.1 503 [^]*"overloaded"/.test(received)).length;
    await waitFor('refusals', () => refused() >= 38, { ms: 20_000, last: refused });
    assert.ok(residentMiB(relay) - before < 200, `${residentMiB(relay) - before} MiB more`);
    assert.equal((await login.get('/v1/sessions')).status, 200);
    await waitFor('the end of what is withheld', () => withheld.every(({ closed }) => closed), { ms: 30_000, every: 100 });
    await relay.close();
  });
});

describe('a proxy in front', () => {
  const challenge = (relay: Relay, headers: Record<string, string> = {}) =>
    request(`${relay.url}/v1/auth/challenge`, 'POST', { publicKey: base64(new Uint8Array(32).fill(7)), origin: relay.url }, { headers });
  /** Whether some of many at once are refused for their rate. */
  const isSpent = async (relay: Relay, headers: Record<string, string>) =>
    (await Promise.all(Array.from({ length: 40 }, () => challenge(relay, headers)))).some(({ status }) => status === 429);
  const spend = async (relay: Relay, headers: Record<string, string>) => {
    for (let n = 0; n < 30; n += 1) if (await isSpent(relay, headers)) return;
    assert.fail('its rate has no end');
  };

  it('speaks for many where it is trusted', async () => {
    const relay = await Relay.start({ env: { ...env, CONSORTIUM_TRUSTED_PROXY: '127.0.0.1,10.0.0.0/8' } });
    await spend(relay, { 'X-Forwarded-For': '192.0.2.1' });
    assert.equal((await challenge(relay, { 'X-Forwarded-For': '192.0.2.2' })).status, 200);
    assert.equal((await challenge(relay, { Forwarded: 'for="[2001:db8::1]";proto=https' })).status, 200);
    assert.ok(await isSpent(relay, { 'X-Forwarded-For': '6.6.6.6, 192.0.2.1, 10.1.1.1' }), 'what a client wrote before it counts for nothing');
    await relay.close();
  });

  it('is believed nowhere else', async () => {
    const relay = await Relay.start({ env, args: ['--strangers-per-address', '1000', '--connections-per-address', '1000'] });
    await spend(relay, { 'X-Forwarded-For': '192.0.2.1' });
    assert.ok(await isSpent(relay, { 'X-Forwarded-For': '192.0.2.2' }));
    assert.match(relay.output, /--trusted-proxy/);
    await relay.close();
  });

  it('does not share the connections of one address among all', async () => {
    const relay = await Relay.start({ env, args: ['--trusted-proxy', '127.0.0.1', '--strangers-per-address', '4', '--connections-per-address', '4'] });
    const login = await Login.in(relay.url);
    const clients = await Promise.all(Array.from({ length: 12 }, () => login.connected()));
    assert.equal((await login.get('/v1/sessions')).status, 200);
    for (const client of clients) client.close();
    await relay.close();
  });
});

describe('polling sessions that nobody signs in to', () => {
  const open = (relay: Relay, from: string) => request(`${relay.url}/v1/updates/?EIO=4&transport=polling`, 'GET', undefined, { headers: { 'X-Forwarded-For': from } });

  it('make room for newer ones and lock nobody out', async () => {
    const relay = await Relay.start({ env, args: ['--trusted-proxy', '127.0.0.1', '--polling-sessions', '100'] });
    const login = await Login.in(relay.url);
    const first: Client = await login.connected({ transports: ['polling'] });
    for (let n = 0; n < 300; n += 1) assert.equal((await open(relay, `192.0.2.${n % 20}`)).status, 200);
    const late = await login.connected({ transports: ['polling'] });
    for (const client of [first, late]) {
      assert.deepEqual(await client.ask('ping'), {});
      client.close();
    }
    await relay.stop();
    assert.match(relay.output, /refused [\d,]+ polling sessions of 2[01] addresses/);
    await relay.close();
  });
});

describe('a page of somebody else', () => {
  it('signs nobody up, pairs nothing and logs nobody in', async () => {
    const relay = await Relay.start({ env, args: ['--dashboard-origin', 'https://dash.example'] });
    const post = (path: string, origin: string) => request(relay.url + path, 'POST', {}, { headers: { Origin: origin } });
    for (const path of ['/v1/auth', '/v1/auth/challenge', '/v1/auth/request', '/v1/auth/reveal', '/v1/devices/statements']) {
      const answer = await post(path, 'https://evil.example');
      assert.deepEqual([answer.status, answer.body.code], [403, 'forbidden'], path);
      for (const own of [relay.url, 'https://dash.example']) assert.equal((await post(path, own)).status, 400, path);
    }
    await relay.close();
  });
});

describe('JSON that is all values', () => {
  it('ends where the bound is, and others do not wait for it', async () => {
    const relay = await Relay.start({ env, args: ['--io-threads', '1'] });
    const login = await Login.in(relay.url);
    const other = await login.connected();
    const raw = await RawSocket.signedIn(relay.port, { token: login.token });
    const before = residentMiB(relay);
    const zeros = `42["message",[${'0,'.repeat(7_900_000)}0]]`;
    raw.text(zeros);
    let worst = 0;
    while (!raw.closed) {
      const asked = performance.now();
      await other.ask('ping');
      worst = Math.max(worst, performance.now() - asked);
    }
    assert.ok(worst < 700, `others waited ${worst} ms`);
    assert.ok(residentMiB(relay) - before < 120, `${residentMiB(relay) - before} MiB more`);
    other.close();
    await relay.close();
  });
});
