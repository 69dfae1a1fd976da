/// The agent's end of a session, made by the test: for what the dashboard shows, and what it must refuse to show.

import { Client, Login, newDevice } from './client.ts';
import {
  newSenderId, openBundle, parseEnvelope, Person, sealBundle, sealedSession, SenderChain, utf8, type Envelope,
} from './e2ee.ts';

export class SessionOwner {
  readonly person: Person;
  readonly login: Login;
  readonly client: Client;
  readonly id: string;
  readonly key: Uint8Array;
  readonly instance = newSenderId();
  readonly sender: SenderChain;
  stateVersion = 0;
  /** Calls that came, opened: name and content. */
  readonly calls: { name: string; d: any }[] = [];

  private constructor(person: Person, login: Login, client: Client, id: string, key: Uint8Array) {
    this.person = person;
    this.login = login;
    this.client = client;
    this.id = id;
    this.key = key;
    this.sender = new SenderChain(newSenderId(), login.accountId, id);
  }

  /** Signs in as another device of the person and begins a session. */
  static async start(person: Person, metadata: Record<string, unknown> = {}): Promise<SessionOwner> {
    const login = await Login.in(person.login.url, person.login.account, newDevice('agent'));
    const { key, fields } = await sealedSession(person.keys, {
      path: '/home/someone/project', host: 'somewhere', version: '1', os: 'linux', homeDir: '/home/someone', flavor: 'claude',
      startedBy: 'terminal', hostPid: 1, lifecycleState: 'running', lifecycleStateSince: Date.now(), after: 0, ...metadata,
    });
    const session = await login.newSession(fields);
    const client = await login.connected({ auth: { clientType: 'session-scoped', sessionId: session.id } });
    const owner = new SessionOwner(person, login, client, session.id, key);
    await owner.#serve();
    await owner.setState({ requests: {}, completedRequests: {} });
    owner.alive();
    return owner;
  }

  place(kind: Parameters<typeof openBundle>[2]['kind']) {
    return { accountId: this.login.accountId, scope: this.id, kind };
  }

  async #serve(): Promise<void> {
    this.client.socket.on('rpc-request', async ({ method, params }: { method: string; params: string }, reply: (result: string) => void) => {
      const name = method.slice(this.id.length + 1);
      const { plaintext, id } = await openBundle(params, this.key, this.place(`rpc-request:${name}`));
      this.calls.push({ name, d: JSON.parse(new TextDecoder().decode(plaintext)).d });
      const given = { id: new Uint8Array(Buffer.from(id!, 'base64')) };
      reply(await sealBundle(utf8('{}'), this.key, this.place(`rpc-response:${name}`), given));
    });
    for (const name of ['permission', 'abort', 'set-mode', 'set-model', 'killSession']) this.client.emit('rpc-register', { method: `${this.id}:${name}` });
    await this.client.flushed();
  }

  alive(thinking = false): void {
    this.client.emit('session-alive', { sid: this.id, time: Date.now(), thinking, mode: 'remote' });
  }

  /** Seals the next message of the agent. */
  seal(d: unknown): Promise<{ bundle: string; id: string; n: number }> {
    return this.sender.seal('message', d, this.key, Date.now());
  }

  async send(bundle: string): Promise<any> {
    const ack = await this.client.ask('message', { sid: this.id, message: bundle, localId: crypto.randomUUID() });
    if (ack.result !== 'success') throw new Error(JSON.stringify(ack));
    return ack;
  }

  /** One of Claude's finished text blocks. */
  text(text: string): unknown {
    const message = { id: `msg_${crypto.randomUUID()}`, type: 'message', role: 'assistant', content: [{ type: 'text', text }] };
    const data = { type: 'assistant', message, parent_tool_use_id: null, session_id: 's', uuid: crypto.randomUUID() };
    return { role: 'agent', content: { type: 'output', data }, meta: { sentFrom: 'cli', block: `${message.id}:0` } };
  }

  async say(text: string): Promise<{ bundle: string; id: string; n: number }> {
    const sealed = await this.seal(this.text(text));
    await this.send(sealed.bundle);
    return sealed;
  }

  async event(data: Record<string, unknown>): Promise<void> {
    await this.send((await this.seal({ role: 'agent', content: { type: 'event', id: crypto.randomUUID(), data } })).bundle);
  }

  async stream(fields: { block: string; offset: number; text: string; kind: 'text' | 'thinking' }): Promise<void> {
    this.client.emit('stream', { sid: this.id, c: await sealBundle(utf8(JSON.stringify(fields)), this.key, this.place('stream')) });
  }

  sealState(state: Record<string, unknown>, after = this.stateVersion): Promise<string> {
    return sealBundle(utf8(JSON.stringify({ ...state, after, instance: this.instance, mode: 'default', model: 'scripted' })), this.key, this.place('agentState'));
  }

  async setState(state: Record<string, unknown>): Promise<string> {
    const agentState = await this.sealState(state);
    const ack = await this.client.ask('update-state', { sid: this.id, agentState, expectedVersion: this.stateVersion });
    if (ack.result !== 'success') throw new Error(JSON.stringify(ack));
    this.stateVersion = ack.version;
    return agentState;
  }

  /** A permission request as the agent publishes it. */
  question(command: string) {
    const id = `toolu_${crypto.randomUUID()}`;
    return { id, requests: { [id]: { tool: 'Bash', arguments: { command, description: 'for the test' }, createdAt: Date.now(), toolUseId: id, cwd: '/home/someone/project' } } };
  }

  /** Prompts that have come, in order, opened. */
  async prompts(): Promise<Envelope[]> {
    const stored = await this.login.allMessages(this.id);
    const opened = await Promise.all(stored.map(async ({ content }) => {
      try {
        return parseEnvelope((await openBundle(content.c, this.key, this.place('prompt'))).plaintext);
      } catch {
        return undefined;
      }
    }));
    return opened.filter((envelope) => envelope !== undefined);
  }

  close(): void {
    this.client.close();
  }
}

