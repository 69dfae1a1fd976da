/// The relay as a program: its start, its end, its errors.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Login } from '../support/client.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const relayProgram = () => program('consortium-relay');

describe('consortium-relay', () => {
  it('explains its flags', async () => {
    const { code, stdout } = await run(relayProgram(), ['--help']);
    assert.equal(code, 0);
    for (const flag of ['--port', '--data', '--listen', '--io-threads', '--ping-interval-ms', '--ping-timeout-ms', '--connect-timeout-ms', '--public-url', '--tls-cert', '--tls-key', '--account-output-mib']) {
      assert.ok(stdout.includes(flag), `${flag} is not in --help`);
    }
    for (const name of ['PORT', 'CONSORTIUM_DATA_DIR']) assert.ok(stdout.includes(name), `${name} is not in --help`);
    assert.notEqual((await run(relayProgram(), ['--no-such-flag'])).code, 0);
  });

  it('takes its settings from the environment too', async () => {
    using place = freshDirectory();
    const data = join(place.path, 'data');
    const relay = await Relay.start({ data, env: { CONSORTIUM_IO_THREADS: '2' } });
    await relay.close();
    assert.ok(existsSync(join(data, 'witness')));
  });

  it('keeps its directory and its secret to itself', async () => {
    await using relay = await Relay.start();
    assert.equal(statSync(relay.data).mode & 0o077, 0);
    const secret = `${relay.data}.secret`;
    assert.equal(statSync(secret).mode & 0o777, 0o600);
    assert.ok(readFileSync(secret, 'utf8').trim().length >= 32);
    assert.ok(relay.output.includes(secret), 'it says where the secret lies');
    assert.ok(!relay.output.includes(readFileSync(secret, 'utf8').trim()), 'but not what it is');
  });

  it('ends within a second when idle, and goes on where it was', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const client = await login.connected();
    const { id } = await login.newSession();
    await client.ask('message', { sid: id, message: 'm', localId: 'l' });
    const before = performance.now();
    assert.deepEqual(await relay.stop(), { code: 0, signal: null });
    assert.ok(performance.now() - before < 1_500, `it took ${performance.now() - before} ms`);
    assert.deepEqual(client.disconnects.length, 1);
    assert.notEqual(client.disconnects[0], 'io server disconnect', 'clients shall come back by themselves');
    client.close();
    await relay.start();
    assert.equal((await login.allMessages(id)).length, 1);
  });

  it('refuses a wrong master secret', async () => {
    using place = freshDirectory();
    const data = join(place.path, 'data');
    const right = { CONSORTIUM_MASTER_SECRET: 'a'.repeat(40) };
    const relay = await Relay.start({ data, env: right });
    await relay.close();
    assert.equal(existsSync(`${data}.secret`), false, 'a given secret is not written down');
    const wrong = await run(relayProgram(), ['--port', '0', '--data', data], { env: { CONSORTIUM_MASTER_SECRET: 'b'.repeat(40) } });
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr + wrong.stdout, /master.secret/i);
    const short = await run(relayProgram(), ['--port', '0', '--data', join(place.path, 'other')], { env: { CONSORTIUM_MASTER_SECRET: 'short' } });
    assert.notEqual(short.code, 0);
    const none = await run(relayProgram(), ['--port', '0', '--data', data]);
    assert.notEqual(none.code, 0, 'a generated secret cannot open it either');
    await (await Relay.start({ data, env: right })).close();
  });

  it('says in one line what keeps it from starting', async () => {
    using place = freshDirectory();
    const oneLine = async (args: string[], pattern: RegExp) => {
      const { code, signal, stderr, stdout } = await run(relayProgram(), args);
      assert.equal(signal, null, stderr);
      assert.notEqual(code, 0);
      const lines = stderr.trim().split('\n');
      assert.equal(lines.length, 1, `one line, not: ${stderr}${stdout}`);
      assert.match(lines[0]!, pattern);
    };

    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    await oneLine(['--port', String(port), '--data', join(place.path, 'a')], new RegExp(String(port)));
    taken.close();

    writeFileSync(join(place.path, 'file'), '');
    await oneLine(['--port', '0', '--data', join(place.path, 'file', 'data')], /file/);
    mkdirSync(join(place.path, 'sealed'));
    chmodSync(join(place.path, 'sealed'), 0o500);
    if (process.getuid!() !== 0) await oneLine(['--port', '0', '--data', join(place.path, 'sealed', 'data')], /sealed/);

    const relay = await Relay.start({ data: join(place.path, 'busy') });
    await oneLine(['--port', '0', '--data', join(place.path, 'busy')], /busy/);
    assert.equal((await fetch(`${relay.url}/health`)).status, 200);
    await relay.close();
  });

  it('speaks TLS', async () => {
    using place = freshDirectory();
    const [cert, key] = [join(place.path, 'cert.pem'), join(place.path, 'key.pem')];
    const made = await run('/usr/bin/openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert]);
    assert.equal(made.code, 0, made.stderr);
    await using relay = await Relay.start({ args: ['--tls-cert', cert, '--tls-key', key] });
    const { get } = await import('node:https');
    const body = await new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port: relay.port, path: '/health', ca: readFileSync(cert), checkServerIdentity: () => undefined }, (answer) => {
        let text = '';
        answer.on('data', (part) => (text += part)).on('end', () => resolve(text));
      }).on('error', reject);
    });
    assert.equal(JSON.parse(body).status, 'ok');

    writeFileSync(cert, 'no certificate');
    process.kill(relay.pid, 'SIGHUP');
    await waitFor('what it says of the broken file', () => relay.output.includes('not reloaded'), { last: () => relay.output });
    assert.equal(relay.running, true);
  });

  it('lives on after SIGHUP, with its clients', async () => {
    await using relay = await Relay.start();
    const login = await Login.in(relay.url);
    const client = await login.connected();
    const { id } = await login.newSession();
    process.kill(relay.pid, 'SIGHUP');
    await waitFor('what it says', () => relay.output.includes('asked to reload'), { last: () => relay.output });
    assert.equal((await client.ask('message', { sid: id, message: 'm', localId: 'l' })).result, 'success');
    assert.deepEqual(client.disconnects, []);
    client.close();
    assert.deepEqual(await relay.stop(), { code: 0, signal: null });
  });
});
