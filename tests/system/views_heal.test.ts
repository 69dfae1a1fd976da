/// Damage to the views on a disk, as an operator and a client meet it: bytes flipped in the files of RocksDB under a
/// relay that was stopped.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Login, randomText, request } from '../support/client.ts';
import { program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

/** So much that everything is written to files of its own when the relay ends. */
const manyBytes = { count: 20, bytes: 450_000 };

/** The files of the view tables, by the name that RocksDB keeps in each. */
function viewFiles(data: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const name of readdirSync(join(data, 'db')).filter((file) => file.endsWith('.sst'))) {
    const path = join(data, 'db', name);
    const family = /name(view\.[a-z_]+)/.exec(readFileSync(path, 'latin1'))?.[1];
    if (family !== undefined) out.set(path, family);
  }
  return out;
}

/** A bit in the first rows; another one each time. */
function flip(path: string, bit: number): void {
  const content = readFileSync(path);
  content[20]! ^= 1 << bit;
  writeFileSync(path, content);
}

it('a flipped byte in every view: all is served again, verify finds it before, and the third time is for the operator', { timeout: 300_000 }, async () => {
  await using relay = await Relay.start();
  const login = await Login.in(relay.url);
  const { id } = await login.newSession();
  for (let i = 0; i < manyBytes.count; ++i) assert.equal((await login.post(`/v3/sessions/${id}/messages`, { messages: [{ content: randomText(manyBytes.bytes), localId: randomText() }] })).status, 200);
  const ask = async () => [await login.must('GET', '/v1/sessions'), await login.must('GET', `/v3/sessions/${id}/messages?limit=100`), await login.must('GET', '/v1/devices')];
  const before = await ask();
  const get = (path: string) => request(relay.url + path, 'GET', undefined, { token: login.token });
  const verify = async (...more: string[]) => {
    const { code, stdout, stderr } = await run(program('consortium-admin'), ['verify', '--data', relay.data, ...more]);
    return { code, output: stdout + stderr };
  };

  const damageAll = async (bit: number) => {
    assert.equal((await relay.stop()).code, 0);
    const files = viewFiles(relay.data);
    assert.ok(new Set(files.values()).size >= 3, `few view tables have files: ${[...files.values()]}`);
    for (const file of files.keys()) flip(file, bit);
    return files;
  };
  /** Asks for everything until it is there; meanwhile each refusal names a time to ask again. */
  const served = async () => {
    await waitFor('everything to be served', async () => {
      for (const path of ['/v1/sessions', `/v3/sessions/${id}/messages?limit=100`, '/v1/devices']) {
        const got = await get(path);
        if (got.status === 200) continue;
        assert.equal(got.status, 503, `${path}: ${JSON.stringify(got.body)}`);
        assert.equal(got.body.code, 'unavailable', JSON.stringify(got.body));
        assert.equal(typeof got.body.retry, 'number', JSON.stringify(got.body));
        return undefined;
      }
      return true;
    }, { last: () => relay.output });
    assert.deepEqual(await ask(), before);
  };

  for (let failure = 1; failure <= 2; ++failure) {
    const files = await damageAll(failure);
    const thorough = await verify();
    assert.equal(thorough.code, 1, thorough.output);
    for (const file of files.keys()) assert.match(thorough.output, new RegExp(file.replace(/^.*\//, '').replace('.', '\\.')), `${file} is not named`);
    const quick = await verify('--log-only');
    assert.equal(quick.code, 0, quick.output);
    assert.match(quick.output, /Files and views were not looked at\./);
    await relay.start();
    await served();
    assert.equal((await relay.stop()).code, 0);
    // A table that nobody asked for is as it was.
    const { output } = await verify();
    assert.doesNotMatch(output, /view table '(session|session_hot|message_run|device)'/);
    await relay.start();
  }

  await damageAll(3);
  await relay.start().then(
    async () => {
      // It met the damage only when it was asked.
      const refused = await waitFor('the refusal', async () => {
        const got = await get(`/v3/sessions/${id}/messages?limit=100`);
        return got.status === 503 && got.body.retry === undefined ? got : undefined;
      }, { last: () => relay.output });
      assert.equal(refused.body.code, 'unavailable');
      await relay.stop();
    },
    () => undefined,
  );
  const step = /was damaged 3 times within a day.*consortium-admin views rebuild ([a-z_]+)/;
  assert.match(relay.output, step);
  // What it names is enough for one table; here all of them were damaged.
  const mended = await run(program('consortium-admin'), ['views', 'rebuild', '--data', relay.data]);
  assert.equal(mended.code, 0, mended.stderr);
  await relay.start();
  await served();
});
