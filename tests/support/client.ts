/// A client of the wire alone: login, HTTP, and the official socket.io-client. Payloads are opaque here; what is in
/// them is the business of `e2ee.ts`.

import { createHash, randomBytes } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { endLater } from './cleanup.ts';
import { accountOf } from './independent/account.ts';
import { SigningKey } from './independent/ed25519.ts';
import { DeviceChain, sealDeviceName } from './independent/statement.ts';
import { waitFor, within } from './wait.ts';

export { SigningKey };
export const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes as Uint8Array).toString('base64');
export const randomText = (bytes = 16) => randomBytes(bytes).toString('base64');
export const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

// ------------------------------------------------------------------------------------------------------- HTTP

export interface Answer {
  status: number;
  headers: Headers;
  /** The parsed JSON, or the text where it is none. */
  body: any;
}

export async function request(
  url: string,
  method: string,
  body?: unknown,
  { token, headers = {}, raw }: { token?: string | undefined; headers?: Record<string, string>; raw?: string | Uint8Array } = {},
): Promise<Answer> {
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url, {
    method,
    headers: {
      ...(content === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(content === undefined ? {} : { body: content as BodyInit }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // It is text then.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

export interface Device {
  key: SigningKey;
  kind: 'agent' | 'browser';
  name: string;
}

export const newDevice = (kind: Device['kind'] = 'browser', name: string = `some ${kind}`): Device => ({ key: new SigningKey(), kind, name });

/** The body of `POST /v1/auth` that answers this challenge with the account's key. */
export function answerChallenge(challenge: string, account: SigningKey, device?: Device, more: { statement?: string; create?: boolean; invitation?: string } = {}): Record<string, unknown> {
  const bytes = Buffer.from(challenge, 'base64');
  const body = { publicKey: account.base64, challenge, ...more };
  if (!device) return { ...body, signature: base64(account.sign(bytes)) };
  return {
    ...body,
    signature: base64(account.sign(bytes, device.key.publicKey)),
    device: { publicKey: device.key.base64, kind: device.kind },
    deviceSignature: base64(device.key.sign(bytes, device.key.publicKey)),
  };
}

/** A challenge for an account's key, or for a device's. */
export async function askChallenge(url: string, key: SigningKey, origin = new URL(url).origin): Promise<string> {
  const { status, body } = await request(`${url}/v1/auth/challenge`, 'POST', { publicKey: key.base64, origin });
  if (status !== 200) throw new Error(`challenge: ${status} ${JSON.stringify(body)}`);
  return body.challenge;
}

/** The chain as the relay gives it, checked; a broken one is an error. */
export function chainOf(accountId: string, accountKey: Uint8Array, statements: readonly string[]): DeviceChain {
  const { chain, broken } = DeviceChain.read(accountId, accountKey, statements);
  if (broken !== undefined) throw new Error(`the relay's chain is broken at ${chain.statements.length + 1}: ${broken}`);
  return chain;
}

/** The next statement of a chain, in base64. */
export function nextStatement(chain: DeviceChain, account: SigningKey, action: 'add' | 'revoke', { key, kind, name }: Pick<Device, 'kind' | 'name'> & { key: { publicKey: Uint8Array } }): string {
  const sealed = action === 'add' ? sealDeviceName(name, accountOf(account.seed).content.publicKey) : undefined;
  return base64(chain.next(account, action, key.publicKey, kind, Date.now(), sealed));
}

/** Signed in: HTTP with a token, and sockets. */
export class Login {
  readonly url: string;
  readonly token: string;
  readonly accountId: string;
  readonly deviceId: string;
  readonly account: SigningKey;
  readonly device: Device;

  constructor(url: string, account: SigningKey, device: Device, { token, accountId, deviceId }: { token: string; accountId: string; deviceId: string }) {
    this.url = url;
    this.account = account;
    this.device = device;
    this.token = token;
    this.accountId = accountId;
    this.deviceId = deviceId;
  }

  /** With the account's key; a device that the chain does not name is added to it, an account that is not there made. */
  static async in(url: string, account = new SigningKey(), device: Device = newDevice(), invitation?: string): Promise<Login> {
    const answer = await Login.attempt(url, account, device, invitation);
    if (answer.status !== 200) throw new Error(`login: ${answer.status} ${JSON.stringify(answer.body)}`);
    return new Login(url, account, device, answer.body);
  }

  /** The same, with the relay's last answer whatever it is. */
  static async attempt(url: string, account = new SigningKey(), device: Device = newDevice(), invitation?: string): Promise<Answer> {
    const more = { create: true, ...(invitation === undefined ? {} : { invitation }) };
    let answer = await request(`${url}/v1/auth`, 'POST', answerChallenge(await askChallenge(url, account), account, device, more));
    for (let tries = 0; answer.status === 409 && answer.body.statements !== undefined && tries < 3; ++tries) {
      const { accountId, statements, challenge } = answer.body;
      const statement = nextStatement(chainOf(accountId, account.publicKey, statements), account, 'add', device);
      answer = await request(`${url}/v1/auth`, 'POST', answerChallenge(challenge, account, device, { ...more, statement }));
    }
    return answer;
  }

  /** The body of `POST /v1/auth` of a device that signs in alone. */
  static async aloneBody(url: string, accountId: string, device: Device): Promise<Record<string, unknown>> {
    const challenge = await askChallenge(url, device.key);
    return {
      accountId,
      device: { publicKey: device.key.base64, kind: device.kind },
      challenge,
      deviceSignature: base64(device.key.sign(Buffer.from(challenge, 'base64'), device.key.publicKey)),
    };
  }

  /** Of a device that the relay's chain names as good. */
  static async alone(url: string, account: SigningKey, accountId: string, device: Device): Promise<Login> {
    const answer = await request(`${url}/v1/auth`, 'POST', await Login.aloneBody(url, accountId, device));
    if (answer.status !== 200) throw new Error(`login alone: ${answer.status} ${JSON.stringify(answer.body)}`);
    return new Login(url, account, device, answer.body);
  }

  /** The relay's chain, checked. */
  async chain(): Promise<DeviceChain> {
    return chainOf(this.accountId, this.account.publicKey, (await this.must('GET', '/v1/devices')).statements);
  }

  /** Revokes a device of the account, as any holder of its secret can. */
  async revoke(key: Uint8Array): Promise<void> {
    const chain = await this.chain();
    const known = chain.find(key);
    if (!known) throw new Error('the chain does not name this device');
    const statement = nextStatement(chain, this.account, 'revoke', { key: { publicKey: key }, kind: known.kind === 1 ? 'agent' : 'browser', name: '' });
    await this.must('POST', '/v1/devices/statements', { statements: [statement] });
  }

  get = (path: string) => request(this.url + path, 'GET', undefined, { token: this.token });
  post = (path: string, body?: unknown) => request(this.url + path, 'POST', body, { token: this.token });
  delete = (path: string, body?: unknown) => request(this.url + path, 'DELETE', body, { token: this.token });

  /** The answer's body; any other status than 200 is an error. */
  async must(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<any> {
    const answer = await request(this.url + path, method, body, { token: this.token });
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async newSession(fields: Record<string, unknown> = {}): Promise<any> {
    const body = { tag: crypto.randomUUID(), metadata: randomText(), dataEncryptionKey: randomText(105), ...fields };
    return (await this.must('POST', '/v1/sessions', body)).session;
  }

  /** Every message of the session, in order, read page by page. */
  async allMessages(sid: string): Promise<any[]> {
    const all: any[] = [];
    for (;;) {
      const after = all.at(-1)?.seq ?? 0;
      const page = await this.must('GET', `/v3/sessions/${sid}/messages?after_seq=${after}&limit=500`);
      all.push(...page.messages);
      if (!page.hasMore) return all;
    }
  }

  socket(options: SocketOptions = {}): Client {
    return new Client(this.url, { token: this.token, ...options.auth }, options);
  }

  /** A socket that is connected. */
  async connected(options: SocketOptions = {}): Promise<Client> {
    const client = this.socket(options);
    await client.ready();
    return client;
  }
}

// ------------------------------------------------------------------------------------------------------- socket

export interface SocketOptions {
  auth?: Record<string, unknown>;
  transports?: ('polling' | 'websocket')[];
  reconnection?: boolean;
}

export interface Update {
  id: string;
  seq: number;
  createdAt: number;
  body: { t: string; [field: string]: any };
}

/** The official client, with what it received kept in order. */
export class Client {
  readonly socket: Socket;
  readonly updates: Update[] = [];
  readonly ephemerals: any[] = [];
  readonly caughtUp: { log: string; revision: number }[] = [];
  readonly resyncs: any[] = [];
  readonly refusals: Error[] = [];
  readonly disconnects: string[] = [];
  /** Connections and what ended them, for the message of a failure. */
  readonly diary: string[] = [];
  /** Every event's name and argument, in order of arrival. */
  readonly events: [string, any][] = [];
  #log: string | undefined;
  readonly #forget: () => void;

  constructor(url: string, auth: Record<string, unknown>, { transports = ['websocket'], reconnection = false }: SocketOptions = {}) {
    this.socket = io(url, {
      path: '/v1/updates',
      auth: (give) => {
        this.diary.push(`signs in from ${JSON.stringify(this.auth['since'])} after ${this.updates.length} updates`);
        give(this.auth);
      },
      transports,
      reconnection,
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
      forceNew: true,
    });
    // The official client hands out packets in later ticks: those of a connection that was closed meanwhile wait in its
    // buffer and would come out at the beginning of the next connection, which catches up on them anyway.
    this.socket.io.on('open', () => (this.socket.receiveBuffer = []));
    this.auth = { ...auth };
    this.#forget = endLater(() => this.close());
    this.socket.onAny((name: string, argument: unknown) => this.events.push([name, argument]));
    this.socket.on('update', (update: Update) => {
      this.updates.push(update);
      this.#advance(update.seq);
    });
    this.socket.on('ephemeral', (value: unknown) => this.ephemerals.push(value));
    this.socket.on('caught-up', (value: { log: string; revision: number }) => {
      this.caughtUp.push(value);
      this.#log = value.log;
      this.#advance(value.revision);
    });
    this.socket.on('resync', (value: unknown) => this.resyncs.push(value));
    this.socket.on('connect_error', (error: Error) => this.refusals.push(error));
    this.socket.on('connect', () => this.diary.push(`connected by ${this.socket.io.engine.transport.name} after ${this.updates.length} updates`));
    this.socket.on('disconnect', (reason: string) => {
      this.disconnects.push(reason);
      this.diary.push(`lost after ${this.updates.length} updates: ${reason}`);
    });
  }

  /** What the next handshake says; `since` advances by itself once it was given. */
  auth: Record<string, unknown>;

  #advance(revision: number): void {
    if (!('since' in this.auth) || this.#log === undefined) return;
    const since = this.auth['since'] as { log: string; revision: number } | null;
    this.auth['since'] = { log: this.#log, revision: Math.max(revision, since?.revision ?? 0) };
  }

  /** Follow from this point on, through every reconnection. */
  follow(log: string, revision: number): void {
    this.#log = log;
    this.auth['since'] = { log, revision };
  }

  async ready(): Promise<this> {
    await within('the socket to connect', new Promise<void>((resolve, reject) => {
      if (this.socket.connected) return resolve();
      this.socket.once('connect', resolve);
      this.socket.once('connect_error', reject);
    }));
    return this;
  }

  /** The connect error's message. */
  async refused(): Promise<string> {
    return (await waitFor('the handshake to be refused', () => this.refusals[0])).message;
  }

  async ask(event: string, ...args: unknown[]): Promise<any> {
    return within(`the acknowledgement of ${event}`, this.socket.emitWithAck(event, ...args), 40_000);
  }

  emit(event: string, ...args: unknown[]): void {
    this.socket.emit(event, ...args);
  }

  /** Everything sent before has been processed. */
  async flushed(): Promise<void> {
    await this.ask('ping');
  }

  update(what: string, matches: (update: Update) => boolean, ms?: number): Promise<Update> {
    return waitFor(what, () => this.updates.find(matches), { ...(ms === undefined ? {} : { ms }), last: () => this.updates.slice(-5) });
  }

  ephemeral(what: string, matches: (value: any) => boolean): Promise<any> {
    return waitFor(what, () => this.ephemerals.find(matches), { last: () => this.ephemerals.slice(-5) });
  }

  event(name: string, matches: (value: any) => boolean = () => true): Promise<any> {
    return waitFor(`the event ${name}`, async () => this.events.find(([given, value]) => given === name && matches(value)), {
      last: () => this.events.slice(-5),
    }).then(([, value]) => value);
  }

  close(): void {
    this.#forget();
    this.socket.disconnect();
  }
}
