/// What a relay says of itself to whoever cares for it: /metrics on a listener of its own, /ready, and the dashboard of docs/,
/// whose queries a real Prometheus answers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Login, randomText } from '../support/client.ts';
import { program, repository } from '../support/places.ts';
import { Postgres } from '../support/postgres.ts';
import { Prometheus } from '../support/prometheus.ts';
import { Relay, run } from '../support/relay.ts';
import { waitFor } from '../support/wait.ts';

const watched = (options: { args?: string[]; env?: Record<string, string> } = {}) => Relay.start({ ...options, env: { CONSORTIUM_METRICS_LISTEN: '127.0.0.1:0', ...options.env } });

async function metricsOf(relay: Relay): Promise<string> {
  const [, port] = await waitFor('the line that says where the metrics are', () => /metrics on port (\d+) of 127.0.0.1/.exec(relay.output), { last: () => relay.output });
  return `127.0.0.1:${port}`;
}

async function read(target: string): Promise<string> {
  const answer = await fetch(`http://${target}/metrics`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  return answer.text();
}

function value(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  assert.ok(line, `there is no ${series}`);
  return Number(line.slice(series.length + 1));
}

const message = () => ({ content: randomText(), localId: crypto.randomUUID() });

describe('the metrics', () => {
  it('count what happened, and name nobody', async () => {
    await using relay = await watched({ args: ['--account-sessions', '1'] });
    const target = await metricsOf(relay);
    const before = await read(target);
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();
    await login.must('POST', `/v3/sessions/${id}/messages`, { messages: [message(), message(), message()] });
    await assert.rejects(login.newSession());

    const text = await waitFor('what is counted after it was acknowledged', async () => {
      const now = await read(target);
      return value(now, 'consortium_refusals_total{of="commands",reason="quota"}') === 1 ? now : undefined;
    });
    assert.equal(value(text, 'consortium_events_total{type="message_appended"}'), 3);
    assert.equal(value(text, 'consortium_events_total{type="session_created"}'), 1);
    assert.equal(value(text, 'consortium_log_records'), (await login.must('GET', '/v1/sessions')).revision);
    assert.ok(value(text, 'consortium_append_seconds_count') >= 3);
    assert.ok(value(text, 'consortium_fan_out_seconds_count') >= 1);
    assert.ok(value(text, 'consortium_log_bytes') > 0);
    assert.ok(value(text, 'consortium_disk_free_bytes') > 0);
    assert.equal(value(text, 'consortium_ready'), 1);
    assert.ok(value(text, 'process_resident_memory_bytes') > 1 << 20);

    const series = (of: string) => of.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
    assert.deepEqual(series(text), series(before), 'no label came with what happened');
    assert.doesNotMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}-/i, 'no id');
    assert.doesNotMatch(text, /\d+\.\d+\.\d+\.\d+|::1/, 'no address');
  });

  it('are off by default, and have a listener of their own', async () => {
    await using silent = await Relay.start();
    await using relay = await watched();
    const target = await metricsOf(relay);
    for (const { url } of [silent, relay]) assert.equal((await fetch(`${url}/metrics`)).status, 404);
    assert.doesNotMatch(silent.output, /metrics/);
    for (const path of ['/', '/health', '/v1/account/profile', '/metrics/x']) assert.equal((await fetch(`http://${target}${path}`)).status, 404, path);
    assert.equal((await fetch(`http://${target}/metrics`, { method: 'POST', body: 'x' })).ok, false);
    const head = await fetch(`http://${target}/metrics`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.equal((await relay.stop()).code, 0);
  });

  it('refuse an address that is none, and one that is taken', async () => {
    const malformed = await run(program('consortium-relay'), ['--metrics-listen', 'localhost']);
    assert.equal(malformed.code, 2);
    assert.match(malformed.stderr, /--metrics-listen: not a numeric address with a port/);
    await using relay = await watched();
    const target = await metricsOf(relay);
    await assert.rejects(Relay.start({ args: ['--metrics-listen', target] }), /in use/);
  });
});

describe('GET /ready', () => {
  it('is 200 while the log takes what is written, and 503 with a sentence below the disk\'s floor', async () => {
    await using relay = await Relay.start();
    const good = await fetch(`${relay.url}/ready`);
    assert.deepEqual([good.status, await good.json()], [200, { status: 'ready' }]);

    await using full = await watched({ args: ['--disk-floor-mib', String(2 ** 30)] });
    const bad = await fetch(`${full.url}/ready`);
    assert.equal(bad.status, 503);
    const said = (await bad.json()) as any;
    assert.equal(said.code, 'unavailable');
    assert.match(said.error, /nearly full: nothing is written until space is freed/);
    assert.equal((await fetch(`${full.url}/health`)).status, 200);
    assert.equal(value(await read(await metricsOf(full)), 'consortium_ready'), 0);
  });
});

describe('the dashboard of docs/', () => {
  it('asks Prometheus what it can answer, query by query', { timeout: 400_000 }, async (t) => {
    await using postgres = await Postgres.start();
    await using relay = await watched({ env: { DATABASE_URL: postgres.url(), CONSORTIUM_MIRROR_RETRY_MS: '500' } });
    await using prometheus = await Prometheus.start(await metricsOf(relay));
    const login = await Login.in(relay.url);
    const { id } = await login.newSession();

    const { panels } = JSON.parse(readFileSync(join(repository, 'docs/grafana.json'), 'utf8'));
    const queries: string[] = panels.flatMap((panel: any) => panel.targets.map((target: any) => target.expr));
    assert.ok(queries.length > 20);
    for (const query of queries) {
      let last: unknown;
      await waitFor(`numbers for ${query}`, async () => {
        await login.must('POST', `/v3/sessions/${id}/messages`, { messages: [message()] });
        const samples = await prometheus.query(query.replaceAll('$__rate_interval', '1m'));
        last = samples;
        return samples.length > 0 && samples.every((one) => Number.isFinite(one.value));
      }, { ms: 60_000, every: 250, last: () => last });
    }
    t.diagnostic(`${queries.length} queries`);

    // What it scraped is what happened.
    await waitFor('Prometheus to have all', async () => {
      const [appended] = await prometheus.query('consortium_events_total{type="message_appended"}');
      return appended?.value === (await login.allMessages(id)).length;
    }, { ms: 60_000 });

    // A mirror whose Postgres went is seen to fail, and its lag to grow.
    await postgres.kill();
    await waitFor('the mirror to be said to fail', async () => {
      await login.must('POST', `/v3/sessions/${id}/messages`, { messages: [message()] });
      const [failing] = await prometheus.query('consortium_mirror_failing == 1 and consortium_mirror_lag_records > 0 and consortium_mirror_lag_seconds > 0');
      return failing;
    }, { ms: 60_000, every: 250, last: () => relay.output.slice(-2000) });
  });
});
