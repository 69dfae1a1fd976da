// One session: its sealed fields, its status, its conversation.
import type { WireMessage, WireSession } from "../api/types.ts";
import { bundleId, type Bytes, ChainChecker, CryptoError, equalBytes, fromBase64, fromUtf8, type Link, machineId, openBundle, openMetadata, sha256, toHex } from "../crypto/index.ts";
import type { Begun } from "./agentcall.ts";
import { findKey, type HeldKey, type KeyDeps } from "./datakeys.ts";
import { type Decoded, decodeMessage } from "./decode.ts";
import { type Partial, Partials } from "./partials.ts";
import { type AgentState, askLine, emptyAgent, emptyMetadata, type PermissionRequest, readAgentState, readMetadata, type SessionStatus, type SessionSummary, withText } from "./sessionfields.ts";
import { coalesced, Signal } from "./signal.ts";
import { baseName, describeTool, firstLine } from "./tools.ts";
import type { Shown } from "./proofs.ts";
import { type AnsweredAsk, type Item, type PromptRow, record, type Row, string, Transcript } from "./transcript.ts";

export interface Conversation {
  readonly state: "unloaded" | "loading" | "ready" | "failed";
  readonly error: string | null;
  readonly rows: readonly Row[];
  readonly pending: readonly PromptRow[];
  readonly partials: readonly Partial[];
  readonly hasOlder: boolean;
  readonly loadingOlder: boolean;
  readonly model: string | null;
  /** Answers to questions, by the call they were about. */
  readonly answered: ReadonlyMap<string, AnsweredAsk>;
}

export interface SessionDeps extends KeyDeps {
  readonly now: () => number;
  /** The account's name for a device of its chain. */
  nameOf(device: Bytes): string | null;
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

/** Kept in IndexedDB for the relay's log of now. What is held against every relay is in Seen. */
export interface Remembered {
  metadata?: SeenVersion;
  /** message.seq up to which the person has looked. */
  read?: number;
  archived?: boolean;
}

const beyondEverything = 2_147_483_647;
export const pageSize = 150;
const publishMs = 16;
/** How far back a question is looked for that the state only names. */
const seekPagesMax = 8;
/** Texts of questions that are kept without the state naming them: they come before it does. */
const asksMax = 16;

export class SessionModel {
  readonly id: string;
  readonly summary: Signal<SessionSummary>;
  readonly conversation: Signal<Conversation>;
  #deps: SessionDeps;
  #held: HeldKey | null = null;
  #problem: string | null = null;
  #alarm: string | null = null;
  #keyAlarm: string | null = null;
  /** What the key was found by. */
  #sealedKey: string | null | undefined = undefined;
  /** Fields whose latest value did not open. */
  #unopened = new Set<"metadata" | "agentState">();
  #metadata = emptyMetadata;
  #agent = emptyAgent;
  #metadataSeen: SeenVersion = { version: 0, after: null };
  /** The relay's number of the state that is shown: what it calls newer must not be older. */
  #stateVersion = 0;
  /** Texts of questions that came as messages, by bundle id. */
  #asks = new Map<string, string>();
  #seeking = false;
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
  #early = new Map<number, WireMessage>();
  #filling = false;
  #chain = new ChainChecker();
  #transcript = new Transcript();
  /** What was last published: the same array for as long as no row changed. */
  #rows: readonly Row[] | null = null;
  #hasOlder = false;
  #loadingOlder = false;
  #acked = new Map<string, PromptRow>();
  /** Ids of the agent's messages that are loaded, and the newest one known. */
  #agentIds = new Set<string>();
  #newest: { seq: number; id: string } | null = null;
  /** The end of a turn that this page brought about and whose message is still to come. */
  #endAhead: string | null = null;
  /** What the agent said that it has, while it is not all here. */
  #expected: Begun | null = null;
  #expectTimer: ReturnType<typeof setTimeout> | null = null;
  #behind: SessionSummary["behind"] = null;
  #stateWaiters: { v: number; done: (reached: boolean) => void }[] = [];
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
    this.#memory = deps.remembered(wire.id).then((memory) => {
      if (memory?.metadata !== undefined) this.#metadataSeen = memory.metadata;
      this.#read = memory?.read ?? null;
      this.#archived = memory?.archived === true;
    });
  }

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

  /** The account's devices are others than before. */
  devicesChanged(): void {
    this.#publishSummary();
  }

  /** Base64 id of the newest message of the agent that this page has: what a prompt written now has taken into account. */
  get seenUpTo(): string | null {
    return this.#endAhead ?? this.#newest?.id ?? null;
  }

  /** The end of the turn that was stopped from here: known to the person before its message comes. */
  sawEnd(id: string): void {
    if (!this.#agentIds.has(id)) this.#endAhead = id;
  }

  /** What a prompt says, by the id of its bundle, where it is loaded. */
  promptText(id: string): string | null {
    const content = this.#items.find((item) => item.decoded.link?.id === id)?.decoded.content;
    return content?.type === "prompt" ? content.text : null;
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
    await this.#findKey(wire.dataEncryptionKey);
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

  /** Every key that is shown is held to what was seen before. */
  async #findKey(sealed: string | null): Promise<void> {
    if (sealed === this.#sealedKey && this.#held !== null) return;
    this.#sealedKey = sealed;
    const { held, problem, alarm } = await findKey(sealed, "session", this.id, this.#deps);
    if (held === null || this.#held === null || !equalBytes(held.key, this.#held.key)) this.#held = held ?? this.#held;
    this.#problem = this.#held === null ? problem : null;
    if (alarm !== null) this.#keyAlarm = alarm;
  }

  async applyUpdate(field: "metadata" | "agentState", value: string | null, version: number): Promise<void> {
    await this.#memory;
    await this.#applyField(field, value, version, version);
    this.#updatedAt = Math.max(this.#updatedAt, this.#deps.now());
    this.#publishSummary();
  }

  async #applyField(field: "metadata" | "agentState", value: string | null, version: number, asOf: number): Promise<void> {
    const { key } = this;
    if (key === null) return;
    if (field === "metadata") return this.#applyMetadata(value, version, asOf, key);
    return this.#applyState(value, version, asOf, key);
  }

  /** Inside the seal stands `after`, the version its writer replaced: an older description under a new number gives itself away by it. */
  async #applyMetadata(value: string | null, version: number, asOf: number, key: Bytes): Promise<void> {
    const seen = this.#metadataSeen;
    if (version < seen.version) {
      // A list may be older than what arrived since; one that claims to be newer is not.
      if (asOf >= seen.version) this.#refuse("description");
      return;
    }
    if (value === null || (version === seen.version && this.#metadata !== emptyMetadata)) return;
    const plain = await this.#openField("metadata", () => openMetadata(value, key, "session"));
    if (plain === null) return;
    const after = typeof plain.value["after"] === "number" ? Math.max(plain.value["after"], 0) : null;
    const forward = after === null || (version === seen.version ? seen.after === null || after === seen.after : after >= seen.version && after < version);
    if (!forward) return this.#refuse("description");
    this.#metadata = readMetadata(plain.value);
    this.#metadataSeen = { version, after };
    this.#rememberAll();
  }

  /** `v`, inside the seal, is the agent's own count: it never goes back, whatever log the relay has. */
  async #applyState(value: string | null, version: number, asOf: number, key: Bytes): Promise<void> {
    const { counts } = this.#deps.seen;
    // A list may be older than what arrived since.
    if (version < this.#stateVersion && asOf < this.#stateVersion) return;
    if (value === null) {
      if (counts.state(this.id) !== null) this.#refuse("state");
      return;
    }
    const place = { accountId: this.#deps.accountId, scope: this.id, kind: "agentState" } as const;
    const plain = await this.#openField("agentState", async () => (await openBundle(value, key, place)).plaintext);
    if (plain === null) return;
    const v = plain.value["v"];
    if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 1) {
      this.#unopened.add("agentState");
      return;
    }
    const seen = await counts.sawState(this.id, v, plain.hash);
    if (seen === "back" || seen === "other") return this.#refuse("state");
    this.#stateVersion = Math.max(this.#stateVersion, version);
    this.#agent = readAgentState(plain.value);
    if (this.#agent.requests.length > 0) this.setArchived(false);
    this.#stateWaiters = this.#stateWaiters.filter((waiter) => waiter.v > v || (waiter.done(true), false));
    if (this.#behind !== null) this.#judgeBehind();
    this.#fillAsks();
    this.#seekAsks();
  }

  async #openField(field: "metadata" | "agentState", open: () => Promise<Bytes>): Promise<{ value: Record<string, unknown>; hash: string } | null> {
    try {
      const bytes = await open();
      const value = record(JSON.parse(fromUtf8(bytes)));
      this.#unopened.delete(field);
      return { value, hash: toHex(sha256(bytes)) };
    } catch (error) {
      if (!(error instanceof CryptoError) && !(error instanceof SyntaxError)) throw error;
      this.#unopened.add(field);
      return null;
    }
  }

  #refuse(what: "description" | "state"): void {
    this.#alarm = `The relay sent an older ${what} of this session as if it were new. It is not shown.`;
  }

  #rememberAll(): void {
    this.#deps.remember(this.id, { metadata: this.#metadataSeen, ...(this.#read === null ? {} : { read: this.#read }), ...(this.#archived ? { archived: true } : {}) });
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
      else if (this.#state === "loading") this.#early.set(message.seq, message);
      else if (this.key !== null) {
        const decoded = await this.#decode(message);
        this.#noteNewest(message.seq, decoded);
        this.#preview(decoded);
      }
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

  async #decode(message: WireMessage): Promise<Decoded> {
    await this.#memory;
    const { key } = this;
    if (key === null) return { content: { type: "unverified", reason: "this session's key is not known." }, device: null, link: null, at: null, unbound: false };
    const decoded = await decodeMessage(message.content.c, key, this.#deps.accountId, this.id);
    if (decoded.content.type === "ask" && decoded.link !== null) this.#keepAsk(decoded.link.id, decoded.content.ask);
    return decoded;
  }

  #keepAsk(bundle: string, text: string): void {
    this.#asks.set(bundle, text);
    const named = new Set(this.#agent.requests.map((request) => request.elsewhere?.bundle));
    for (const id of this.#asks.keys()) if (this.#asks.size > asksMax && id !== bundle && !named.has(id)) this.#asks.delete(id);
    this.#fillAsks();
  }

  /** Gives questions that came as messages their texts. */
  #fillAsks(): void {
    const waits = ({ ask, problem, elsewhere }: PermissionRequest) => ask === null && problem === null && elsewhere !== null && this.#asks.has(elsewhere.bundle);
    if (!this.#agent.requests.some(waits)) return;
    const requests = this.#agent.requests.map((request) => (waits(request) ? withText(request, this.#asks.get(request.elsewhere?.bundle ?? "") ?? "") : request));
    this.#agent = { ...this.#agent, requests };
    this.#publishSummary();
  }

  /** Looks for questions that the state names and that lie in messages this page does not have. */
  #seekAsks(): void {
    const missing = () => this.#agent.requests.flatMap(({ elsewhere }) => (elsewhere === null || this.#asks.has(elsewhere.bundle) ? [] : [elsewhere.bundle]));
    if (this.#seeking || missing().length === 0) return;
    this.#seeking = true;
    const seek = async (): Promise<void> => {
      let before = beyondEverything;
      for (let pages = 0; pages < seekPagesMax && missing().length > 0; pages += 1) {
        const page = await this.#deps.fetchMessages(this.id, { before }, pageSize);
        const wanted = new Set(missing());
        for (const message of page.messages) if (wanted.has(idOf(message.content.c) ?? "")) await this.#decode(message);
        before = Math.min(before, ...page.messages.map((message) => message.seq));
        if (!page.hasMore) return;
      }
    };
    // Not reachable now: the next state, or the message itself, asks again.
    void seek().catch(() => undefined).finally(() => (this.#seeking = false));
  }

  #noteNewest(seq: number, { link, device }: Decoded): void {
    if (link === null || device !== null) return;
    if (link.id === this.#endAhead) this.#endAhead = null;
    if (this.#newest === null || seq > this.#newest.seq) this.#newest = { seq, id: link.id };
  }

  /** An entry is loaded: its sender's number counts from now on. */
  #loaded(seq: number, decoded: Decoded): void {
    const { link, device } = decoded;
    if (link === null) return;
    this.#deps.seen.counts.sawSender(this.id, link.from, link.n);
    if (device === null) this.#agentIds.add(link.id);
    this.#noteNewest(seq, decoded);
    if (this.#behind !== null) this.#judgeBehind();
  }

  // --- What the agent says that it has -------------------------------------------------------------------------

  /** The agent has this much: whoever does not have it in `ms` is behind. */
  expect(begun: Begun, ms: number): void {
    this.#expected = begun;
    if (this.#expectTimer !== null) clearTimeout(this.#expectTimer);
    this.#expectTimer = setTimeout(() => this.#judgeBehind(), ms);
  }

  #judgeBehind(): void {
    if (this.#expected === null) return;
    const { v, last, unsent } = this.#expected;
    const state = (this.#deps.seen.counts.state(this.id)?.v ?? 0) < v;
    // Where the agent's last words may lie further up than what is loaded, nothing can be said.
    const history = this.#state === "ready" && last !== null && !this.#agentIds.has(last) && (this.#agentIds.size > 0 || !this.#hasOlder);
    const what = state && history ? "its state and entries" : state ? "its state" : "entries";
    const words =
      unsent > 0
        ? `The agent has ${unsent === 1 ? "one entry" : `${unsent.toLocaleString("en")} entries`} that it has not been able to send yet.`
        : `The relay holds something back: the agent has newer ${what.replace("its ", "")} of this session than the relay shows.`;
    this.#behind = state || history ? { words, accuses: unsent === 0 } : null;
    this.#publishSummary();
  }

  /** Whether the agent's state of this count, or a later one, is here within `ms`. */
  reaches(v: number, ms: number): Promise<boolean> {
    if ((this.#deps.seen.counts.state(this.id)?.v ?? 0) >= v) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = { v, done: resolve };
      this.#stateWaiters.push(waiter);
      setTimeout(() => {
        this.#stateWaiters = this.#stateWaiters.filter((other) => other !== waiter);
        resolve(false);
      }, ms);
    });
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
      this.#early.set(message.seq, message);
      void this.#fill();
      return;
    }
    await this.#append(message);
    for (let next = this.#early.get(this.#lastLoaded() + 1); next !== undefined; next = this.#early.get(this.#lastLoaded() + 1)) {
      this.#early.delete(next.seq);
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
    this.#loaded(message.seq, decoded);
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
    const { content, device } = decoded;
    if (content.type === "prompt") {
      this.#firstPrompt ??= firstLine(content.text);
      const yours = device !== null && this.#deps.seen.devices.kindOf(fromBase64(device)) === "browser";
      this.#lastLine = `${yours ? "You" : "Somebody"}: ${firstLine(content.text)}`;
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
            this.#early.delete(message.seq);
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
    for (const seq of [...this.#early.keys()].sort((a, b) => a - b)) {
      const message = this.#early.get(seq) as WireMessage;
      this.#early.delete(seq);
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
        for (const seq of [...this.#early.keys()].sort((a, b) => a - b)) {
          const message = this.#early.get(seq) as WireMessage;
          this.#early.delete(seq);
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
    this.#agentIds.clear();
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
    if (!Number.isFinite(before)) this.#compareSenders(links);
    messages.forEach((message, i) => this.#loaded(message.seq, decoded[i] as Decoded));
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

  /** The newest entries of a sender that this browser has seen must be among the newest that the relay has. */
  #compareSenders(links: readonly Link[]): void {
    const last = new Map<string, number>();
    for (const { from, n } of links) last.set(from, Math.max(last.get(from) ?? 0, n));
    for (const [from, n] of last) {
      const seen = this.#deps.seen.counts.sender(this.id, from);
      if (n < seen) this.#alarm = `This browser has seen ${seen - n === 1 ? "an entry" : `${(seen - n).toLocaleString("en")} entries`} of this session that the relay does not show any more.`;
    }
  }

  /** A few messages of a session that is not open: enough for its title and its second line. */
  async loadPreview(): Promise<void> {
    if (this.#state !== "unloaded" || this.key === null || this.#lastSeq === 0 || this.#lastLine !== null) return;
    const newest = await this.#deps.fetchMessages(this.id, { before: beyondEverything }, 8);
    const oldest = this.#metadata.summary === null && this.#metadata.name === null && newest.hasMore ? await this.#deps.fetchMessages(this.id, { after: 0 }, 4) : null;
    await this.#exclusive(async () => {
      if (this.#state !== "unloaded") return;
      for (const message of [...(oldest?.messages ?? []), ...newest.messages].sort((a, b) => a.seq - b.seq)) {
        const decoded = await this.#decode(message);
        this.#noteNewest(message.seq, decoded);
        this.#preview(decoded);
      }
    });
    this.#publishSummary();
  }

  // --- Partial text -----------------------------------------------------------------------------------------

  stream(bundle: string): Promise<void> {
    return this.#exclusive(async () => {
      const { key } = this;
      if (this.#state !== "ready" || key === null) return;
      let piece: unknown;
      try {
        const { plaintext } = await openBundle(bundle, key, { accountId: this.#deps.accountId, scope: this.id, kind: "stream" });
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
      answered: this.#transcript.answered,
    };
  }

  #summarise(): SessionSummary {
    const metadata = this.#metadata;
    const project = metadata.path === null ? "" : baseName(metadata.path);
    const readOnly = this.#readOnly();
    // What nobody can answer does not wait for anybody.
    const requests = readOnly === null ? this.#agent.requests : [];
    const active = this.#active && readOnly === null;
    const ended = !active && /^(archived|archiveRequested|ended|stopped|exited)$/.test(metadata.lifecycleState ?? "");
    const working = this.#thinking ?? this.#lastOutcome === "open";
    const status: SessionStatus = !active ? "offline" : requests.length > 0 ? "needs-you" : working ? "working" : "idle";
    const problem =
      this.#problem ??
      (this.#unopened.has("metadata") ? "Its description could not be verified." : this.#unopened.has("agentState") ? "The agent's state could not be verified." : null);
    let line = this.#lastLine ?? "";
    const request = requests[0];
    if (problem !== null) line = problem;
    else if (readOnly !== null) line = "Its machine was revoked; for reading only";
    else if (status === "needs-you" && request !== undefined) line = askLine(request, metadata.path);
    else if (this.#agent.held.length > 0 && status !== "working") line = this.#agent.held.length === 1 ? "Holds a prompt until you decide" : `Holds ${this.#agent.held.length} prompts until you decide`;
    else if (status === "offline" && !ended) line = this.#lastOutcome === "open" ? "Was working" : line;
    else if (line === "") line = ended ? "Ended" : active ? "Waits for a prompt" : "";
    return {
      id: this.id,
      title: metadata.summary ?? metadata.name ?? this.#firstPrompt ?? (project === "" ? (this.key === null ? "Sealed session" : "New session") : project),
      project: project === "" ? "Unknown project" : project,
      host: (this.device === null ? null : this.#deps.nameOf(this.device)) ?? "",
      machine: this.device === null ? null : machineId(this.#deps.accountId, this.device),
      says: metadata.host,
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
      problem: this.#keyAlarm ?? this.#alarm ?? problem,
      openable: this.key !== null,
      readOnly,
      behind: this.#behind,
      count: this.#lastSeq,
    };
  }
}

/** Of what the relay sent: anything may stand there. */
function idOf(bundle: string): string | null {
  try {
    return bundleId(bundle);
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

function shownAs(sid: string, message: WireMessage): Shown {
  return { revision: message.revision, sid, seq: message.seq, at: message.createdAt, bundle: message.content.c };
}

function itemOf(message: WireMessage, decoded: Decoded): Item {
  return { id: message.id, seq: message.seq, revision: message.revision, createdAt: message.createdAt, localId: message.localId, decoded };
}
