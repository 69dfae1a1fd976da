/// A bad network between a client and the relay: it passes bytes, and loses, delays, half-closes or swallows them,
/// answers in the relay's place, and moves to another address. It understands nothing of what passes.

import { createServer, connect, type Server, type Socket } from 'node:net';
import { writeFileSync } from 'node:fs';
import { Agent, STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import { endLater } from './cleanup.ts';
import { freshDirectory } from './places.ts';
import type { Random } from './random.ts';

/** What something on the way answers that is no relay. */
export const pages = [
  { status: 404, headers: { 'content-type': 'text/html' }, content: '<html><body>Not Found</body></html>' },
  { status: 200, headers: { 'content-type': 'text/html' }, content: '<html><body>Sign in to the network</body></html>' },
  { status: 302, headers: { location: 'http://127.0.0.1:9/' }, content: '' },
  { status: 413, headers: { 'content-type': 'text/html' }, content: '<h1>413 Request Entity Too Large</h1>' },
] as const;
export type Page = (typeof pages)[number];

/** One connection through it. */
interface Path {
  client: Socket;
  relay: Socket | undefined;
  /** Swallows what it is given, in both directions, and never ends by itself. */
  dead: boolean;
}

export const weathers = ['cut', 'refuse', 'delay', 'half-close', 'stall', 'page', 'move'] as const;
export type Weather = (typeof weathers)[number];

const hosts = ['127.0.0.1', '::1'] as const;

export class Network {
  /** Port of the relay. */
  target = 0;
  readonly port: number;
  /** Since when nothing at all gets through; undefined while something may. */
  deadSince: number | undefined;
  /** Knows the network's present address by its name, for programs: see `AgentOptions.hosts`. */
  readonly hosts: string;
  /** The same for Node's own clients. */
  readonly agent = new Agent({
    lookup: (_name, options, done: any) => {
      const found = { address: this.#host, family: this.#host.includes(':') ? 6 : 4 };
      if (options.all) done(null, [found]);
      else done(null, found.address, found.family);
    },
  });
  readonly #place = freshDirectory('network');
  readonly #paths = new Set<Path>();
  readonly #forget = endLater(() => this.close());
  #server: Server | undefined;
  #host: (typeof hosts)[number] = '127.0.0.1';
  #delay: (() => number) | undefined;
  #stalled = false;
  #page: Page | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    this.hosts = join(this.#place.path, 'hosts');
    this.#name();
    this.#serve(server);
  }

  #name(): void {
    writeFileSync(this.hosts, `${this.#host} localhost\n`); // in place: it may be mounted
  }

  static async start(): Promise<Network> {
    const server = createServer({ allowHalfOpen: true });
    await listen(server, '127.0.0.1', 0);
    return new Network(server, (server.address() as { port: number }).port);
  }

  /** By a name: its address changes. */
  get url(): string {
    return `http://localhost:${this.port}`;
  }

  async close(): Promise<void> {
    this.#forget();
    this.#cut(() => false);
    this.#leave();
    this.agent.destroy();
    this.#place.remove();
  }

  /** For so long; resolves when it is over and everything new passes. */
  async have(weather: Weather, ms: number, random: Random): Promise<void> {
    const wait = () => new Promise((resolve) => setTimeout(resolve, ms));
    switch (weather) {
      case 'cut':
        this.#cut(() => random.next() < 0.5);
        return;
      case 'half-close':
        for (const { client, relay } of this.#paths) (random.next() < 0.5 ? client : relay)?.end();
        await wait();
        return;
      case 'delay':
        this.#delay = () => random.between(20, 400);
        await wait();
        this.#delay = undefined;
        return;
      case 'refuse':
        this.#leave();
        this.#cut(() => true);
        this.deadSince = Date.now();
        await wait();
        await this.#arrive(this.#host);
        this.deadSince = undefined;
        return;
      case 'move':
        this.#leave();
        this.#cut(() => random.next() < 0.5);
        await this.#arrive(hosts[1 - hosts.indexOf(this.#host)]!).catch(() => this.#arrive(this.#host)); // no IPv6 here
        return;
      case 'page':
        this.#page = pages[random.between(0, pages.length - 1)]!;
        this.#cut(() => false);
        this.deadSince = Date.now();
        await wait();
        this.#page = undefined;
        this.deadSince = undefined;
        return;
      case 'stall':
        this.#stalled = true;
        for (const path of this.#paths) path.dead = true; // for ever: only new ones will pass again
        this.deadSince = Date.now();
        await wait();
        this.#stalled = false;
        this.deadSince = undefined;
    }
  }

  #cut(abruptly: () => boolean): void {
    for (const path of this.#paths) {
      for (const side of [path.client, path.relay]) {
        if (abruptly()) side?.resetAndDestroy();
        else side?.destroy();
      }
    }
    this.#paths.clear();
  }

  #leave(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  async #arrive(host: (typeof hosts)[number]): Promise<void> {
    const server = createServer({ allowHalfOpen: true });
    this.#serve(server);
    await listen(server, host, this.port);
    this.#server = server;
    this.#host = host;
    this.#name();
  }

  #serve(server: Server): void {
    server.on('connection', (client) => {
      client.on('error', () => {});
      if (this.#page) return answer(client, this.#page);
      const path: Path = { client, relay: undefined, dead: this.#stalled };
      this.#paths.add(path);
      client.on('close', () => this.#end(path));
      if (path.dead) {
        client.resume();
        return;
      }
      const relay = connect({ host: '127.0.0.1', port: this.target, allowHalfOpen: true });
      path.relay = relay;
      relay.on('error', () => client.destroy());
      relay.on('close', () => this.#end(path));
      this.#pass(path, client, relay);
      this.#pass(path, relay, client);
    });
  }

  /** Bytes in their order, and the end of them. */
  #pass(path: Path, from: Socket, to: Socket): void {
    let before = Promise.resolve();
    const inOrder = (act: () => void) => {
      const ms = this.#delay?.();
      before = before.then(() => (ms === undefined ? undefined : new Promise((resolve) => setTimeout(resolve, ms))));
      before = before.then(() => {
        if (!path.dead && !to.destroyed) act();
      });
    };
    from.on('data', (bytes) => inOrder(() => to.write(bytes)));
    from.on('end', () => inOrder(() => to.end()));
  }

  #end(path: Path): void {
    if (!this.#paths.delete(path)) return;
    path.client.destroy();
    path.relay?.destroy();
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen({ host, port }, resolve));
}

/** Reads one request and answers it with the page. */
function answer(client: Socket, { status, headers, content }: Page): void {
  let come = Buffer.alloc(0);
  client.on('data', (bytes) => {
    come = Buffer.concat([come, bytes]);
    const head = come.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(come.toString('latin1', 0, head + 2))?.[1] ?? 0);
    if (come.length < head + 4 + length) return;
    const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(content)), connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
    client.removeAllListeners('data');
    client.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${content}`);
  });
}
