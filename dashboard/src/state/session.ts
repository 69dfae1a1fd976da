// One session: its sealed fields, its status, its conversation.
import type { WireMessage, WireSession } from "../api/types.ts";
import { type Bytes, ChainChecker, CryptoError, fromUtf8, type Link, openBundle, openMetadata, unwrapDataKey } from "../crypto/index.ts";
import { type Decoded, decodeMessage } from "./decode.ts";
import { type Partial, Partials } from "./partials.ts";
import { type AgentState, askLine, emptyAgent, emptyMetadata, readAgentState, readMetadata, type SessionStatus, type SessionSummary } from "./sessionfields.ts";
import { coalesced, Signal } from "./signal.ts";
import { baseName, describeTool, firstLine } from "./tools.ts";
import type { Shown } from "./proofs.ts";
import { type Item, type PromptRow, record, type Row, string, Transcript } from "./transcript.ts";

export interface Conversation {
  readonly state: "unloaded" | "loading" | "ready" | "failed";
  readonly error: string | null;
  readonly rows: readonly Row[];
  readonly pending: readonly PromptRow[];
  readonly partials: readonly Partial[];
  readonly hasOlder: boolean;
  readonly loadingOlder: boolean;
  readonly model: string | null;
}

export interface SessionDeps {
  readonly accountId: string;
  readonly contentSecretKey: Bytes;
  readonly now: () => number;
  fetchMessages(sid: string, page: { after: number } | { before: number }, limit: number): Promise<{ messages: WireMessage[]; hasMore: boolean }>;
  pending(sid: string): PromptRow[];
  /** A message is in the conversation: the log must hold it. */
  shown(message: Shown): void;
  /** What this browser remembers of the session. */
  remembered(sid: string): Promise<Remembered | undefined>;
  remember(sid: string, memory: Remembered): void;
  changed(): void;
}

interface SeenVersion {
  readonly version: number;
  readonly after: number | null;
}

/** Kept in IndexedDB, so that a relay cannot show an older state after a reload. */
export interface Remembered {
  metadata?: SeenVersion;
  agentState?: SeenVersion;
  /** message.seq up to which the person has looked. */
  read?: number;
  archived?: boolean;
}

const beyondEverything = 2_147_483_647;
export const pageSize = 150;
const publishMs = 16;

export class SessionModel {
  readonly id: string;
  readonly summary: Signal<SessionSummary>;
  readonly conversation: Signal<Conversation>;
  #deps: SessionDeps;
  #key: Bytes | null = null;
  #problem: string | null = null;
  #alarm: string | null = null;
  /** Fields whose latest value did not open. */
  #unopened = new Set<"metadata" | "agentState">();
  #metadata = emptyMetadata;
  #agent = emptyAgent;
  #seen: { metadata: SeenVersion; agentState: SeenVersion } = { metadata: { version: 0, after: null }, agentState: { version: 0, after: null } };
  #read: number | null = null;
  #archived = false;
  #memory: Promise<void>;

  #active: boolean;
  #activeAt: number;
  #thinking: boolean | null = null;
  #createdAt: number;
  #updatedAt: number;
  #lastSeq: number;
  #firstPrompt: string | null = null;
  #lastLine: string | null = null;
  #lastOutcome: "done" | "stopped" | "failed" | "open" | null = null;

  #state: Conversation["state"] = "unloaded";
  #error: string | null = null;
  #items: Item[] = [];
  #held = new Map<number, WireMessage>();
  #filling = false;
  #chain = new ChainChecker();
  #transcript = new Transcript();
  /** What was last published: the same array for as long as no row changed. */
  #rows: readonly Row[] | null = null;
  #hasOlder = false;
  #loadingOlder = false;
  #acked = new Map<string, PromptRow>();
  #partials = new Partials();
  #busy: Promise<unknown> = Promise.resolve();
  #publishConversation: () => void;
  #publishSummary: () => void;

  constructor(wire: WireSession, deps: SessionDeps) {
    this.id = wire.id;
    this.#deps = deps;
    this.#active = wire.active;
    this.#activeAt = wire.activeAt;
    this.#createdAt = wire.createdAt;
    this.#updatedAt = wire.updatedAt;
    this.#lastSeq = wire.seq;
    this.#publishConversation = coalesced(() => this.conversation.set(this.#snapshot()), publishMs);
    this.#publishSummary = coalesced(() => {
      this.summary.set(this.#summarise());
      deps.changed();
    }, publishMs);
    this.summary = new Signal(this.#summarise());
    this.conversation = new Signal(this.#snapshot());
    if (wire.dataEncryptionKey === null) {
      this.#problem = "It was made by a client that seals it in a way this dashboard does not read.";
    } else {
      try {
        this.#key = unwrapDataKey(wire.dataEncryptionKey, deps.contentSecretKey);
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error;
        this.#problem = "Its key does not open with your identity.";
      }
    }
    this.#memory = deps.remembered(wire.id).then((memory) => {
      if (memory?.metadata !== undefined) this.#seen.metadata = memory.metadata;
      if (memory?.agentState !== undefined) this.#seen.agentState = memory.agentState;
      this.#read = memory?.read ?? null;
      this.#archived = memory?.archived === true;
    });
  }

  get key(): Bytes | null {
    return this.#key;
  }

  get agent(): AgentState {
    return this.#agent;
  }

  /** Runs one after the other: what arrives must not overtake what is being loaded. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  /** A list, or a new session: everything at once. `listRevision` is what the list reflects. */
  async applyWire(wire: WireSession, listRevision: number, isNew: boolean): Promise<void> {
    await this.#memory;
    // A browser that meets a session for the first time has nothing unread in it, unless it was just created.
    if (this.#read === null) this.markRead(isNew ? 0 : wire.seq);
    this.#createdAt = wire.createdAt;
    this.#updatedAt = Math.max(this.#updatedAt, wire.updatedAt);
    this.#lastSeq = Math.max(this.#lastSeq, wire.seq);
    this.#setActivity(wire.active, wire.activeAt);
    await this.#applyField("metadata", wire.metadata, wire.metadataVersion, listRevision);
    await this.#applyField("agentState", wire.agentState, wire.agentStateVersion, listRevision);
    this.#publishSummary();
    if (this.#state === "ready" && wire.seq > this.#lastLoaded()) void this.#fill();
  }

  async applyUpdate(field: "metadata" | "agentState", value: string | null, version: number): Promise<void> {
    await this.#memory;
    await this.#applyField(field, value, version, version);
    this.#updatedAt = Math.max(this.#updatedAt, this.#deps.now());
    this.#publishSummary();
  }

  /**
   * Takes a sealed field only if it moves forward. Inside the seal stands `after`, the version its writer replaced:
   * an older value under a new number gives itself away by it.
   */
  async #applyField(field: "metadata" | "agentState", value: string | null, version: number, asOf: number): Promise<void> {
    const seen = this.#seen[field];
    const have = field === "metadata" ? this.#metadata !== emptyMetadata : this.#agent !== emptyAgent;
    if (version < seen.version) {
      // A list may be older than what arrived since; one that claims to be newer is not.
      if (asOf >= seen.version) this.#refuse(field);
      return;
    }
    if (version === seen.version && have) return;
    if (value === null || this.#key === null) {
      if (this.#key !== null && field === "agentState" && version > seen.version) {
        this.#agent = emptyAgent;
        this.#saw(field, { version, after: null });
      }
      return;
    }
    let plain: Record<string, unknown>;
    try {
      const bytes =
        field === "metadata"
          ? await openMetadata(value, this.#key, "session")
          : (await openBundle(value, this.#key, { accountId: this.#deps.accountId, scope: this.id, kind: "agentState" }, { acceptUnbound: true })).plaintext;
      plain = record(JSON.parse(fromUtf8(bytes)));
    } catch (error) {
      if (!(error instanceof CryptoError) && !(error instanceof SyntaxError)) throw error;
      this.#unopened.add(field);
      return;
    }
    const after = typeof plain["after"] === "number" ? Math.max(plain["after"], 0) : null;
    const forward = after === null || (version === seen.version ? seen.after === null || after === seen.after : after >= seen.version && after < version);
    if (!forward) {
      this.#refuse(field);
      return;
    }
    this.#unopened.delete(field);
    if (field === "metadata") this.#metadata = readMetadata(plain);
    else this.#agent = readAgentState(plain);
    if (this.#agent.requests.length > 0) this.setArchived(false);
    this.#saw(field, { version, after });
  }

  #refuse(field: "metadata" | "agentState"): void {
    this.#alarm = `The relay sent an older ${field === "metadata" ? "description" : "state"} of this session as if it were new. It is not shown.`;
  }

  #saw(field: "metadata" | "agentState", seen: SeenVersion): void {
    this.#seen[field] = seen;
    this.#rememberAll();
  }

  #rememberAll(): void {
    this.#deps.remember(this.id, { ...this.#seen, ...(this.#read === null ? {} : { read: this.#read }), ...(this.#archived ? { archived: true } : {}) });
  }

  /** The person has seen everything up to here. */
  markRead(seq = this.#lastSeq): void {
    if (this.#read !== null && this.#read >= seq) return;
    this.#read = seq;
    this.#rememberAll();
    this.#publishSummary();
  }

  setArchived(archived: boolean): void {
    if (this.#archived === archived) return;
    this.#archived = archived;
    this.#rememberAll();
    this.#publishSummary();
  }

  #setActivity(active: boolean, activeAt: number): void {
    this.#active = active;
    this.#activeAt = Math.max(this.#activeAt, activeAt);
    if (!active) {
      this.#thinking = null;
      this.#dropPartials();
    }
  }

  activity(active: boolean, activeAt: number, thinking?: boolean): void {
    this.#setActivity(active, activeAt);
    if (thinking !== undefined && active) {
      this.#thinking = thinking;
      if (!thinking) this.#dropPartials();
    }
    this.#publishSummary();
  }

  /** What only ephemerals told is not known any more. */
  disconnected(): void {
    this.#dropPartials();
    this.pendingChanged();
  }

  #dropPartials(): void {
    if (this.#partials.clear()) this.#publishConversation();
  }

  pendingChanged(): void {
    this.#publishConversation();
  }

  // --- Messages ---------------------------------------------------------------------------------------------

  #lastLoaded(): number {
    return this.#items.at(-1)?.seq ?? 0;
  }

  /** A live message, in the order of its session. */
  receive(message: WireMessage): Promise<void> {
    return this.#exclusive(async () => {
      this.#lastSeq = Math.max(this.#lastSeq, message.seq);
      this.#updatedAt = Math.max(this.#updatedAt, message.createdAt);
      this.setArchived(false);
      if (this.#state === "ready") await this.#take(message);
      else if (this.#state === "loading") this.#held.set(message.seq, message);
      else if (this.#key !== null) this.#preview(await this.#decode(message));
      this.#publishSummary();
    });
  }

  /** Our own prompt was stored: shown as such once everything before it is here. */
  async stored(message: WireMessage): Promise<void> {
    const row = this.#deps.pending(this.id).find((pending) => pending.localId === message.localId);
    if (row !== undefined && message.localId !== null) this.#acked.set(message.localId, { ...row, state: "sending" });
    await this.receive(message);
    if (message.seq <= this.#lastLoaded() && message.localId !== null) this.#acked.delete(message.localId);
    this.#publishConversation();
  }

  #decode(message: WireMessage): Promise<Decoded> {
    return this.#key === null
      ? Promise.resolve({ content: { type: "unverified", reason: "this session's key is not known." }, link: null, at: null, unbound: false })
      : decodeMessage(message.content.c, this.#key, this.#deps.accountId, this.id);
  }

  async #take(message: WireMessage): Promise<void> {
    const first = this.#items[0]?.seq ?? 1;
    const last = this.#lastLoaded();
    if (message.seq <= last) {
      const known = this.#items[message.seq - first];
      if (message.seq >= first && known !== undefined && known.seq === message.seq && known.id !== message.id) {
        this.#alarm = `The relay gave the number ${message.seq} of this session to two different entries.`;
      }
      return;
    }
    if (message.seq > last + 1) {
      this.#held.set(message.seq, message);
      void this.#fill();
      return;
    }
    await this.#append(message);
    for (let next = this.#held.get(this.#lastLoaded() + 1); next !== undefined; next = this.#held.get(this.#lastLoaded() + 1)) {
      this.#held.delete(next.seq);
      await this.#append(next);
    }
  }

  async #append(message: WireMessage, missing = 0): Promise<void> {
    const decoded = await this.#decode(message);
    const chained = decoded.link === null ? undefined : this.#chain.append(decoded.link);
    const problem = missing > 0 ? ({ kind: "missing", count: missing } as const) : chained;
    const item: Item = { ...itemOf(message, decoded), ...(problem === undefined ? {} : { problem }) };
    this.#items.push(item);
    this.#transcript.add(item);
    this.#deps.shown(shownAs(this.id, message));
    this.#rows = null;
    if (message.localId !== null) this.#acked.delete(message.localId);
    this.#preview(decoded);
    if (decoded.content.type === "agent") {
      if (decoded.content.block !== null) this.#partials.finish(decoded.content.block);
      if (decoded.content.line.type === "result") this.#partials.clear();
    }
    this.#publishConversation();
  }

  #preview(decoded: Decoded): void {
    const { content } = decoded;
    if (content.type === "prompt") {
      this.#firstPrompt ??= firstLine(content.text);
      this.#lastLine = `You: ${firstLine(content.text)}`;
    } else if (content.type === "event") {
      if (content.data.type === "prompt-taken") this.#lastOutcome = "open";
      else if (content.data.type === "ready" && this.#lastOutcome === "open") this.#lastOutcome = null;
    } else if (content.type === "agent") {
      const { line } = content;
      if (line.type === "result") {
        const stopped = (string(line["terminal_reason"]) ?? "").startsWith("aborted");
        this.#lastOutcome = stopped ? "stopped" : line["is_error"] === true ? "failed" : "done";
        if (this.#lastOutcome === "failed") this.#lastLine = `Failed: ${firstLine(string(line["result"]) ?? "the turn ended with an error")}`;
        else if (stopped) this.#lastLine = "Stopped";
        else this.#lastLine = `Done: ${firstLine(string(line["result"]) ?? "")}`;
        return;
      }
      if (line.type === "assistant" && string(line["parent_tool_use_id"]) === null) {
        this.#lastOutcome = "open";
        for (const value of (record(line["message"])["content"] as unknown[] | undefined) ?? []) {
          const block = record(value);
          if (block["type"] === "text") this.#lastLine = firstLine(string(block["text"]) ?? "");
          else if (block["type"] === "tool_use") this.#lastLine = describeTool(string(block["name"]) ?? "", record(block["input"]), this.#metadata.path).doing;
          else if (block["type"] === "thinking") this.#lastLine = "Thinking";
        }
      }
    }
  }

  /** Fetches what the live stream left out. */
  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let more = true; more; ) {
        const page = await this.#deps.fetchMessages(this.id, { after: this.#lastLoaded() }, 500);
        more = page.hasMore && page.messages.length > 0;
        await this.#exclusive(async () => {
          for (const message of [...page.messages].sort((a, b) => a.seq - b.seq)) {
            const missing = message.seq - this.#lastLoaded() - 1;
            if (missing < 0) continue;
            this.#held.delete(message.seq);
            await this.#append(message, missing);
          }
          // The relay was asked and still left something out: go on, and say so.
          if (!page.hasMore) await this.#drainHeld();
        });
      }
      this.#publishSummary();
    } catch {
      // Not reachable now; the next message, or the next connection, asks again.
    } finally {
      this.#filling = false;
    }
  }

  async #drainHeld(): Promise<void> {
    for (const seq of [...this.#held.keys()].sort((a, b) => a - b)) {
      const message = this.#held.get(seq) as WireMessage;
      this.#held.delete(seq);
      if (seq > this.#lastLoaded()) await this.#append(message, seq - this.#lastLoaded() - 1);
    }
  }

  /** Loads the newest page, once. */
  async open(): Promise<void> {
    if (this.#state === "ready" || this.#state === "loading") return;
    this.#state = "loading";
    this.#error = null;
    this.#publishConversation();
    try {
      const page = await this.#deps.fetchMessages(this.id, { before: beyondEverything }, pageSize);
      await this.#exclusive(async () => {
        this.#reset();
        await this.#putInFront(page);
        this.#state = "ready";
        for (const seq of [...this.#held.keys()].sort((a, b) => a - b)) {
          const message = this.#held.get(seq) as WireMessage;
          this.#held.delete(seq);
          await this.#take(message);
        }
        if (this.#lastSeq > this.#lastLoaded()) void this.#fill();
      });
      this.#publishSummary();
    } catch (error) {
      this.#state = "failed";
      this.#error = error instanceof Error ? error.message : String(error);
    }
    this.#publishConversation();
  }

  /** After a resync: what is loaded may no longer be what the relay has. */
  async reload(): Promise<void> {
    if (this.#state === "unloaded") return;
    this.#state = "unloaded";
    await this.open();
  }

  #reset(): void {
    this.#items = [];
    this.#chain = new ChainChecker();
    this.#transcript = new Transcript();
    this.#rows = null;
    this.#partials.clear();
  }

  async loadOlder(): Promise<void> {
    const first = this.#items[0];
    if (this.#state !== "ready" || this.#loadingOlder || !this.#hasOlder || first === undefined) return;
    this.#loadingOlder = true;
    this.#publishConversation();
    try {
      const page = await this.#deps.fetchMessages(this.id, { before: first.seq }, pageSize);
      await this.#exclusive(() => this.#putInFront(page));
    } catch {
      // Still there to be asked for again.
    } finally {
      this.#loadingOlder = false;
      this.#publishConversation();
    }
  }

  async #putInFront(page: { messages: WireMessage[]; hasMore: boolean }): Promise<void> {
    const before = this.#items[0]?.seq ?? Number.POSITIVE_INFINITY;
    const messages = page.messages.filter((m) => m.seq < before).sort((a, b) => a.seq - b.seq);
    const decoded = await Promise.all(messages.map((m) => this.#decode(m)));
    const links = decoded.map((d) => d.link).filter((link): link is Link => link !== null);
    const { page: chained, joints } = this.#chain.prepend(links);
    const problems = new Map<string, Item["problem"]>();
    links.forEach((link, i) => {
      if (chained[i] !== undefined) problems.set(`${link.id}#${i}`, chained[i]);
    });
    let at = 0;
    const fresh = messages.map((message, i): Item => {
      const link = (decoded[i] as Decoded).link;
      let problem = link === null ? undefined : problems.get(`${link.id}#${at++}`);
      const previous = messages[i - 1];
      if (previous !== undefined && message.seq > previous.seq + 1) problem = { kind: "missing", count: message.seq - previous.seq - 1 };
      return { ...itemOf(message, decoded[i] as Decoded), ...(problem === undefined ? {} : { problem }) };
    });
    const marked = (item: Item, found: Map<string, Item["problem"]>): Item => {
      const problem = item.decoded.link === null ? undefined : found.get(item.decoded.link.id);
      return problem === undefined || item.problem !== undefined ? item : { ...item, problem };
    };
    let items = [...fresh, ...this.#items.map((item) => marked(item, joints))];
    const last = fresh.at(-1);
    if (last !== undefined && Number.isFinite(before) && before > last.seq + 1) {
      const index = fresh.length;
      items[index] = { ...(items[index] as Item), problem: { kind: "missing", count: before - last.seq - 1 } };
    }
    this.#hasOlder = page.hasMore && messages.length > 0 && (messages[0]?.seq ?? 1) > 1;
    if (!this.#hasOlder) {
      const begins = this.#chain.beginning();
      items = items.map((item) => marked(item, begins));
      const oldest = items[0];
      if (oldest !== undefined && oldest.seq > 1) items[0] = { ...oldest, problem: { kind: "missing", count: oldest.seq - 1 } };
      const prompt = items.find((item) => item.decoded.content.type === "prompt")?.decoded.content;
      if (prompt?.type === "prompt") this.#firstPrompt = firstLine(prompt.text);
    }
    this.#items = items;
    // The newest first: they are what is looked at.
    for (const message of messages.toReversed()) this.#deps.shown(shownAs(this.id, message));
    // Stored while the page was on its way: what it holds waits no longer.
    for (const { localId } of messages) if (localId !== null) this.#acked.delete(localId);
    this.#transcript = new Transcript();
    this.#rows = null;
    for (const item of items) this.#transcript.add(item);
    if (!Number.isFinite(before)) for (const item of items) this.#preview(item.decoded);
  }

  /** A few messages of a session that is not open: enough for its title and its second line. */
  async loadPreview(): Promise<void> {
    if (this.#state !== "unloaded" || this.#key === null || this.#lastSeq === 0 || this.#lastLine !== null) return;
    const newest = await this.#deps.fetchMessages(this.id, { before: beyondEverything }, 8);
    const oldest = this.#metadata.summary === null && this.#metadata.name === null && newest.hasMore ? await this.#deps.fetchMessages(this.id, { after: 0 }, 4) : null;
    await this.#exclusive(async () => {
      if (this.#state !== "unloaded") return;
      for (const message of [...(oldest?.messages ?? []), ...newest.messages].sort((a, b) => a.seq - b.seq)) this.#preview(await this.#decode(message));
    });
    this.#publishSummary();
  }

  // --- Partial text -----------------------------------------------------------------------------------------

  stream(bundle: string): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#state !== "ready" || this.#key === null) return;
      let piece: unknown;
      try {
        const { plaintext } = await openBundle(bundle, this.#key, { accountId: this.#deps.accountId, scope: this.id, kind: "stream" });
        piece = JSON.parse(fromUtf8(plaintext));
      } catch {
        return; // Never stored, may be dropped: the finished block will come.
      }
      if (this.#partials.take(piece)) this.#publishConversation();
    });
  }

  // --- Snapshots --------------------------------------------------------------------------------------------

  #snapshot(): Conversation {
    const pending = this.#deps.pending(this.id);
    const waiting = [...this.#acked.values()].filter((row) => !pending.some((p) => p.localId === row.localId));
    return {
      state: this.#state,
      error: this.#error,
      rows: (this.#rows ??= this.#transcript.rows.slice()),
      pending: [...waiting, ...pending],
      partials: this.#partials.list,
      hasOlder: this.#hasOlder,
      loadingOlder: this.#loadingOlder,
      model: this.#agent.model ?? this.#transcript.model,
    };
  }

  #summarise(): SessionSummary {
    const metadata = this.#metadata;
    const project = metadata.path === null ? "" : baseName(metadata.path);
    const requests = this.#agent.requests;
    const ended = !this.#active && /^(archived|archiveRequested|ended|stopped|exited)$/.test(metadata.lifecycleState ?? "");
    const working = this.#thinking ?? this.#lastOutcome === "open";
    const status: SessionStatus = !this.#active ? "offline" : requests.length > 0 ? "needs-you" : working ? "working" : "idle";
    const problem =
      this.#problem ??
      (this.#unopened.has("metadata") ? "Its description could not be verified." : this.#unopened.has("agentState") ? "The agent's state could not be verified." : null);
    let line = this.#lastLine ?? "";
    const request = requests[0];
    if (problem !== null) line = problem;
    else if (status === "needs-you" && request !== undefined) line = askLine(request, metadata.path);
    else if (status === "offline" && !ended) line = this.#lastOutcome === "open" ? "Was working" : line;
    else if (line === "") line = ended ? "Ended" : this.#active ? "Waits for a prompt" : "";
    return {
      id: this.id,
      title: metadata.summary ?? metadata.name ?? this.#firstPrompt ?? (project === "" ? (this.#key === null ? "Sealed session" : "New session") : project),
      project: project === "" ? "Unknown project" : project,
      host: metadata.host ?? "",
      path: metadata.path,
      homeDir: metadata.homeDir,
      status,
      unread: status === "idle" && this.#read !== null && this.#lastSeq > this.#read && this.#lastOutcome !== null,
      failed: status === "idle" && this.#lastOutcome === "failed",
      ended,
      archived: this.#archived,
      line,
      at: Math.max(this.#updatedAt, this.#createdAt),
      activeAt: this.#activeAt,
      agent: this.#agent,
      problem: this.#alarm ?? problem,
      openable: this.#key !== null,
      count: this.#lastSeq,
    };
  }
}

function shownAs(sid: string, message: WireMessage): Shown {
  return { revision: message.revision, sid, seq: message.seq, at: message.createdAt, bundle: message.content.c };
}

function itemOf(message: WireMessage, decoded: Decoded): Item {
  return { id: message.id, seq: message.seq, revision: message.revision, createdAt: message.createdAt, localId: message.localId, decoded };
}
