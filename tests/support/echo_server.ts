/// The program of tests/net/echo_server.cpp, whose rules are those of tests/net/echo.hpp.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { program } from './places.ts';
import { waitFor, within } from './wait.ts';

export class EchoServer {
  output = '';
  port = 0;
  readonly #child: ChildProcess;

  static readonly all: EchoServer[] = [];

  private constructor(settings: Record<string, number>) {
    EchoServer.all.push(this);
    const args = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    this.#child = spawn(program('echo_server'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  static async start(settings: Record<string, number> = {}): Promise<EchoServer> {
    const server = new EchoServer(settings);
    server.port = Number(await waitFor('its port', () => /listening (\d+)/.exec(server.output)?.[1]));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async counts(): Promise<{ connections: number; polling: number; sockets: number }> {
    return (await fetch(`${this.url}/counts`)).json();
  }

  async stop(): Promise<string> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'close');
      this.#child.kill('SIGTERM');
      await within('the end of the server', ended);
    }
    assert.equal(this.#child.exitCode, 0, `${this.output}${this.#child.signalCode}`);
    return this.output;
  }

  /** After a failure: no server outlives the tests. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }
  resume(): void {
    this.#child.kill('SIGCONT');
  }
}
