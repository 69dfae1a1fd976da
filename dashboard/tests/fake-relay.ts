// A small relay for tests: one process, memory only, the parts of the wire contract the dashboard uses.
// It can be told to lie.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import { randomBytes, randomUUID } from "node:crypto";
import { Server, type Socket } from "socket.io";
import * as c from "../src/crypto/index.ts";
import { FakeLog } from "./fake-log.ts";
import type { PairingStatus, Update, WireDevice, WireMachine, WireMessage, WireSession } from "../src/api/types.ts";

interface Account {
  id: string;
  revision: number;
  updates: Update[];
  sessions: Map<string, WireSession & { tag: string; messages: WireMessage[] }>;
  machines: Map<string, WireMachine>;
  /** In the order of the chain. */
  statements: c.Bytes[];
  devices: Map<string, WireDevice & { tokens: string[] }>;
  rpc: Map<string, Socket>;
}

interface Pairing {
  request: c.PairingRequest;
  account?: Account;
  /** Device id of the one who answered. */
  by?: string;
  response?: string;
  nonce?: string;
  state: "pending" | "answered" | "revealed" | "authorized" | "refused";
}

export const csp = (host: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self' ws://${host} wss://${host}; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const mime: Record<string, string> = {
  html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", woff2: "font/woff2", woff: "font/woff", svg: "image/svg+xml", json: "application/json", webmanifest: "application/manifest+json", png: "image/png",
};

const eventTypes: Record<string, number> = { "new-message": 4, "new-session": 3, "delete-session": 8, device: 2, "session-activity": 7, "new-machine": 9, "update-session": 6 };

export class FakeRelay {
  log: string = randomUUID();
  /** The log behind it; null: a relay that proves nothing. */
  proofs: FakeLog | null = new FakeLog(this.log);
  /** Answers of the log's routes on their way out: a test may change them. */
  tamperProof: ((answer: Record<string, any>, path: string) => Record<string, any>) | null = null;
  /** Requests to the log's routes. */
  asked: string[] = [];
  /** How many sessions one list has. */
  listed = 150;
  /** How often each list, page or session was read. */
  reads: string[] = [];
  /** The answer to a request for one session is made, and waits for this on its way. */
  holdSession: Promise<void> | null = null;
  /** Answers to `message`: tests may put a refusal here. */
  refuse: ((sid: string) => { code: string; message: string; retry: false | number } | null) | null = null;
  /** Changes what this relay shows as an account's chain of devices. */
  tamperChain: ((statements: c.Bytes[]) => c.Bytes[]) | null = null;
  /** Statements that are posted are dropped, and answered as taken. */
  dropStatements = false;
  /** Changes what is said of pairings. */
  tamperPairing: ((status: PairingStatus) => PairingStatus) | null = null;
  /** A refusal of every confirmation of a pairing. */
  refuseConfirm: (() => Refusal) | null = null;
  /** Swallows the relay's answer to so many answers of pairings. */
  loseAnswers = 0;
  /** The codes that are good, where a new account needs one. */
  invitations: Set<string> | null = null;
  /** A refusal of every sign-in. */
  refuseLogin: (() => Refusal) | null = null;
  /** Runs before a statement is taken: another client may be faster. */
  beforeStatement: ((account: Account) => void) | null = null;
  /** Swallows the answer to the next stored messages, as a connection that breaks in between does. */
  loseAcks = 0;
  /** Changes or drops updates on their way to dashboards. */
  tamper: ((update: Update) => Update | null) | null = null;
  /** Tampers with stored messages as REST hands them out. */
  tamperList: ((messages: WireMessage[]) => WireMessage[]) | null = null;
  /** Changes what an agent answers to a call. */
  tamperAnswer: ((name: string, result: string) => string) | null = null;
  stored: { sid: string; localId: string | null }[] = [];
  origin = "";
  readonly accounts = new Map<string, Account>();
  #http: HttpServer | null = null;
  #io: Server | null = null;
  #challenges = new Map<string, { publicKey: string; accountId: string }>();
  #pairings = new Map<string, Pairing>();
  #tokens = new Map<string, { account: Account; device: string }>();
  #static: string | null;

  constructor(options: { serve?: string } = {}) {
    this.#static = options.serve ?? null;
  }

  /** Has every client read its lists again. */
  resync(reason: string): void {
    this.#io?.emit("resync", { reason });
  }

  async start(port = 0): Promise<void> {
    const http = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        const known = error instanceof Refusal ? error : new Refusal(500, "internal", String(error));
        this.#json(response, known.status, { error: known.message, code: known.code, retry: false, ...known.body });
      });
    });
    this.#http = http;
    await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
    const address = http.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.origin = `http://127.0.0.1:${address.port}`;
    this.#io = new Server(http, { path: "/v1/updates", maxHttpBufferSize: 16 << 20 });
    this.#io.use((socket, next) => {
      const entry = this.#tokens.get(String(socket.handshake.auth["token"]));
      if (entry === undefined || entry.account.devices.get(entry.device)?.revokedAt != null) return next(new Error("Invalid authentication token"));
      socket.data["account"] = entry.account;
      socket.data["device"] = entry.device;
      socket.data["user"] = (socket.handshake.auth["clientType"] ?? "user-scoped") === "user-scoped";
      next();
    });
    this.#io.on("connection", (socket) => this.#connection(socket));
  }

  async stop(): Promise<void> {
    for (const socket of this.#io?.sockets.sockets.values() ?? []) socket.conn.close();
    const closed = new Promise<void>((resolve) => (this.#io === null ? resolve() : void this.#io.close(() => resolve())));
    this.#http?.closeAllConnections();
    await closed;
    this.#http = null;
    this.#io = null;
  }

  /** Comes back on the same port with the same memory. */
  async restart(): Promise<void> {
    const port = Number(new URL(this.origin).port);
    await this.start(port);
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  dropConnections(): void {
    for (const socket of this.#io?.sockets.sockets.values() ?? []) socket.conn.close();
  }

  forgetTokens(): void {
    this.#tokens.clear();
  }

  /** A backup is restored: the chain as it was after its first `count` statements. */
  restoreChain(count: number): void {
    const account = this.onlyAccount;
    account.statements.length = count;
    const kept = new Set(account.statements.map((statement) => c.toBase64(c.parseStatement(statement).device)));
    for (const [id, device] of account.devices) if (!kept.has(device.publicKey ?? "")) account.devices.delete(id);
  }

  get onlyAccount(): Account {
    return [...this.accounts.values()][0] as Account;
  }

  // --- events ---

  emit(account: Account, body: Record<string, unknown> & { t: string }, skip?: Socket): number {
    account.revision += 1;
    const fields = body["message"] as WireMessage | undefined;
    if (fields !== undefined) fields.revision = account.revision;
    const content = fields === undefined ? c.utf8(JSON.stringify(body)) : c.fromBase64(fields.content.c);
    const stream = String(body["sid"] ?? body["id"] ?? account.id);
    const time = fields?.createdAt;
    this.proofs?.append({ type: eventTypes[body.t] ?? 1, account: account.id, stream, revision: account.revision, seq: fields?.seq ?? 0, ...(time === undefined ? {} : { time }) }, content);
    const update: Update = { id: randomBytes(6).toString("hex"), seq: account.revision, body, createdAt: Date.now() };
    account.updates.push(update);
    const sent = this.tamper === null ? update : this.tamper(update);
    if (sent !== null) {
      for (const socket of this.#sockets(account)) {
        if (socket === skip || socket.data["caught"] !== true) continue;
        if (socket.data["user"] === true || (body["sid"] ?? body["id"]) === socket.data["session"]) socket.emit("update", sent);
      }
    }
    return account.revision;
  }

  ephemeral(account: Account, body: Record<string, unknown>): void {
    for (const socket of this.#sockets(account)) if (socket.data["user"] === true) socket.emit("ephemeral", body);
  }

  #sockets(account: Account): Socket[] {
    return [...(this.#io?.sockets.sockets.values() ?? [])].filter((socket) => socket.data["account"] === account);
  }

  #connection(socket: Socket): void {
    const account = socket.data["account"] as Account;
    socket.data["session"] = socket.handshake.auth["sessionId"];
    const since = socket.handshake.auth["since"] as { log: string; revision: number } | null | undefined;
    if (since === undefined || since === null) {
      socket.data["caught"] = true;
      if (since === null) socket.emit("caught-up", { log: this.log, revision: account.revision });
    } else if (since.log !== this.log || since.revision > account.revision) {
      socket.emit("resync", { reason: since.log !== this.log ? "another-log" : "ahead" });
    } else {
      for (const update of account.updates.slice(since.revision)) {
        const sent = this.tamper === null ? update : this.tamper(update);
        if (sent !== null) socket.emit("update", sent);
      }
      socket.data["caught"] = true;
      socket.emit("caught-up", { log: this.log, revision: account.revision });
    }

    socket.on("message", (body: { sid: string; message: string; localId?: string }, ack?: (value: unknown) => void) => {
      const session = account.sessions.get(body.sid);
      const refusal = session === undefined ? { code: "not-found", message: "Session not found", retry: false as const } : this.refuse?.(body.sid);
      if (session === undefined || refusal != null) return ack?.({ result: "error", ...refusal });
      const message = this.store(account, session, body.message, body.localId ?? null, socket);
      if (this.loseAcks > 0) {
        this.loseAcks -= 1;
        socket.conn.close();
        return;
      }
      ack?.({ result: "success", id: message.id, seq: message.seq, localId: message.localId, createdAt: message.createdAt, revision: message.revision });
    });
    for (const [event, field, version] of [["update-metadata", "metadata", "metadataVersion"], ["update-state", "agentState", "agentStateVersion"]] as const) {
      socket.on(event, (body: { sid: string; metadata?: string; agentState?: string; expectedVersion: number }, ack?: (value: unknown) => void) => {
        const session = account.sessions.get(body.sid);
        if (session === undefined) return ack?.({ result: "error", code: "not-found", message: "Session not found", retry: false });
        if (Math.max(body.expectedVersion, 0) !== session[version]) return ack?.({ result: "version-mismatch", version: session[version], [field]: session[field] });
        session[version] = account.revision + 1;
        Object.assign(session, { [field]: body[field] });
        session.updatedAt = Date.now();
        this.emit(account, { t: "update-session", id: session.id, [field]: { value: body[field], version: session[version] } });
        ack?.({ result: "success", version: session[version], [field]: body[field] });
      });
    }
    socket.on("session-alive", (body: { sid: string; thinking?: boolean }) => this.alive(account, body.sid, true, body.thinking === true));
    socket.on("session-end", (body: { sid: string }) => this.alive(account, body.sid, false, false));
    socket.on("stream", (body: { sid: string; c: string }) => this.ephemeral(account, { type: "stream", ...body }));
    socket.on("ping", (ack: (value: unknown) => void) => ack({}));
    socket.on("rpc-register", ({ method }: { method: string }) => {
      account.rpc.set(method, socket);
      socket.emit("rpc-registered", { method });
    });
    socket.on("rpc-call", ({ method, params }: { method: string; params: string }, ack: (value: unknown) => void) => {
      const target = account.rpc.get(method);
      if (target === undefined || !target.connected) return ack({ ok: false, error: "RPC method not available", code: "not-found" });
      target.timeout(5_000).emit("rpc-request", { method, params }, (error: Error | null, result: string) => {
        const name = method.slice(method.indexOf(":") + 1);
        ack(error === null ? { ok: true, result: this.tamperAnswer?.(name, result) ?? result } : { ok: false, error: "operation has timed out", code: "timeout" });
      });
    });
  }

  alive(account: Account, sid: string, active: boolean, thinking: boolean): void {
    const session = account.sessions.get(sid);
    if (session === undefined) return;
    if (session.active !== active) {
      session.active = active;
      session.activeAt = Date.now();
      this.emit(account, { t: "session-activity", id: sid, active, activeAt: session.activeAt });
    }
    session.activeAt = Date.now();
    this.ephemeral(account, { type: "activity", id: sid, active, activeAt: session.activeAt, thinking });
  }

  store(account: Account, session: WireSession & { messages: WireMessage[] }, content: string, localId: string | null, sender?: Socket): WireMessage {
    const known = localId === null ? undefined : session.messages.find((m) => m.localId === localId);
    if (known !== undefined) return known;
    const now = Date.now();
    session.seq += 1;
    session.updatedAt = now;
    const message: WireMessage = { id: randomUUID(), seq: session.seq, revision: 0, content: { t: "encrypted", c: content }, localId, createdAt: now, updatedAt: now };
    session.messages.push(message);
    this.stored.push({ sid: session.id, localId });
    this.emit(account, { t: "new-message", sid: session.id, message }, sender);
    return message;
  }

  // --- HTTP ---

  #proof(response: ServerResponse, answer: Record<string, any>, path: string): void {
    this.#json(response, 200, this.tamperProof === null ? answer : this.tamperProof(answer, path));
  }

  #deletion(about: "session" | "account", id: string, account: Account, revisions: [number, number], counts: string[], time: number): Record<string, unknown> {
    if (this.proofs === null) return {};
    const record = this.proofs.record(this.proofs.find(account.id, revisions[1]));
    const answer = { receipt: this.proofs.receipt(about, id, revisions, counts, time), proof: { checkpoint: this.proofs.checkpoint(), record } };
    return this.tamperProof === null ? answer : this.tamperProof(answer, "/deletion");
  }

  #json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.origin);
    if (url.pathname.startsWith("/v1/updates")) return;
    if (!/^\/v\d/.test(url.pathname)) return this.#file(url.pathname, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, any>);
    const method = request.method ?? "GET";
    const route = `${method} ${url.pathname}`;

    if (route === "POST /v1/auth/challenge") return this.#json(response, 200, this.#challenge(body["publicKey"], body["origin"]));
    if (route === "POST /v1/auth" && this.refuseLogin !== null) throw this.refuseLogin();
    if (route === "POST /v1/auth") return this.#json(response, 200, body["accountId"] === undefined ? this.#login(body as unknown as c.LoginBody) : this.#loginAlone(body as unknown as c.DeviceLoginBody));
    if (route === "POST /v1/devices/statements") {
      const statements = (body["statements"] as string[]).map(c.fromBase64);
      const account = [...this.accounts.values()].find(({ id }) => id === c.parseStatement(statements[0] as c.Bytes).accountId);
      if (account === undefined) throw new Refusal(404, "not-found", "Account not found");
      this.beforeStatement?.(account);
      if (!this.dropStatements) for (const statement of statements) this.#append(account, statement);
      return this.#json(response, 200, { success: true });
    }
    if (url.pathname.startsWith("/v1/log/")) this.asked.push(url.pathname + url.search);
    if (route === "GET /v1/log/key" && this.proofs !== null) {
      const { origin, verifier } = this.proofs;
      return this.#proof(response, { log: this.proofs.id, origin, key: c.verifierText(verifier), publicKey: c.toBase64(verifier.key) }, url.pathname);
    }
    if (route === "POST /v1/auth/request") {
      const wanted = body as unknown as c.PairingRequest;
      const known = this.#pairings.get(wanted.publicKey);
      if (known !== undefined && JSON.stringify(known.request) !== JSON.stringify(wanted)) throw new Refusal(409, "conflict", "Another request has this key");
      if (known === undefined) this.#pairings.set(wanted.publicKey, { request: wanted, state: "pending" });
      return this.#json(response, 200, { success: true });
    }
    if (route === "GET /v1/auth/request/status") {
      const key = url.searchParams.get("publicKey") ?? "";
      const status = this.#pairingStatus(this.#pairings.get(key));
      return this.#json(response, 200, this.tamperPairing === null ? status : this.tamperPairing(status));
    }
    if (route === "POST /v1/auth/reveal") {
      const pairing = this.#pairingOf(body["publicKey"]);
      const { publicKey, device, commit } = pairing.request;
      const fits = c.toBase64(c.pairingCommit(c.fromBase64(publicKey), c.fromBase64(device.publicKey), c.fromBase64(body["nonce"])));
      if (fits !== commit) throw new Refusal(400, "bad-request", "This does not fit the commitment");
      if (pairing.state === "pending") throw new Refusal(409, "conflict", "Nobody has answered yet");
      if (pairing.state === "answered") Object.assign(pairing, { state: "revealed", nonce: body["nonce"] });
      return this.#json(response, 200, { success: true });
    }
    if (route === "POST /v1/auth/refuse" && body["signature"] !== undefined) {
      const pairing = this.#pairingOf(body["publicKey"]);
      if (!this.#refusedByAgent(pairing, body["signature"])) throw new Refusal(400, "bad-request", "Not the device's signature");
      this.#refuse(pairing);
      return this.#json(response, 200, { success: true });
    }

    const entry = this.#tokens.get((request.headers.authorization ?? "").replace(/^Bearer /, ""));
    if (entry === undefined) throw new Refusal(401, "unauthorized", "Invalid token");
    const { account, device } = entry;
    if (account.devices.get(device)?.revokedAt != null && route !== "GET /v1/devices") throw new Refusal(401, "revoked", "This device was revoked");
    if (route === "POST /v1/auth/logout") {
      for (const token of account.devices.get(device)?.tokens.splice(0) ?? []) this.#tokens.delete(token);
      for (const socket of this.#sockets(account)) if (socket.data["device"] === device) socket.disconnect(true);
      return this.#json(response, 200, { success: true });
    }
    const position = { log: this.log, revision: account.revision };
    const headers = { "X-Consortium-Log": this.log, "X-Consortium-Revision": String(account.revision) };

    if (this.proofs !== null && (route === "GET /v1/log/checkpoint" || route === "GET /v1/log/proof")) {
      const log = this.proofs;
      const from = url.searchParams.get("from");
      if (Number(from) > log.size) throw new Refusal(409, "conflict", "The log has no such size");
      const head = { log: log.id, checkpoint: log.checkpoint(), ...(from === null ? {} : { consistency: log.consistency(Number(from)) }) };
      if (route.endsWith("checkpoint")) return this.#proof(response, head, url.pathname);
      const first = Number(url.searchParams.get("revision"));
      const count = Math.min(Number(url.searchParams.get("count") ?? 1), account.revision - first + 1);
      const found = Array.from({ length: Math.max(count, 0) }, (_, i) => log.find(account.id, first + i)).filter((index) => index >= 0);
      if (found.length === 0) throw new Refusal(404, "not-found", "Not found");
      return this.#proof(response, { ...head, records: found.map((index) => log.record(index)) }, url.pathname);
    }
    if (route === "POST /v1/invitations") {
      const letters = [...randomBytes(25)].map((byte) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte & 31]).join("");
      const invitation = letters.match(/.{5}/g)?.join("-") ?? "";
      this.invitations?.add(invitation);
      return this.#json(response, 200, { code: invitation, link: `${this.origin}/#invite=${invitation}`, expiresAt: Date.now() + 7 * 86_400_000 });
    }
    if (route === "DELETE /v1/account") {
      const signed = this.#challenges.get(body["challenge"]);
      const key = [...this.accounts].find(([, known]) => known === account)?.[0] ?? "";
      if (signed?.publicKey !== key || !c.verifySignature(c.fromBase64(body["signature"]), c.fromBase64(body["challenge"]), c.fromBase64(key))) throw new Refusal(401, "unauthorized", "Invalid signature");
      account.revision += 1;
      const deletion = this.proofs?.append({ type: 18, account: account.id, stream: account.id, revision: account.revision, seq: 0 }, new Uint8Array());
      const counts = [`sessions ${account.sessions.size}`, `machines ${account.machines.size}`];
      this.accounts.delete(key);
      for (const [token, known] of this.#tokens) if (known.account === account) this.#tokens.delete(token);
      this.#json(response, 200, { success: true, ...this.#deletion("account", account.id, account, [1, account.revision], counts, deletion?.time ?? 0) });
      for (const socket of this.#sockets(account)) socket.disconnect(true);
      return;
    }

    if (route === "POST /v1/auth/response") {
      const pairing = this.#pairingOf(body["publicKey"]);
      const same = pairing.response === body["response"] && pairing.by === device;
      if (pairing.state !== "pending" && !same) throw new Refusal(409, "conflict", "Somebody has answered");
      if (pairing.state === "pending") Object.assign(pairing, { state: "answered", account, by: device, response: body["response"] });
      if (this.loseAnswers > 0) {
        this.loseAnswers -= 1;
        response.destroy();
        return;
      }
      return this.#json(response, 200, { success: true });
    }
    if (route === "POST /v1/auth/confirm" || route === "POST /v1/auth/refuse") {
      const pairing = this.#pairingOf(body["publicKey"]);
      if (pairing.account !== account) throw new Refusal(404, "not-found", "Request not found");
      if (pairing.by !== device) throw new Refusal(403, "forbidden", "Another device answered");
      if (route.endsWith("refuse")) {
        this.#refuse(pairing);
        return this.#json(response, 200, { success: true });
      }
      if (this.refuseConfirm !== null) throw this.refuseConfirm();
      if (pairing.state === "answered" || pairing.state === "refused") throw new Refusal(409, "conflict", "Not revealed");
      const known = this.#deviceOf(account, pairing.request.device.publicKey);
      if (body["statement"] !== undefined) {
        this.beforeStatement?.(account);
        this.#append(account, c.fromBase64(body["statement"]));
      } else if (known === undefined || known.revokedAt !== null || known.kind !== "agent") {
        throw new Refusal(409, "conflict", "The chain does not name this device", { statements: this.chain(account).map(c.toBase64) });
      }
      pairing.state = "authorized";
      return this.#json(response, 200, { success: true });
    }
    if (method === "GET") this.reads.push(url.pathname);
    if (route === "GET /v1/sessions") {
      const sessions = [...account.sessions.values()].sort((a, b) => b.updatedAt - a.updatedAt).slice(0, this.listed).map(wire);
      return this.#json(response, 200, { sessions, hasMore: account.sessions.size > sessions.length, ...position }, headers);
    }
    if (route === "GET /v2/sessions") {
      const before = url.searchParams.get("cursor")?.replace("cursor_v1_", "");
      const found = [...account.sessions.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).filter(({ id }) => before === undefined || id < before);
      const sessions = found.slice(0, this.listed).map(wire);
      const hasNext = found.length > sessions.length;
      return this.#json(response, 200, { sessions, nextCursor: hasNext ? `cursor_v1_${sessions.at(-1)?.id}` : null, hasNext, ...position });
    }
    if (route === "POST /v1/sessions") {
      let session = [...account.sessions.values()].find((s) => s.tag === body["tag"]);
      if (session === undefined) {
        const now = Date.now();
        session = {
          id: randomUUID(), tag: body["tag"], messages: [], seq: 0, createdAt: now, updatedAt: now, active: true, activeAt: now,
          metadata: body["metadata"], metadataVersion: account.revision + 1, agentState: null, agentStateVersion: 0, dataEncryptionKey: body["dataEncryptionKey"] ?? null,
        };
        account.sessions.set(session.id, session);
        this.emit(account, { t: "new-session", ...wire(session) });
      }
      return this.#json(response, 200, { session: wire(session) });
    }
    if (route === "GET /v1/machines") return this.#json(response, 200, [...account.machines.values()], headers);
    if (route === "GET /v1/devices") {
      const devices = [...account.devices.values()].map(({ tokens: _, ...rest }) => rest);
      return this.#json(response, 200, { devices, statements: this.chain(account).map(c.toBase64), ...position });
    }
    const one = /^\/v\d\/(sessions)\/([^/]+)(\/\w+)?$/.exec(url.pathname);
    const session = one?.[1] === "sessions" ? account.sessions.get(decodeURIComponent(one[2] as string)) : undefined;
    if (one?.[1] === "sessions" && session === undefined) throw new Refusal(404, "not-found", "Session not found");
    if (session !== undefined && one?.[3] === undefined && method === "GET") {
      const answer = { session: wire(session), ...position };
      await this.holdSession;
      return this.#json(response, 200, answer);
    }
    if (session !== undefined && one?.[3] === "/messages") {
      const limit = Number(url.searchParams.get("limit") ?? 100);
      const before = url.searchParams.get("before_seq");
      const after = Number(url.searchParams.get("after_seq") ?? 0);
      const all = this.tamperList === null ? session.messages : this.tamperList(session.messages);
      const found = before === null ? all.filter((m) => m.seq > after) : all.filter((m) => m.seq < Number(before)).reverse();
      return this.#json(response, 200, { messages: found.slice(0, limit), hasMore: found.length > limit, ...position });
    }
    if (session !== undefined && one?.[3] === "/archive") {
      this.alive(account, session.id, false, false);
      return this.#json(response, 200, { success: true });
    }
    if (session !== undefined && method === "DELETE") {
      account.sessions.delete(session.id);
      const created = account.updates.find((update) => update.body.t === "new-session" && (update.body as { id?: string }).id === session.id)?.seq ?? 1;
      const revision = this.emit(account, { t: "delete-session", sid: session.id, ...(body["device"] === undefined ? {} : { device: body["device"], signature: body["signature"] }) });
      this.proofs?.shred(session.id);
      return this.#json(response, 200, { success: true, ...this.#deletion("session", session.id, account, [created, revision], [`messages ${session.messages.length}`], this.proofs?.records.at(-1)?.header.time ?? 0) });
    }
    throw new Refusal(404, "not-found", "Not found");
  }

  #pairingOf(publicKey: string): Pairing {
    const pairing = this.#pairings.get(publicKey);
    if (pairing === undefined) throw new Refusal(404, "not-found", "Request not found");
    return pairing;
  }

  #pairingStatus(pairing: Pairing | undefined): PairingStatus {
    if (pairing === undefined) return { status: "not_found" };
    const { request, state, response, nonce, account } = pairing;
    const { device, commit, signature, mac } = request;
    const pending = { device, commit, signature, mac };
    if (state === "pending") return { status: state, ...pending };
    if (state === "answered") return { status: state, ...pending, response: response as string };
    if (state === "revealed") return { status: state, ...pending, response: response as string, nonce: nonce as string };
    return state === "refused" ? { status: state } : { status: state, statements: this.chain(account as Account).map(c.toBase64) };
  }

  #refusedByAgent({ request }: Pairing, signature: string): boolean {
    const { publicKey, device, commit, mac } = request;
    const text = c.concat(c.utf8("consortium pairing request 2\n"), c.fromBase64(publicKey), c.fromBase64(device.publicKey), Uint8Array.of(1), c.fromBase64(commit), c.len16(c.utf8(device.sealedName)));
    return c.isRefusal(c.sha256(text, c.fromBase64(request.signature), c.fromBase64(mac)), c.fromBase64(device.publicKey), signature);
  }

  #refuse(pairing: Pairing): void {
    if (pairing.state === "authorized") throw new Refusal(409, "conflict", "It is confirmed");
    pairing.state = "refused";
  }

  /** A restart voids what was not confirmed. */
  forgetPairings(): void {
    this.#pairings.clear();
  }

  #challenge(publicKey: string, origin: string): { challenge: string; expiresAt: number } {
    const expiresAt = Date.now() + 60_000;
    const challenge = c.toBase64(c.utf8(["consortium-login-1", origin, publicKey, expiresAt, randomBytes(32).toString("base64")].join("\n")));
    this.#challenges.set(challenge, { publicKey, accountId: randomUUID() });
    return { challenge, expiresAt };
  }

  #login(body: c.LoginBody): Record<string, unknown> {
    const challenge = this.#challenges.get(body.challenge);
    if (challenge?.publicKey !== body.publicKey) throw new Refusal(401, "unauthorized", "Unknown challenge");
    this.#challenges.delete(body.challenge);
    const { device } = body;
    const origin = c.fromUtf8(c.fromBase64(body.challenge)).split("\n")[1] as string;
    const signed = c.concat(c.fromBase64(body.challenge), device === undefined ? new Uint8Array() : c.fromBase64(device.publicKey));
    const good =
      c.verifySignature(c.fromBase64(body.signature), signed, c.fromBase64(body.publicKey)) &&
      (device === undefined || c.verifySignature(c.fromBase64(body.deviceSignature ?? ""), signed, c.fromBase64(device.publicKey)));
    if (!good) throw new Refusal(401, "unauthorized", "Invalid signature");
    let account = this.accounts.get(body.publicKey);
    if (body.account !== undefined && account?.id !== body.account) throw new Refusal(404, "not-found", "this account is not here any more");
    if (account === undefined && device !== undefined && body.create !== true) throw new Refusal(404, "not-found", "No account has this key");
    const made = account === undefined;
    const code = /(?:#invite=)?([A-Z2-7-]+)$/.exec((body as { invitation?: string }).invitation ?? "")?.[1] ?? "";
    if (made && this.invitations !== null && !this.invitations.has(code)) throw new Refusal(403, "invitation-required", "this relay makes new accounts by invitation");
    account ??= { id: challenge.accountId, revision: 0, updates: [], sessions: new Map(), machines: new Map(), statements: [], devices: new Map(), rpc: new Map() };
    let id = "none";
    if (device !== undefined) {
      const known = this.#deviceOf(account, device.publicKey);
      if (known?.revokedAt != null) throw new Refusal(401, "revoked", "This device was revoked");
      if (known === undefined) {
        const next = (): Record<string, unknown> => {
          const fresh = this.#challenge(body.publicKey, origin);
          (this.#challenges.get(fresh.challenge) as { accountId: string }).accountId = account.id;
          return { accountId: account.id, statements: this.chain(account).map(c.toBase64), ...fresh };
        };
        if (body.statement === undefined) throw new Refusal(409, "conflict", "The chain does not name this device", next());
        const statement = c.fromBase64(body.statement);
        if (c.toBase64(c.parseStatement(statement).device) !== device.publicKey) throw new Refusal(400, "bad-request", "The statement is about another device");
        this.beforeStatement?.(account);
        this.accounts.set(body.publicKey, account);
        if (made) this.emit(account, { t: "none" });
        this.#append(account, statement, next);
      }
      id = (this.#deviceOf(account, device.publicKey) as WireDevice).id;
    } else if (made) {
      this.accounts.set(body.publicKey, account);
      this.emit(account, { t: "none" });
    }
    return { success: true, token: this.#token(account, id), accountId: account.id, deviceId: id };
  }

  #loginAlone(body: c.DeviceLoginBody): Record<string, unknown> {
    if (this.#challenges.get(body.challenge)?.publicKey !== body.device.publicKey) throw new Refusal(401, "unauthorized", "Unknown challenge");
    this.#challenges.delete(body.challenge);
    const key = c.fromBase64(body.device.publicKey);
    if (!c.verifySignature(c.fromBase64(body.deviceSignature), c.concat(c.fromBase64(body.challenge), key), key)) throw new Refusal(401, "unauthorized", "Invalid signature");
    const account = [...this.accounts.values()].find(({ id }) => id === body.accountId);
    const known = account === undefined ? undefined : this.#deviceOf(account, body.device.publicKey);
    if (account === undefined || known === undefined || known.kind !== body.device.kind) throw new Refusal(404, "not-found", "Not found");
    if (known.revokedAt !== null) throw new Refusal(401, "revoked", "This device was revoked");
    return { success: true, token: this.#token(account, known.id), accountId: account.id, deviceId: known.id };
  }

  #deviceOf(account: Account, publicKey: string): (WireDevice & { tokens: string[] }) | undefined {
    return [...account.devices.values()].find((device) => device.publicKey === publicKey);
  }

  /** What this relay shows as the chain. */
  chain(account: Account): c.Bytes[] {
    return this.tamperChain === null ? account.statements : this.tamperChain([...account.statements]);
  }

  /** As the relay does: one that it has is passed over, the next is taken. */
  #append(account: Account, statement: c.Bytes, beside: () => Record<string, unknown> = () => ({ statements: this.chain(account).map(c.toBase64) })): void {
    const text = c.toBase64(statement);
    if (account.statements.some((known) => c.toBase64(known) === text)) return;
    const accountKey = c.fromBase64([...this.accounts].find(([, known]) => known === account)?.[0] as string);
    const { chain } = c.DeviceChain.read(account.id, accountKey, account.statements);
    try {
      chain.append(statement);
    } catch (error) {
      const rule = error instanceof c.StatementError ? error.rule : "form";
      if (["n", "previous", "known", "unknown", "twice"].includes(rule)) throw new Refusal(409, "conflict", "Not the next statement", beside());
      throw new Refusal(400, "bad-request", `The statement breaks a rule: ${rule}`);
    }
    account.statements.push(statement);
    const { device, kind, action, time } = c.parseStatement(statement);
    if (action === "add") {
      this.#addDevice(account, c.toBase64(device), kind, time);
      this.emit(account, { t: "device", statement: text });
      return;
    }
    const found = this.#deviceOf(account, c.toBase64(device)) as WireDevice;
    found.revokedAt = time;
    this.emit(account, { t: "device", statement: text });
    for (const socket of this.#sockets(account)) if (socket.data["device"] === found.id) socket.disconnect(true);
  }

  /** For tests: another client appends this. */
  append(account: Account, statement: c.Bytes): void {
    this.#append(account, statement);
  }

  #addDevice(account: Account, publicKey: string, kind: c.DeviceKind, createdAt = Date.now()): string {
    const id = randomUUID();
    account.devices.set(id, { id, publicKey, kind, createdAt, revokedAt: null, stated: true, tokens: [] });
    return id;
  }

  #token(account: Account, device: string): string {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "EdDSA" })}.${part({ sub: account.id, jti: device, n: randomBytes(8).toString("hex") })}.${part("signature")}`;
    this.#tokens.set(token, { account, device });
    account.devices.get(device)?.tokens.push(token);
    return token;
  }

  async #file(path: string, response: ServerResponse): Promise<void> {
    if (this.#static === null) throw new Refusal(404, "not-found", "Not found");
    const wanted = normalize(path).replace(/^\/+/, "") || "index.html";
    let bytes: Buffer;
    let name = wanted;
    try {
      bytes = await readFile(join(this.#static, wanted));
    } catch {
      name = "index.html";
      bytes = await readFile(join(this.#static, name));
    }
    response.writeHead(200, { "Content-Type": mime[name.split(".").pop() ?? ""] ?? "application/octet-stream", "Content-Security-Policy": csp(response.req.headers.host ?? ""), "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" });
    response.end(bytes);
  }
}

export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: Record<string, unknown>;
  constructor(status: number, code: string, message: string, body: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

function wire(session: WireSession & { tag: string; messages: WireMessage[] }): WireSession & { lastMessage: null } {
  const { tag: _tag, messages: _messages, ...rest } = session;
  return { ...rest, lastMessage: null };
}
