/// Runs a relay of its own for a test: a free loopback port, a fresh data directory.

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { endAtExit, endLater } from './cleanup.ts';
import { freshDirectory, program } from './places.ts';
import { waitFor } from './wait.ts';

/** What tools that make many accounts start a relay with. A test of who may make one, or of rates, sets its own. */
const manyAccounts = { CONSORTIUM_REGISTRATION: 'open', CONSORTIUM_RATE_LIMITS: 'off' };

export interface RelayOptions {
  /** Further command line arguments. */
  args?: string[];
  env?: Record<string, string>;
  /** Use this data directory (and leave it) instead of a fresh one. */
  data?: string;
  port?: number;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class Relay {
  readonly data: string;
  port = 0;
  /** What it wrote to stdout and stderr, over all restarts. */
  output = '';
  readonly #options: RelayOptions;
  readonly #remove: () => void;
  readonly #forget = endLater(() => this.close());
  #child: ChildProcess | undefined;
  #ended: Promise<Exit> | undefined;

  private constructor(options: RelayOptions) {
    this.#options = options;
    if (options.data === undefined) {
      const place = freshDirectory('consortium-relay');
      this.data = join(place.path, 'data');
      this.#remove = place.remove;
    } else {
      this.data = options.data;
      this.#remove = () => {};
    }
  }

  /** Starts a relay and waits until it answers. */
  static async start(options: RelayOptions = {}): Promise<Relay> {
    const relay = new Relay(options);
    try {
      await relay.start(options.port ?? 0);
    } catch (error) {
      await relay.close();
      throw error;
    }
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it again on the same directory, by default on the port it had. */
  async start(port = this.port): Promise<void> {
    const from = this.output.length;
    const child = spawn(
      program('consortium-relay'),
      ['--port', String(port), '--data', this.data, ...(this.#options.args ?? [])],
      { env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', ...manyAccounts, ...this.#options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    const forget = endAtExit(() => child.kill('SIGKILL'));
    child.on('exit', forget);
    this.#ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    const line = await waitFor(
      'the line "listening on" of consortium-relay',
      () => {
        const found = /listening on https?:\/\/[^\s:]+:(\d+)/.exec(this.output.slice(from));
        return found ?? (this.running ? undefined : 'ended');
      },
      { ms: 20_000, every: 5, last: () => this.output.slice(from) },
    );
    if (line === 'ended') {
      await this.#ended;
      throw new Error(`consortium-relay does not start: ${this.output.slice(from)}`);
    }
    this.port = Number(line[1]);
    if (!(this.#options.args ?? []).includes('--tls-cert')) {
      await waitFor('GET /health', async () => (await fetch(`${this.url}/health`)).ok, { last: () => this.output.slice(from) });
    }
  }

  /** Sends SIGTERM and waits for the end. */
  async stop(): Promise<Exit> {
    return this.#signal('SIGTERM');
  }

  /** SIGKILL: no chance to write or say anything more. */
  async kill(): Promise<Exit> {
    return this.#signal('SIGKILL');
  }

  async #signal(signal: NodeJS.Signals): Promise<Exit> {
    if (this.running) this.#child!.kill(signal);
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), 20_000);
    const exit = await this.#ended!;
    clearTimeout(late);
    return exit;
  }

  /** Kills it if it runs, and removes a fresh data directory. */
  async close(): Promise<void> {
    if (this.#ended) await this.kill();
    this.#forget();
    this.#remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Runs a program to its end. */
export async function run(
  path: string,
  args: string[],
  { env = {}, input = '', ms = 60_000 }: { env?: Record<string, string>; input?: string; ms?: number } = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const child = spawn(path, args, { env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const late = setTimeout(() => child.kill('SIGKILL'), ms);
  const exit = await new Promise<Exit>((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  clearTimeout(late);
  return { ...exit, stdout, stderr };
}
