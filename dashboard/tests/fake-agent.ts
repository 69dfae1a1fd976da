// What an agent does on the wire, for tests: pairs, makes sessions, says things, asks, takes prompts.
import { randomUUID } from "node:crypto";
import { io, type Socket } from "socket.io-client";
import * as c from "../src/crypto/index.ts";
import type { Update } from "../src/api/types.ts";

export async function post(origin: string, path: string, body: unknown, token?: string): Promise<any> {
  const response = await fetch(origin + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const value = (await response.json()) as any;
  if (!response.ok) throw new PostError(`${path}: ${response.status} ${JSON.stringify(value)}`, value);
  return value;
}

export class PostError extends Error {
  readonly body: any;

  constructor(message: string, body: any) {
    super(message);
    this.body = body;
  }
}

export interface AgentCredentials {
  readonly origin: string;
  readonly token: string;
  readonly accountId: string;
  readonly contentPublicKey: c.Bytes;
  readonly accountKey: c.Bytes;
  /** The agent's own device key. */
  readonly device: c.KeyPair;
}

/** Signs in with the account secret, as an agent that makes the account does. */
export async function agentLogin(origin: string, secret: c.Bytes, name = "build-02"): Promise<AgentCredentials> {
  const account = await c.accountFromSecret(secret);
  const device = c.signKeyPair();
  let { challenge } = await post(origin, "/v1/auth/challenge", { publicKey: c.toBase64(account.publicKey), origin });
  const send = (more: object) => post(origin, "/v1/auth", { ...c.loginBody(c.fromBase64(challenge), account, { keys: device, kind: "agent" }), create: true, ...more });
  let accountId = "";
  const statement = await send({}).then(
    () => Promise.reject(new Error("signed in without a statement")),
    (error: PostError) => {
      if (error.body.code !== "conflict") throw error;
      ({ challenge, accountId } = error.body);
      const { chain } = c.DeviceChain.read(accountId, account.publicKey, error.body.statements.map(c.fromBase64));
      const sealedName = c.sealBox(c.utf8(name), account.content.publicKey);
      return c.toBase64(chain.next(account.secret, { action: "add", device: device.publicKey, kind: "agent", time: Date.now(), sealedName }));
    },
  );
  const { token } = await send({ statement });
  return { origin, token, accountId, contentPublicKey: account.content.publicKey, accountKey: account.publicKey, device };
}

export interface SessionOptions {
  path?: string;
  host?: string;
  summary?: string;
  lifecycleState?: string;
}

/** A call as it was signed: what the history keeps of an answer. */
export interface Call {
  readonly id: string;
  readonly act: c.SignedAct;
}
type RpcHandler = (d: any, call: Call) => unknown;

export interface TakenPrompt {
  readonly id: string;
  readonly text: string;
  readonly meta: any;
  readonly from: string;
  readonly n: number;
  readonly seen: string | null;
  readonly until: number;
  readonly device: string;
}

/** Where an agent is called: it hands out challenges, and acts on what is signed. */
export class AgentDesk {
  /** Good for a call. */
  readonly challenges = new Set<string>();
  /** What this agent knows of the account's devices. */
  readonly devices: c.DeviceSet;
  readonly rpc = new Map<string, RpcHandler>();
  /** Of its present state, and its newest message. */
  v = 0;
  last: string | null = null;
  /** What its clock shows more than ours. */
  clock = 0;
  /** How many of its messages wait to be sent. */
  unsent = 0;
  readonly #place: Omit<c.Place, "kind">;
  readonly #key: c.Bytes;
  readonly #readChain: () => Promise<void>;

  constructor(accountId: string, scope: string, key: c.Bytes, devices: c.DeviceSet, readChain: () => Promise<void>) {
    this.#place = { accountId, scope };
    this.#key = key;
    this.devices = devices;
    this.#readChain = readChain;
  }

  /** The acknowledgement: empty for what is refused without a word. */
  async answer(name: string, params: string): Promise<string> {
    const place = { ...this.#place, kind: `rpc-request:${name}` } as c.ActPlace;
    const { id, plaintext } = await c.openBundle(params, this.#key, place);
    const result = await this.#act(name, place, id as string, plaintext);
    return result === undefined ? "" : c.sealBundle(c.utf8(JSON.stringify(result)), this.#key, { ...this.#place, kind: `rpc-response:${name}` }, { id: c.fromBase64(id as string) });
  }

  async #act(name: string, place: c.ActPlace, id: string, plaintext: Uint8Array): Promise<unknown> {
    if (name === "begin") {
      const { devices } = JSON.parse(c.fromUtf8(plaintext)) as { devices: string };
      if (devices !== this.devices.digest()) await this.#readChain();
      const challenge = c.toHex(c.randomBytes(16));
      this.challenges.add(challenge);
      return { challenge, now: Date.now() + this.clock, devices: this.devices.digest(), v: this.v, last: this.last, unsent: this.unsent };
    }
    if (name === "devices") {
      const { challenge, d } = JSON.parse(c.fromUtf8(plaintext)) as { challenge: string; d: { statements: string[] } };
      if (!this.challenges.delete(challenge)) return undefined;
      const statements = this.devices.statements().map(c.toBase64);
      this.devices.learn(d.statements.map(c.fromBase64));
      return { statements };
    }
    const act = c.parseAct(plaintext);
    if (!c.verifyAct(act, place, c.fromBase64(id))) return undefined;
    const { challenge, d } = JSON.parse(act.text) as { challenge: string; d: unknown };
    if (!this.challenges.delete(challenge)) return undefined;
    return (await this.rpc.get(name)?.(d, { id, act })) ?? {};
  }
}

export class AgentSession {
  readonly id: string;
  readonly key: c.Bytes;
  readonly prompts: TakenPrompt[] = [];
  readonly desk: AgentDesk;
  readonly socket: Socket;
  onPrompt: (prompt: { id: string; text: string }) => void = () => {};
  /** The first sender whose chain broke, as a real agent would notice it. */
  readonly chain = new c.ChainChecker();
  readonly refused: string[] = [];
  readonly credentials: AgentCredentials;
  #sender: c.SenderChain;
  #state: Record<string, any> = { requests: {}, held: [], mode: "default", model: "claude-opus-5-5" };
  #stateVersion = 0;
  #metadata: Record<string, unknown>;
  #metadataVersion: number;
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(credentials: AgentCredentials, wire: any, key: c.Bytes, metadata: Record<string, unknown>) {
    this.credentials = credentials;
    this.id = wire.id;
    this.key = key;
    this.#metadata = metadata;
    this.#metadataVersion = wire.metadataVersion;
    this.#sender = new c.SenderChain(c.newSenderId(), credentials.accountId, wire.id);
    this.desk = new AgentDesk(credentials.accountId, wire.id, key, new c.DeviceSet(credentials.accountId, credentials.accountKey), () => this.readChain());
    this.socket = io(credentials.origin, {
      path: "/v1/updates",
      transports: ["websocket"],
      forceNew: true,
      auth: { token: credentials.token, clientType: "session-scoped", sessionId: wire.id },
    });
    this.socket.on("update", (update: Update) => void this.#update(update));
    this.socket.on("rpc-request", ({ method, params }: { method: string; params: string }, ack: (value: string) => void) => void this.desk.answer(method.slice(this.id.length + 1), params).then(ack));
    this.socket.on("connect", () => {
      for (const name of ["begin", "devices", "permission", "abort", "set-mode", "set-model", "held", "take-back", "killSession"]) this.socket.emit("rpc-register", { method: `${this.id}:${name}` });
    });
  }

  static async create(credentials: AgentCredentials, options: SessionOptions = {}): Promise<AgentSession> {
    const key = c.randomBytes(32);
    const metadata = {
      path: options.path ?? "/home/noor/src/harbor-api",
      host: options.host ?? "build-02",
      version: "0.1.0",
      os: "linux",
      homeDir: "/home/noor",
      ...(options.summary === undefined ? {} : { summary: { text: options.summary, updatedAt: Date.now() } }),
      flavor: "claude",
      startedBy: "terminal",
      hostPid: 1,
      lifecycleState: options.lifecycleState ?? "running",
      lifecycleStateSince: Date.now(),
    };
    const { session } = await post(
      credentials.origin,
      "/v1/sessions",
      {
        tag: randomUUID(),
        metadata: await c.sealMetadata(c.utf8(JSON.stringify({ ...metadata, after: 0 })), key, "session"),
        dataEncryptionKey: c.sealDataKey(key, "session", credentials.accountId, credentials.contentPublicKey, credentials.device),
      },
      credentials.token,
    );
    const agent = new AgentSession(credentials, session, key, metadata);
    await new Promise<void>((resolve) => agent.socket.once("connect", resolve));
    await agent.setState({});
    return agent;
  }

  #place<K extends c.BundleKind>(kind: K): c.Place {
    return { accountId: this.credentials.accountId, scope: this.id, kind };
  }

  async #update(update: Update): Promise<void> {
    const body = update.body as any;
    if (body.t !== "new-message" || body.sid !== this.id) return;
    let opened: c.Opened;
    try {
      opened = await c.openBundle(body.message.content.c, this.key, this.#place("prompt"));
    } catch {
      return;
    }
    const act = c.parseAct(opened.plaintext);
    const id = opened.id as string;
    if (!c.verifyAct(act, this.#place("prompt") as c.ActPlace, c.fromBase64(id))) throw new Error("a prompt that nobody signed");
    const envelope = c.parseEnvelope(act.text);
    const problem = this.chain.append({ ...envelope, id });
    if (problem !== undefined || (envelope.n !== 1 && this.chain.last(envelope.from)?.n === undefined)) this.refused.push(problem?.kind ?? "gap");
    const d = envelope.d as any;
    const { seen, until } = JSON.parse(act.text) as c.PromptTerms;
    const prompt = { id, text: d.content.text as string, meta: d.meta, from: envelope.from, n: envelope.n, seen, until, device: act.device };
    this.prompts.push(prompt);
    this.onPrompt(prompt);
  }

  async readChain(): Promise<void> {
    const response = await fetch(`${this.credentials.origin}/v1/devices`, { headers: { Authorization: `Bearer ${this.credentials.token}` } });
    this.desk.devices.learn(((await response.json()) as { statements: string[] }).statements.map(c.fromBase64));
  }

  async #ask(event: string, body: unknown): Promise<any> {
    const answer = (await this.socket.timeout(5_000).emitWithAck(event, body)) as any;
    if (answer.result !== "success") throw new Error(`${event}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async seal(d: unknown): Promise<{ bundle: string; id: string }> {
    const sealed = await this.#sender.seal(d, this.key, Date.now());
    this.desk.last = sealed.id;
    return sealed;
  }

  sealPrompt(sender: c.SenderChain, text: string, device: c.KeyPair): Promise<{ bundle: string; id: string }> {
    return sender.sealPrompt({ role: "user", content: { type: "text", text }, meta: { sentFrom: "web" } }, this.key, Date.now(), { seen: null, until: Date.now() + 600_000 }, device);
  }

  sendBundle(bundle: string): Promise<any> {
    return this.#ask("message", { sid: this.id, message: bundle, localId: randomUUID() });
  }

  /** Sends in the order of calls. */
  say(d: unknown): Promise<any> {
    const result = this.#busy.then(async () => this.sendBundle((await this.seal(d)).bundle));
    this.#busy = result.catch(() => undefined);
    return result;
  }

  output(data: Record<string, unknown>, block?: string): Promise<any> {
    return this.say({ role: "agent", content: { type: "output", data }, meta: { sentFrom: "cli", ...(block === undefined ? {} : { block }) } });
  }

  event(data: Record<string, unknown>): Promise<any> {
    return this.say({ role: "agent", content: { type: "event", id: randomUUID(), data } });
  }

  taken(promptId: string): Promise<any> {
    return this.event({ type: "prompt-taken", id: promptId });
  }

  text(text: string, block?: string, parent: string | null = null): Promise<any> {
    return this.output(assistant([{ type: "text", text }], parent), block);
  }

  thinking(text: string, block?: string): Promise<any> {
    return this.output(assistant([{ type: "thinking", thinking: text, signature: "x" }], null), block);
  }

  tool(id: string, name: string, input: unknown, parent: string | null = null): Promise<any> {
    return this.output(assistant([{ type: "tool_use", id, name, input }], parent));
  }

  toolResult(id: string, content: string, options: { isError?: boolean; structured?: unknown; parent?: string | null } = {}): Promise<any> {
    return this.output({
      type: "user",
      message: { role: "user", content: [{ type: "tool_result", tool_use_id: id, content, is_error: options.isError ?? false }] },
      parent_tool_use_id: options.parent ?? null,
      tool_use_result: options.structured ?? null,
    });
  }

  result(fields: Record<string, unknown> = {}): Promise<any> {
    return this.output({ type: "result", subtype: "success", is_error: false, result: "Done.", terminal_reason: "completed", num_turns: 1, duration_ms: 4200, ...fields });
  }

  async stream(block: string, offset: number, text: string, kind: "text" | "thinking" = "text"): Promise<void> {
    this.socket.emit("stream", { sid: this.id, c: await c.sealBundle(c.utf8(JSON.stringify({ block, offset, text, kind })), this.key, this.#place("stream")) });
  }

  async sealState(state: Record<string, unknown>, v: number): Promise<string> {
    return c.sealBundle(c.utf8(JSON.stringify({ ...state, v })), this.key, this.#place("agentState"));
  }

  async setState(change: Record<string, unknown>): Promise<void> {
    Object.assign(this.#state, change);
    this.desk.v += 1;
    const agentState = await this.sealState(this.#state, this.desk.v);
    this.#stateVersion = (await this.#ask("update-state", { sid: this.id, agentState, expectedVersion: this.#stateVersion })).version;
  }

  async setMetadata(change: Record<string, unknown>): Promise<void> {
    Object.assign(this.#metadata, change);
    const metadata = await c.sealMetadata(c.utf8(JSON.stringify({ ...this.#metadata, after: this.#metadataVersion })), this.key, "session");
    this.#metadataVersion = (await this.#ask("update-metadata", { sid: this.id, metadata, expectedVersion: this.#metadataVersion })).version;
  }

  /** Asks, in the state; `large`: in a message that the state names. */
  async ask(id: string, tool: string, input: unknown, extra: Record<string, unknown> = {}, { large = false } = {}): Promise<string> {
    const text = askText(id, tool, input, { cwd: this.#metadata["path"], toolUseId: id, ...extra });
    let request: Record<string, unknown> = { ask: text, createdAt: Date.now() };
    if (large) {
      const { bundle, id: within } = await this.seal({ role: "agent", content: { type: "event", id: randomUUID(), data: { type: "ask", id, ask: text } } });
      await this.sendBundle(bundle);
      request = { ask: null, hash: c.askHash(text), in: within, createdAt: Date.now() };
    }
    await this.setState({ requests: { ...this.#state["requests"], [id]: request } });
    return text;
  }

  /** The question is answered: it leaves the state, and the history keeps who answered. */
  async answer(id: string, call?: Call): Promise<void> {
    const { [id]: request, ...requests } = this.#state["requests"];
    await this.setState({ requests });
    if (call !== undefined) await this.event({ type: "approval", ask: request.ask, id: call.id, ...call.act });
  }

  alive(thinking: boolean): void {
    this.socket.emit("session-alive", { sid: this.id, time: Date.now(), thinking, mode: "remote" });
  }

  end(): void {
    this.socket.emit("session-end", { sid: this.id, time: Date.now() });
  }

  close(): void {
    this.socket.disconnect();
  }
}

export function askText(id: string, tool: string, input: unknown, extra: Record<string, unknown> = {}): string {
  const { grants = [], ...rest } = extra;
  return JSON.stringify({ id, nonce: c.toHex(c.randomBytes(16)), tool, arguments: input, grants, ...rest });
}

export function assistant(content: unknown[], parent: string | null, extra: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: "assistant",
    message: { id: `msg_${randomUUID().slice(0, 8)}`, role: "assistant", model: "claude-opus-5-5", content, stop_reason: null },
    parent_tool_use_id: parent,
    session_id: "s",
    uuid: randomUUID(),
    ...extra,
  };
}
