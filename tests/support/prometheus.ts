/// Debian's Prometheus for a test: a fresh data directory, a free loopback port, one target.

import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endAtExit, endLater } from './cleanup.ts';
import { freshDirectory } from './places.ts';
import { freePort } from './postgres.ts';
import { waitFor } from './wait.ts';

export interface Sample {
  metric: Record<string, string>;
  value: number;
}

export class Prometheus {
  readonly #place = freshDirectory('consortium-prometheus');
  readonly #port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #forget = endLater(() => this.close());
  #output = '';

  private constructor(port: number, target: string) {
    this.#port = port;
    const config = join(this.#place.path, 'prometheus.yml');
    writeFileSync(config, JSON.stringify({ global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [{ job_name: 'consortium', static_configs: [{ targets: [target] }] }] }));
    this.#child = spawn('/usr/bin/prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${join(this.#place.path, 'data')}`, `--web.listen-address=127.0.0.1:${port}`], { cwd: this.#place.path, env: { PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'pipe'] });
    const forget = endAtExit(() => this.#child.kill('SIGKILL'));
    this.#child.on('exit', forget);
    this.#child.on('error', (error) => (this.#output += `${error}: scripts/dependencies --test installs it`));
    this.#ended = new Promise((resolve) => this.#child.on('close', () => resolve()));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** `target`: whom it scrapes, every second. */
  static async start(target: string): Promise<Prometheus> {
    const prometheus = new Prometheus(await freePort(), target);
    await waitFor('Prometheus to be ready', async () => (await fetch(`${prometheus.#url}/-/ready`)).ok, { ms: 60_000, last: () => prometheus.#output });
    return prometheus;
  }

  get #url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** What it answers to a query now; a refusal is an error. */
  async query(expression: string): Promise<Sample[]> {
    const answer = (await (await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: expression })}`)).json()) as any;
    if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
    return answer.data.result.map((one: any) => ({ metric: one.metric, value: Number(one.value[1]) }));
  }

  async close(): Promise<void> {
    this.#forget();
    this.#child.kill('SIGKILL');
    await this.#ended;
    this.#place.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
