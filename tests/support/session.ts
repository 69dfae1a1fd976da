/// The agent's end of a session, made by the test: for what the dashboard shows, and what it must refuse to show.

import { randomBytes } from 'node:crypto';
import { askHash, readAct } from './independent/act.ts';
import { bundleId, openBundle, sealBundle, type Place } from './independent/bundle.ts';
import { base64, hex, utf8 } from './independent/bytes.ts';
import { DeviceChain, DeviceSet } from './independent/statement.ts';
import { parseEnvelope, Sender, type Envelope } from './independent/text.ts';
import { Login, newDevice, type Client, type Device } from './client.ts';
import { sealedSession, type Person } from './e2ee.ts';

export interface Call {
  name: string;
  d: any;
  /** Who signed it. */
  device: string;
  /** Base64 id of its bundle, its text and signature: what an event `approval` repeats. */
  id: string;
  text: string;
  signature: string;
}

export interface Asking {
  id: string;
  ask: string;
  hash: string;
  requests: Record<string, { ask: string; createdAt: number }>;
}

const methods = ['begin', 'devices', 'permission', 'abort', 'set-mode', 'set-model', 'held', 'take-back', 'killSession'];

export class SessionOwner {
  readonly person: Person;
  readonly login: Login;
  readonly client: Client;
  readonly id: string;
  readonly key: Uint8Array;
  readonly sender = new Sender();
  readonly kept = new DeviceSet();
  stateVersion = 0;
  /** Count of the state that was sealed last. */
  v = 0;
  /** Base64 id of the newest bundle that was sent. */
  last: string | null = null;
  /** Calls that came, opened and checked. */
  readonly calls: Call[] = [];
  /** What each method answers; {} without. */
  readonly answers: Record<string, (call: Call) => unknown> = {};
  /** Changes what `begin` says. */
  begin: (honest: Record<string, unknown>) => Record<string, unknown> = (honest) => honest;
  readonly #challenges = new Set<string>();
  #alive: NodeJS.Timeout | undefined;

  private constructor(person: Person, login: Login, client: Client, id: string, key: Uint8Array) {
    this.person = person;
    this.login = login;
    this.client = client;
    this.id = id;
    this.key = key;
  }

  /** Signs in as another device of the person, unless one is given, and begins a session. */
  static async start(person: Person, metadata: Record<string, unknown> = {}, { device = newDevice('agent', 'a machine'), key = randomBytes(32) as Uint8Array } = {}): Promise<SessionOwner> {
    const login = await Login.in(person.login.url, person.login.account, device);
    const { fields } = sealedSession(person.keys, login.accountId, device.key, {
      path: '/home/someone/project', host: 'somewhere', version: '1', os: 'linux', homeDir: '/home/someone', flavor: 'claude',
      startedBy: 'terminal', hostPid: 1, lifecycleState: 'running', lifecycleStateSince: Date.now(), after: 0, ...metadata,
    }, key);
    const session = await login.newSession(fields);
    const client = await login.connected({ auth: { clientType: 'session-scoped', sessionId: session.id } });
    const owner = new SessionOwner(person, login, client, session.id, key);
    await owner.#serve();
    await owner.setState({ requests: {} });
    owner.alive();
    return owner;
  }

  get device(): Device {
    return this.login.device;
  }

  place(kind: string): Place {
    return { accountId: this.login.accountId, scope: this.id, kind };
  }

  async #serve(): Promise<void> {
    this.client.socket.on('rpc-request', async ({ method, params }: { method: string; params: string }, reply: (result: string) => void) => {
      reply(await this.#answer(method.slice(this.id.length + 1), params).catch(() => ''));
    });
    for (const name of methods) this.client.emit('rpc-register', { method: `${this.id}:${name}` });
    await this.client.flushed();
  }

  async #answer(name: string, params: string): Promise<string> {
    const kind = `rpc-request:${name}`;
    const { id, plaintext } = openBundle(params, this.key, this.place(kind));
    const seal = (result: unknown) => sealBundle(utf8(JSON.stringify(result)), this.key, this.place(`rpc-response:${name}`), { id });
    this.kept.learn(await this.login.chain());
    if (name === 'begin') {
      const challenge = hex(randomBytes(16));
      this.#challenges.add(challenge);
      return seal(this.begin({ challenge, now: Date.now(), devices: this.kept.digest(), v: this.v, last: this.last, unsent: 0 }));
    }
    if (name === 'devices') {
      const { challenge, d } = JSON.parse(plaintext.toString());
      if (!this.#challenges.delete(challenge)) return '';
      this.kept.learn(DeviceChain.read(this.login.accountId, this.login.account.publicKey, d.statements).chain);
      return seal({ statements: this.kept.statements().map(base64) });
    }
    const { text, device } = readAct(plaintext.toString(), { account: this.login.accountId, scope: this.id, kind, bundle: id });
    const { challenge, d } = JSON.parse(text);
    if (!this.#challenges.delete(challenge)) return '';
    const by = this.kept.find(device);
    if (by?.kind !== 2 || by.revoked) return seal({ error: 'not for this device', code: 'forbidden' });
    const call = { name, d, device: base64(device), id: base64(id), text, signature: JSON.parse(plaintext.toString()).signature };
    this.calls.push(call);
    return seal(this.answers[name]?.(call) ?? (name === 'abort' ? { end: this.last } : name === 'set-mode' || name === 'set-model' ? d : {}));
  }

  /** Says so from here on every few seconds, as an agent does: the relay calls away who is silent. */
  alive(thinking = false): void {
    clearInterval(this.#alive);
    const say = () => this.client.emit('session-alive', { sid: this.id, time: Date.now(), thinking, mode: 'remote' });
    say();
    this.#alive = setInterval(say, 5_000).unref();
  }

  /** Says that it is over, and nothing more. */
  end(): void {
    clearInterval(this.#alive);
    this.client.emit('session-end', { sid: this.id, time: Date.now() });
  }

  /** Seals the next message of the agent. */
  seal(d: unknown): { bundle: string; id: string; n: number } {
    const { id, envelope } = this.sender.next(d, Date.now());
    return { bundle: sealBundle(utf8(JSON.stringify(envelope)), this.key, this.place('message'), { id }), id: base64(id), n: envelope.n };
  }

  async send(bundle: string): Promise<any> {
    const ack = await this.client.ask('message', { sid: this.id, message: bundle, localId: crypto.randomUUID() });
    if (ack.result !== 'success') throw new Error(JSON.stringify(ack));
    this.last = base64(bundleId(bundle));
    return ack;
  }

  /** One of Claude's finished text blocks. */
  text(text: string): unknown {
    const message = { id: `msg_${crypto.randomUUID()}`, type: 'message', role: 'assistant', content: [{ type: 'text', text }] };
    const data = { type: 'assistant', message, parent_tool_use_id: null, session_id: 's', uuid: crypto.randomUUID() };
    return { role: 'agent', content: { type: 'output', data }, meta: { sentFrom: 'cli', block: `${message.id}:0` } };
  }

  async say(text: string): Promise<{ bundle: string; id: string; n: number }> {
    const sealed = this.seal(this.text(text));
    await this.send(sealed.bundle);
    return sealed;
  }

  async event(data: Record<string, unknown>): Promise<{ bundle: string; id: string; n: number }> {
    const sealed = this.seal({ role: 'agent', content: { type: 'event', id: crypto.randomUUID(), data } });
    await this.send(sealed.bundle);
    return sealed;
  }

  stream(fields: { block: string; offset: number; text: string; kind: 'text' | 'thinking' }): void {
    this.client.emit('stream', { sid: this.id, c: sealBundle(utf8(JSON.stringify(fields)), this.key, this.place('stream')) });
  }

  sealState(state: Record<string, unknown>, v: number): string {
    const whole = { mode: 'default', model: 'scripted', controlledByUser: false, requests: {}, held: [], ...state, v };
    return sealBundle(utf8(JSON.stringify(whole)), this.key, this.place('agentState'));
  }

  /** Publishes the next state; `v` may be a lie. */
  async setState(state: Record<string, unknown>, v = ++this.v): Promise<string> {
    const agentState = this.sealState(state, v);
    const ack = await this.client.ask('update-state', { sid: this.id, agentState, expectedVersion: this.stateVersion });
    if (ack.result !== 'success') throw new Error(JSON.stringify(ack));
    this.stateVersion = ack.version;
    return agentState;
  }

  /** A question as the agent publishes it. */
  question(command: string, { grants = [] as unknown[], ...more }: Record<string, unknown> & { grants?: unknown[] } = {}): Asking {
    return this.ask({ tool: 'Bash', arguments: { command, description: 'for the test' }, grants, ...more });
  }

  ask(fields: Record<string, unknown>): Asking {
    const id = `toolu_${crypto.randomUUID()}`;
    return this.askOf(id, JSON.stringify({ id, nonce: hex(randomBytes(16)), ...fields, toolUseId: id, cwd: '/home/someone/project' }));
  }

  /** With this very text. */
  askOf(id: string, ask: string): Asking {
    return { id, ask, hash: askHash(ask), requests: { [id]: { ask, createdAt: Date.now() } } };
  }

  /** Prompts that have come, in order, opened, with the device that signed each. */
  async prompts(): Promise<(Envelope & { device: string; id: string })[]> {
    const stored = await this.login.allMessages(this.id);
    return stored.flatMap(({ content }) => {
      try {
        const { id, plaintext } = openBundle(content.c, this.key, this.place('prompt'));
        const { text, device } = readAct(plaintext.toString(), { account: this.login.accountId, scope: this.id, kind: 'prompt', bundle: id });
        return [{ ...parseEnvelope(text), device: base64(device), id: base64(id) }];
      } catch {
        return [];
      }
    });
  }

  close(): void {
    clearInterval(this.#alive);
    this.client.close();
  }
}
