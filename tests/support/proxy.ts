/// A relay that lies: it stands between a client and the honest relay, understands HTTP, Engine.IO and Socket.IO,
/// and lets a test alter, drop, repeat, reorder or invent whatever passes. Without hooks it changes nothing.

import { createServer, request as httpRequest, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { endLater } from './cleanup.ts';
import { Relay } from './relay.ts';

/** An HTTP exchange; hooks change it in place. */
export interface Exchange {
  method: string;
  /** Path and query. */
  path: string;
  /** Parsed JSON; undefined where there is none. */
  body: any;
  token: string | undefined;
}

export interface Reply {
  status: number;
  body: any;
}

/** What something on the way that is no relay answers: a gateway, the sign-in page of a network. */
export interface Page {
  status: number;
  type?: string;
  content?: string;
  headers?: Record<string, string>;
}

/** A Socket.IO packet. */
export interface Packet {
  kind: 'connect' | 'disconnect' | 'event' | 'ack' | 'refusal';
  ack?: number;
  /** Of an event: [name, argument]; of an acknowledgement: [result]; else the payload. */
  data: any;
}

/** One socket that goes through the proxy. */
export interface Link {
  /** What the client said in its handshake. */
  auth: Record<string, any>;
  toClient(packet: Packet): void;
  toRelay(packet: Packet): void;
  close(): void;
}

export interface Hooks {
  /** Before a request is passed on; a Reply answers it in the relay's place. */
  request?: (exchange: Exchange) => void | Reply | Promise<void | Reply>;
  /** Answers in the relay's place as no relay does: requests, and with `dial` WebSocket dials. */
  page?: (path: string, dial: boolean, bytes: number) => void | Page;
  /** Before an answer is passed back. */
  reply?: (exchange: Exchange, reply: Reply) => void | Promise<void>;
  /** A packet from the client: what goes to the relay instead of it. Undefined: the packet as it is now. */
  up?: (packet: Packet, link: Link) => void | Packet[];
  /** A packet from the relay: what goes to the client instead of it. */
  down?: (packet: Packet, link: Link) => void | Packet[];
}

const kinds = ['connect', 'disconnect', 'event', 'ack', 'refusal'] as const;

/** Reads the text behind Engine.IO's `4`; undefined for what is no text packet of the main namespace. */
export function readPacket(text: string): Packet | undefined {
  const found = /^([0-4])(\d*)(.*)$/s.exec(text);
  if (!found) return undefined;
  const [, type, ack, rest] = found;
  try {
    return { kind: kinds[Number(type)]!, ...(ack ? { ack: Number(ack) } : {}), data: rest ? JSON.parse(rest) : undefined };
  } catch {
    return undefined;
  }
}

export function writePacket({ kind, ack, data }: Packet): string {
  return `${kinds.indexOf(kind)}${ack ?? ''}${data === undefined ? '' : JSON.stringify(data)}`;
}

/** An event packet. */
export const event = (name: string, argument: unknown): Packet => ({ kind: 'event', data: [name, argument] });

const separator = '\x1e';

export class LyingRelay {
  hooks: Hooks = {};
  readonly links = new Set<Link>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
  readonly #forget = endLater(() => this.close());
  #target = '';

  private constructor() {
    this.#server = createServer((incoming, response) => {
      this.#exchange(incoming, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(502, { 'content-type': 'text/plain' });
        response.end(String(error));
      });
    });
    this.#server.on('upgrade', (incoming, socket, head) => {
      const page = this.hooks.page?.(incoming.url!, true, 0);
      if (page) {
        const content = page.content ?? '';
        const headers = { 'content-type': page.type ?? 'text/plain', 'content-length': String(Buffer.byteLength(content)), connection: 'close', ...page.headers };
        socket.end(`HTTP/1.1 ${page.status} ${STATUS_CODES[page.status]}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${content}`);
        return;
      }
      this.#sockets.handleUpgrade(incoming, socket, head, (client) => this.#join(client, incoming.url!));
    });
  }

  /** Before an honest one, which is told this address as its public one. */
  static async start(): Promise<{ lying: LyingRelay; relay: Relay }> {
    const lying = new LyingRelay();
    await new Promise<void>((resolve) => lying.#server.listen(0, '127.0.0.1', resolve));
    const relay = await Relay.start({ args: ['--public-url', lying.url] });
    lying.#target = relay.url;
    return { lying, relay };
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Another honest one, for who dials from now on. */
  set target(url: string) {
    this.#target = url;
  }

  async close(): Promise<void> {
    this.#forget();
    for (const client of this.#sockets.clients) client.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Ends every socket, as a lost network would. */
  cutLinks(): void {
    for (const client of this.#sockets.clients) client.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #exchange(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const content = Buffer.concat(parts);
    const page = this.hooks.page?.(incoming.url!, false, content.length);
    if (page) return send(response, page.status, { 'content-type': page.type ?? 'text/plain', ...page.headers }, page.content ?? '');
    const exchange: Exchange = {
      method: incoming.method!,
      path: incoming.url!,
      body: jsonOf(content, incoming.headers['content-type']),
      token: /^Bearer (.*)$/.exec(incoming.headers.authorization ?? '')?.[1],
    };
    const polling = exchange.path.startsWith('/v1/updates');
    const own = polling ? undefined : await this.hooks.request?.(exchange);
    if (own) return send(response, own.status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' }, JSON.stringify(own.body));

    let upward: Buffer | string = exchange.body === undefined ? content : JSON.stringify(exchange.body);
    const link = polling ? this.#pollingLink() : undefined;
    if (link && exchange.method === 'POST') upward = this.#altered(content.toString('utf8'), link, 'up');
    const answer = await this.#ask(exchange, incoming, upward);
    let downward: Buffer | string = answer.content;
    if (link && exchange.method === 'GET' && answer.status === 200) downward = this.#altered(downward.toString('utf8'), link, 'down');
    const parsed = polling ? undefined : jsonOf(answer.content, answer.headers['content-type']);
    if (parsed !== undefined) {
      const reply: Reply = { status: answer.status, body: parsed };
      await this.hooks.reply?.(exchange, reply);
      answer.status = reply.status;
      downward = JSON.stringify(reply.body);
    }
    const headers = { ...answer.headers };
    for (const name of ['content-length', 'transfer-encoding', 'connection', 'keep-alive']) delete headers[name];
    send(response, answer.status, headers, downward);
  }

  /** A link for one polling request: enough to alter what passes, not to invent later. */
  #pollingLink(): Link {
    return { auth: {}, toClient() {}, toRelay() {}, close() {} };
  }

  #altered(payload: string, link: Link, way: 'up' | 'down'): string {
    return payload
      .split(separator)
      .flatMap((text) => this.#through(text, link, way))
      .join(separator);
  }

  /** What becomes of one Engine.IO packet on its way. */
  #through(text: string, link: Link, way: 'up' | 'down'): string[] {
    const packet = text.startsWith('4') ? readPacket(text.slice(1)) : undefined;
    if (!packet) return [text];
    if (way === 'up' && packet.kind === 'connect') Object.assign(link.auth, packet.data);
    return (this.hooks[way]?.(packet, link) ?? [packet]).map((one) => `4${writePacket(one)}`);
  }

  async #ask(exchange: Exchange, incoming: IncomingMessage, content: Buffer | string) {
    const target = new URL(this.#target);
    return new Promise<{ status: number; headers: Record<string, any>; content: Buffer }>((resolve, reject) => {
      const headers: Record<string, any> = { ...incoming.headers, host: target.host, 'content-length': Buffer.byteLength(content) };
      delete headers['transfer-encoding'];
      delete headers['accept-encoding'];
      if (exchange.method === 'GET' || exchange.method === 'HEAD') delete headers['content-length'];
      const outgoing = httpRequest(
        { host: target.hostname, port: target.port, method: exchange.method, path: exchange.path, headers, agent: false },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject);
          answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, content: Buffer.concat(parts) }));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(content.length > 0 ? content : undefined);
    });
  }

  #join(client: WebSocket, path: string): void {
    const relay = new WebSocket(`${this.#target.replace(/^http/, 'ws')}${path}`, { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
    const waiting: string[] = [];
    const toRelay = (text: string) => {
      if (relay.readyState === WebSocket.OPEN) relay.send(text);
      else if (relay.readyState === WebSocket.CONNECTING) waiting.push(text);
    };
    const toClient = (text: string) => {
      if (client.readyState === WebSocket.OPEN) client.send(text);
    };
    const link: Link = {
      auth: {},
      toClient: (packet) => toClient(`4${writePacket(packet)}`),
      toRelay: (packet) => toRelay(`4${writePacket(packet)}`),
      close: () => client.terminate(),
    };
    this.links.add(link);
    relay.on('open', () => waiting.splice(0).forEach((text) => relay.send(text)));
    client.on('message', (data) => this.#through(data.toString(), link, 'up').forEach(toRelay));
    relay.on('message', (data) => this.#through(data.toString(), link, 'down').forEach(toClient));
    const end = () => {
      this.links.delete(link);
      client.terminate();
      relay.terminate();
    };
    for (const side of [client, relay]) side.on('close', end).on('error', end);
  }
}

function jsonOf(content: Buffer, type: string | undefined): any {
  if (content.length === 0 || !(type ?? '').includes('json')) return undefined;
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, status: number, headers: Record<string, any>, content: Buffer | string): void {
  response.writeHead(status, headers);
  response.end(content);
}
