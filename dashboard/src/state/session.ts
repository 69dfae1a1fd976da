// One session: whose key it has, what it says of itself, its entries, and what the list shows of it.
import type { WireMessage, WireSession } from "../api/types.ts";
import { type Bytes, equalBytes, fromBase64, machineId } from "../crypto/index.ts";
import type { Begun } from "./agentcall.ts";
import { AgentWords } from "./agentwords.ts";
import { plainly } from "./ask.ts";
import { AskTexts } from "./asktexts.ts";
import { briefly } from "./brief.ts";
import { findKey, type HeldKey, type KeyDeps } from "./datakeys.ts";
import { type Decoded, decodeMessage } from "./decode.ts";
import { type Conversation, History } from "./history.ts";
import type { FetchMessages, MessagePage } from "./pages.ts";
import { Preview } from "./preview.ts";
import type { Shown } from "./proofs.ts";
import { type FieldName, SealedFields, type SeenVersion } from "./sealedfields.ts";
import { type AgentState, askLine, type SessionStatus, type SessionSummary } from "./sessionfields.ts";
import { coalesced, Signal } from "./signal.ts";
import { baseName } from "./tools.ts";
import type { PromptRow } from "./rows.ts";

export interface SessionDeps extends KeyDeps {
  readonly now: () => number;
  /** The account's name for a device of its chain. */
  nameOf(device: Bytes): string | null;
  /** What the clock of that device shows more than ours, in ms; 0 where it was never asked. */
  clockOf(device: Bytes | null): number;
  fetchMessages(sid: string, page: { after: number } | { before: number }, limit: number): Promise<MessagePage>;
  pending(sid: string): PromptRow[];
  /** A message is in the conversation: the log must hold it. */
  shown(message: Shown): void;
  /** What this browser remembers of the session. */
  remembered(sid: string): Promise<Remembered | undefined>;
  remember(sid: string, memory: Remembered): void;
  changed(): void;
}

/** Kept in IndexedDB for the relay's log of now. What is held against every relay is in Seen. */
export interface Remembered {
  metadata?: SeenVersion;
  /** message.seq up to which the person has looked. */
  read?: number;
  archived?: boolean;
}

const publishMs = 16;
/** Of titles and names that an agent gives. */
const nameCharactersMax = 200;

export class SessionModel {
  readonly id: string;
  readonly summary: Signal<SessionSummary>;
  readonly conversation: Signal<Conversation>;
  #deps: SessionDeps;
  #fetch: FetchMessages;
  #held: HeldKey | null = null;
  #problem: string | null = null;
  #alarm: string | null = null;
  #keyAlarm: string | null = null;
  /** What the key was found by. */
  #sealedKey: string | null | undefined = undefined;
  #fields: SealedFields;
  #asks = new AskTexts();
  #history: History;
  #words: AgentWords;
  #preview = new Preview();
  /** The relay's lists were applied. */
  #known = false;
  #read: number | null = null;
  #archived = false;
  #memory: Promise<void>;
  #active: boolean;
  #activeAt: number;
  #thinking: boolean | null = null;
  #createdAt: number;
  #updatedAt: number;
  #publishSummary: () => void;

  constructor(wire: WireSession, deps: SessionDeps) {
    this.id = wire.id;
    this.#deps = deps;
    this.#active = wire.active;
    this.#activeAt = wire.activeAt;
    this.#createdAt = wire.createdAt;
    this.#updatedAt = wire.updatedAt;
    this.#fetch = (page, limit) => deps.fetchMessages(this.id, page, limit);
    this.#fields = this.#makeFields();
    this.#history = this.#makeHistory(wire.seq);
    this.#words = new AgentWords({
      stateCount: () => this.#fields.stateCount,
      loaded: () => this.#history.extent,
      changed: () => this.#publishSummary(),
    });
    this.#publishSummary = coalesced(() => {
      this.summary.set(this.#summarise());
      deps.changed();
    }, publishMs);
    this.summary = new Signal(this.#summarise());
    this.conversation = this.#history.conversation;
    this.#memory = deps.remembered(wire.id).then((memory) => {
      if (memory?.metadata !== undefined) this.#fields.remembered(memory.metadata);
      this.#read = memory?.read ?? null;
      this.#archived = memory?.archived === true;
    });
  }

  #makeFields(): SealedFields {
    const { accountId, seen } = this.#deps;
    return new SealedFields(this.id, {
      accountId,
      seen,
      key: () => this.key,
      described: () => this.#rememberAll(),
      stated: () => {
        if (this.agent.requests.length > 0) this.setArchived(false);
        this.#words.judgeAgain();
        this.#fillAsks();
        this.#asks.seek(() => this.agent.requests, this.#fetch, (message) => this.#decode(message));
      },
      alarm: (words) => (this.#alarm = words),
    });
  }

  #makeHistory(lastSeq: number): History {
    const { accountId, seen } = this.#deps;
    return new History(this.id, lastSeq, {
      accountId,
      seen,
      fetch: this.#fetch,
      decode: (message) => this.#decode(message),
      key: () => this.key,
      model: () => this.agent.model,
      pending: () => this.#deps.pending(this.id),
      received: (message) => {
        this.#updatedAt = Math.max(this.#updatedAt, message.createdAt);
        this.setArchived(false);
      },
      glanced: (seq, decoded) => {
        this.#words.noted(seq, decoded);
        this.#addToPreview(decoded);
      },
      loaded: (seq, decoded) => {
        // Its sender's number counts from now on.
        if (decoded.link !== null) seen.counts.sawSender(this.id, decoded.link.from, decoded.link.n);
        this.#words.loaded(seq, decoded);
      },
      unloaded: () => this.#words.unloaded(),
      said: (decoded) => this.#addToPreview(decoded),
      began: (text) => this.#preview.began(text),
      shown: (message) => this.#deps.shown(message),
      alarm: (words) => (this.#alarm = words),
      changed: () => this.#publishSummary(),
    });
  }

  // --- Key --------------------------------------------------------------------------------------------------

  get key(): Bytes | null {
    return this.#held?.key ?? null;
  }

  /** The agent's device that made the session; null when its key does not open. */
  get device(): Bytes | null {
    return this.#held?.device ?? null;
  }

  /** The key, where something may be said under it. */
  get writeKey(): Bytes | null {
    return this.#readOnly() === null ? this.key : null;
  }

  #readOnly(): string | null {
    const { device } = this;
    if (device === null || this.#deps.seen.devices.standingOf(device) === "good") return null;
    return `${this.#deps.nameOf(device) ?? "The device that made this session"} was revoked: what it made is for reading only.`;
  }

  /** The account's devices, or what is known of their clocks, are others than before. */
  devicesChanged(): void {
    this.#publishSummary();
  }

  /** Every key that is shown is held to what was seen before. */
  async #findKey(sealed: string | null): Promise<void> {
    if (sealed === this.#sealedKey && this.#held !== null) return;
    this.#sealedKey = sealed;
    const { held, problem, alarm } = await findKey(sealed, "session", this.id, this.#deps);
    if (held === null || this.#held === null || !equalBytes(held.key, this.#held.key)) this.#held = held ?? this.#held;
    this.#problem = this.#held === null ? problem : null;
    if (alarm !== null) this.#keyAlarm = alarm;
  }

  // --- What it says of itself -------------------------------------------------------------------------------

  get agent(): AgentState {
    return this.#fields.agent;
  }

  /** A list, or a new session: everything at once. `listRevision` is what the list reflects. */
  async applyWire(wire: WireSession, listRevision: number, isNew: boolean): Promise<void> {
    await this.#memory;
    await this.#findKey(wire.dataEncryptionKey);
    // A browser that meets a session for the first time has nothing unread in it, unless it was just created. Of what the relay
    // has lost nothing was read.
    if (this.#read === null) this.markRead(isNew ? 0 : wire.seq);
    else if (!this.#known) this.#read = Math.min(this.#read, wire.seq);
    this.#known = true;
    this.#createdAt = wire.createdAt;
    this.#updatedAt = Math.max(this.#updatedAt, wire.updatedAt);
    this.#history.reaches(wire.seq);
    this.#setActivity(wire.active, wire.activeAt);
    await this.#fields.apply("metadata", wire.metadata, wire.metadataVersion, listRevision);
    await this.#fields.apply("agentState", wire.agentState, wire.agentStateVersion, listRevision);
    this.#publishSummary();
    this.#history.catchUp();
  }

  async applyUpdate(field: FieldName, value: string | null, version: number): Promise<void> {
    await this.#memory;
    await this.#fields.apply(field, value, version, version);
    this.#updatedAt = Math.max(this.#updatedAt, this.#deps.now());
    this.#publishSummary();
  }

  /** Gives questions that came as messages their texts. */
  #fillAsks(): void {
    const { requests } = this.agent;
    const filled = this.#asks.fill(requests);
    if (filled === requests) return;
    this.#fields.replaceRequests(filled);
    this.#publishSummary();
  }

  /** Whether the agent's state of this count, or a later one, is here within `ms`. */
  reaches(v: number, ms: number): Promise<boolean> {
    return this.#fields.reaches(v, ms);
  }

  // --- What this browser keeps of it ------------------------------------------------------------------------

  #rememberAll(): void {
    this.#deps.remember(this.id, { metadata: this.#fields.metadataSeen, ...(this.#read === null ? {} : { read: this.#read }), ...(this.#archived ? { archived: true } : {}) });
  }

  /** The person has seen everything up to here. */
  markRead(seq = this.#history.lastSeq): void {
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

  // --- Whether its agent is there ---------------------------------------------------------------------------

  #setActivity(active: boolean, activeAt: number): void {
    this.#active = active;
    this.#activeAt = Math.max(this.#activeAt, activeAt);
    if (!active) {
      this.#thinking = null;
      this.#history.dropPartials();
    }
  }

  activity(active: boolean, activeAt: number, thinking?: boolean): void {
    this.#setActivity(active, activeAt);
    if (thinking !== undefined && active) {
      this.#thinking = thinking;
      if (!thinking) this.#history.dropPartials();
    }
    this.#publishSummary();
  }

  /** What only ephemerals told is not known any more. */
  disconnected(): void {
    this.#history.dropPartials();
    this.pendingChanged();
  }

  // --- Its entries ------------------------------------------------------------------------------------------

  async #decode(message: WireMessage): Promise<Decoded> {
    await this.#memory;
    const { key } = this;
    if (key === null) return { content: { type: "unverified", reason: "this session's key is not known." }, device: null, link: null, at: null, unbound: false };
    const decoded = await decodeMessage(message.content.c, key, this.#deps.accountId, this.id);
    if (decoded.content.type === "ask" && decoded.link !== null) {
      this.#asks.keep(decoded.link.id, decoded.content.ask, this.agent.requests);
      this.#fillAsks();
    }
    return decoded;
  }

  #addToPreview(decoded: Decoded): void {
    const isYours = (device: string): boolean => this.#deps.seen.devices.kindOf(fromBase64(device)) === "browser";
    this.#preview.add(decoded, isYours, this.#fields.metadata.path);
  }

  /** A live message, in the order of its session. */
  receive(message: WireMessage): Promise<void> {
    return this.#history.receive(message);
  }

  /** Our own prompt was stored: shown as such once everything before it is here. */
  stored(message: WireMessage): Promise<void> {
    return this.#history.stored(message);
  }

  pendingChanged(): void {
    this.#history.publish();
  }

  /** Loads the newest page, once. */
  open(): Promise<void> {
    return this.#history.open();
  }

  /** After a resync: what is loaded may no longer be what the relay has. */
  reload(): Promise<void> {
    return this.#history.reload();
  }

  loadOlder(): Promise<void> {
    return this.#history.loadOlder();
  }

  stream(bundle: string): Promise<void> {
    return this.#history.stream(bundle);
  }

  /** A few messages of a session that is not open: enough for its title and its second line. */
  async loadPreview(): Promise<void> {
    const { summary, name } = this.#fields.metadata;
    if (this.key !== null && this.#preview.lastLine === null) await this.#history.glance(summary === null && name === null);
  }

  /** What a prompt says, and how long it is good, by the id of its bundle, where it is loaded. */
  prompt(id: string): { readonly text: string; readonly until?: number } | null {
    return this.#history.prompt(id);
  }

  /** Base64 id of the newest message of the agent that this page has: what a prompt written now has taken into account. */
  get seenUpTo(): string | null {
    return this.#words.seenUpTo;
  }

  /** The end of the turn that was stopped from here: known to the person before its message comes. */
  sawEnd(id: string): void {
    this.#words.sawEnd(id);
  }

  /** The agent has this much: whoever does not have it in `ms` is behind. */
  expect(begun: Begun, ms: number): void {
    this.#words.expect(begun, ms);
  }

  #summarise(): SessionSummary {
    const { metadata } = this.#fields;
    const { firstPrompt, lastLine, lastOutcome, endedAt } = this.#preview;
    const named = (text: string) => plainly(briefly(text, nameCharactersMax), "unseen");
    const project = metadata.path === null ? "" : named(baseName(metadata.path));
    const readOnly = this.#readOnly();
    // What nobody can answer does not wait for anybody.
    const requests = readOnly === null ? this.agent.requests : [];
    const active = this.#active && readOnly === null;
    // Its description says so, or, where that could not be written any more, its last entry.
    const described = /^(archived|archiveRequested|ended|stopped|exited)$/.test(metadata.lifecycleState ?? "");
    const ended = !active && (described || endedAt !== null);
    const working = this.#thinking ?? lastOutcome === "open";
    const status: SessionStatus = !active ? "offline" : requests.length > 0 ? "needs-you" : working ? "working" : this.agent.background.length > 0 ? "background" : "idle";
    const problem = this.#problem ?? this.#fields.problem;
    let line = lastLine ?? "";
    const request = requests[0];
    if (problem !== null) line = problem;
    else if (readOnly !== null) line = "Its machine was revoked; for reading only";
    else if (status === "needs-you" && request !== undefined) line = askLine(request, metadata.path);
    else if (this.agent.held.length > 0 && status !== "working") line = this.agent.held.length === 1 ? "Holds a prompt until you decide" : `Holds ${this.agent.held.length} prompts until you decide`;
    else if (status === "offline" && lastOutcome === "open") line = "Was working";
    else if (line === "") line = ended ? "Ended" : active ? "Waits for a prompt" : "";
    return {
      id: this.id,
      title: named(metadata.summary ?? metadata.name ?? "") || firstPrompt || (project === "" ? (this.key === null ? "Sealed session" : "New session") : project),
      project: project === "" ? "Unknown project" : project,
      host: (this.device === null ? null : this.#deps.nameOf(this.device)) ?? "",
      machine: this.device === null ? null : machineId(this.#deps.accountId, this.device),
      says: metadata.host,
      path: metadata.path,
      homeDir: metadata.homeDir,
      status,
      unread: (status === "idle" || status === "background") && this.#read !== null && this.#history.lastSeq > this.#read && lastOutcome !== null,
      failed: (status === "idle" || status === "background") && lastOutcome === "failed",
      ended,
      endedAt: !ended ? null : (endedAt ?? metadata.lifecycleStateSince),
      command: metadata.command,
      clock: this.#deps.clockOf(this.device),
      archived: this.#archived,
      line,
      at: Math.max(this.#updatedAt, this.#createdAt),
      activeAt: this.#activeAt,
      agent: this.agent,
      problem: this.#keyAlarm ?? this.#alarm ?? problem,
      openable: this.key !== null,
      readOnly,
      behind: this.#words.behind,
      count: this.#history.lastSeq,
    };
  }
}
