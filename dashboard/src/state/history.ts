// The entries of one session: loaded in pages, in order, without a gap that is not shown, and what the conversation makes of them.
import type { WireMessage } from "../api/types.ts";
import { type Bytes, ChainChecker, fromUtf8, type Link, openBundle } from "../crypto/index.ts";
import type { Decoded } from "./decode.ts";
import { wordsOf } from "./errors.ts";
import { beyondEverything, type FetchMessages, type MessagePage, pageSize } from "./pages.ts";
import { type Partial, Partials } from "./partials.ts";
import type { Shown } from "./proofs.ts";
import type { Seen } from "./seen.ts";
import { coalesced, Signal } from "./signal.ts";
import type { AnsweredAsk, PromptRow, Row } from "./rows.ts";
import { type Item, Transcript } from "./transcript.ts";

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

export interface HistoryDeps {
  readonly accountId: string;
  readonly seen: Seen;
  readonly fetch: FetchMessages;
  decode(message: WireMessage): Promise<Decoded>;
  key(): Bytes | null;
  /** The model that the agent's state names. */
  model(): string | null;
  /** Prompts that were written here and are not stored yet. */
  pending(): readonly PromptRow[];
  /** A message came, whatever becomes of it. */
  received(message: WireMessage): void;
  /** An entry was read that is not kept: its session is not open. */
  glanced(seq: number, decoded: Decoded): void;
  /** An entry is in the conversation. */
  loaded(seq: number, decoded: Decoded): void;
  /** What was in the conversation is loaded anew. */
  unloaded(): void;
  /** The entry after the last one told of. */
  said(decoded: Decoded): void;
  /** The first prompt of all is in the conversation. */
  began(text: string): void;
  /** The log must hold it. */
  shown(message: Shown): void;
  /** The relay contradicts itself: in words. */
  alarm(words: string): void;
  /** What the list shows may be different now. */
  changed(): void;
}

const publishMs = 16;
const fillPageSize = 500;

export class History {
  readonly conversation: Signal<Conversation>;
  readonly publish: () => void;
  #sid: string;
  #deps: HistoryDeps;
  /** The highest number of an entry that the relay told of. */
  #lastSeq: number;
  #state: Conversation["state"] = "unloaded";
  #error: string | null = null;
  #items: Item[] = [];
  /** Entries that came before those in front of them. */
  #early = new Map<number, WireMessage>();
  #filling = false;
  #chain = new ChainChecker();
  #transcript = new Transcript();
  /** What was last published: the same array for as long as no row changed. */
  #rows: readonly Row[] | null = null;
  #hasOlder = false;
  #loadingOlder = false;
  /** Our own prompts that are stored and not in the conversation yet. */
  #acked = new Map<string, PromptRow>();
  #partials = new Partials();
  #busy: Promise<unknown> = Promise.resolve();

  constructor(sid: string, lastSeq: number, deps: HistoryDeps) {
    this.#sid = sid;
    this.#lastSeq = lastSeq;
    this.#deps = deps;
    this.conversation = new Signal(this.#snapshot());
    this.publish = coalesced(() => this.conversation.set(this.#snapshot()), publishMs);
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Whether the newest entries are here, and whether there are older ones that are not. */
  get extent(): { readonly newest: boolean; readonly hasOlder: boolean } {
    return { newest: this.#state === "ready", hasOlder: this.#hasOlder };
  }

  /** What a prompt says, and how long it is good, by the id of its bundle, where it is loaded. */
  prompt(id: string): { readonly text: string; readonly until?: number } | null {
    const content = this.#items.find((item) => item.decoded.link?.id === id)?.decoded.content;
    return content?.type === "prompt" ? content : null;
  }

  /** Runs one after the other: what arrives must not overtake what is being loaded. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  #lastLoaded(): number {
    return this.#items.at(-1)?.seq ?? 0;
  }

  // --- What arrives -----------------------------------------------------------------------------------------

  /** The relay says that there are entries up to here. */
  reaches(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  /** Fetches what the relay has told of and is not here. */
  catchUp(): void {
    if (this.#state === "ready" && this.#lastSeq > this.#lastLoaded()) void this.#fill();
  }

  /** A live message, in the order of its session. */
  receive(message: WireMessage): Promise<void> {
    return this.#exclusive(async () => {
      this.reaches(message.seq);
      this.#deps.received(message);
      if (this.#state === "ready") await this.#take(message);
      else if (this.#state === "loading") this.#early.set(message.seq, message);
      else if (this.#deps.key() !== null) this.#deps.glanced(message.seq, await this.#deps.decode(message));
      this.#deps.changed();
    });
  }

  /** Our own prompt was stored: shown as such once everything before it is here. */
  async stored(message: WireMessage): Promise<void> {
    const row = this.#deps.pending().find((pending) => pending.localId === message.localId);
    if (row !== undefined && message.localId !== null) this.#acked.set(message.localId, { ...row, state: "sending" });
    await this.receive(message);
    if (message.seq <= this.#lastLoaded() && message.localId !== null) this.#acked.delete(message.localId);
    this.publish();
  }

  async #take(message: WireMessage): Promise<void> {
    const first = this.#items[0]?.seq ?? 1;
    const last = this.#lastLoaded();
    if (message.seq <= last) {
      const known = this.#items[message.seq - first];
      if (message.seq >= first && known !== undefined && known.seq === message.seq && known.id !== message.id) {
        this.#deps.alarm(`The relay gave the number ${message.seq} of this session to two different entries.`);
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
    const decoded = await this.#deps.decode(message);
    const chained = decoded.link === null ? undefined : this.#chain.append(decoded.link);
    const problem = missing > 0 ? ({ kind: "missing", count: missing } as const) : chained;
    const item: Item = { ...itemOf(message, decoded), ...(problem === undefined ? {} : { problem }) };
    this.#items.push(item);
    this.#transcript.add(item);
    this.#deps.loaded(message.seq, decoded);
    this.#deps.shown(shownAs(this.#sid, message));
    this.#rows = null;
    if (message.localId !== null) this.#acked.delete(message.localId);
    this.#deps.said(decoded);
    if (decoded.content.type === "agent") {
      if (decoded.content.block !== null) this.#partials.finish(decoded.content.block);
      if (decoded.content.line.type === "result") this.#partials.clear();
    }
    this.publish();
  }

  /** Fetches what the live stream left out. */
  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let more = true; more; ) {
        const page = await this.#deps.fetch({ after: this.#lastLoaded() }, fillPageSize);
        more = page.hasMore && page.messages.length > 0;
        await this.#exclusive(async () => {
          for (const message of [...page.messages].sort((a, b) => a.seq - b.seq)) {
            const missing = message.seq - this.#lastLoaded() - 1;
            if (missing < 0) continue;
            this.#early.delete(message.seq);
            await this.#append(message, missing);
          }
          // The relay was asked and still left something out: go on, and say so.
          if (!page.hasMore) await this.#drainEarly();
        });
      }
      this.#deps.changed();
    } catch {
      // Not reachable now; the next message, or the next connection, asks again.
    } finally {
      this.#filling = false;
    }
  }

  async #drainEarly(): Promise<void> {
    for (const seq of [...this.#early.keys()].sort((a, b) => a - b)) {
      const message = this.#early.get(seq) as WireMessage;
      this.#early.delete(seq);
      if (seq > this.#lastLoaded()) await this.#append(message, seq - this.#lastLoaded() - 1);
    }
  }

  // --- What is asked for ------------------------------------------------------------------------------------

  /** Loads the newest page, once. */
  async open(): Promise<void> {
    if (this.#state === "ready" || this.#state === "loading") return;
    this.#state = "loading";
    this.#error = null;
    this.publish();
    try {
      const page = await this.#deps.fetch({ before: beyondEverything }, pageSize);
      await this.#exclusive(async () => {
        this.#reset();
        await this.#putInFront(page);
        this.#state = "ready";
        for (const seq of [...this.#early.keys()].sort((a, b) => a - b)) {
          const message = this.#early.get(seq) as WireMessage;
          this.#early.delete(seq);
          await this.#take(message);
        }
        this.catchUp();
      });
      this.#deps.changed();
    } catch (error) {
      this.#state = "failed";
      this.#error = wordsOf(error);
    }
    this.publish();
  }

  /** After a resync: what is loaded may no longer be what the relay has. */
  async reload(): Promise<void> {
    if (this.#state === "unloaded") return;
    this.#state = "unloaded";
    await this.open();
  }

  #reset(): void {
    this.#items = [];
    this.#deps.unloaded();
    this.#chain = new ChainChecker();
    this.#transcript = new Transcript();
    this.#rows = null;
    this.#partials.clear();
  }

  async loadOlder(): Promise<void> {
    const first = this.#items[0];
    if (this.#state !== "ready" || this.#loadingOlder || !this.#hasOlder || first === undefined) return;
    this.#loadingOlder = true;
    this.publish();
    try {
      const page = await this.#deps.fetch({ before: first.seq }, pageSize);
      await this.#exclusive(() => this.#putInFront(page));
    } catch {
      // Still there to be asked for again.
    } finally {
      this.#loadingOlder = false;
      this.publish();
    }
  }

  async #putInFront(page: MessagePage): Promise<void> {
    const before = this.#items[0]?.seq ?? Number.POSITIVE_INFINITY;
    const messages = page.messages.filter((m) => m.seq < before).sort((a, b) => a.seq - b.seq);
    const decoded = await Promise.all(messages.map((m) => this.#deps.decode(m)));
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
      if (prompt?.type === "prompt") this.#deps.began(prompt.text);
    }
    if (!Number.isFinite(before)) this.#compareSenders(links);
    messages.forEach((message, i) => this.#deps.loaded(message.seq, decoded[i] as Decoded));
    this.#items = items;
    // The newest first: they are what is looked at.
    for (const message of messages.toReversed()) this.#deps.shown(shownAs(this.#sid, message));
    // Stored while the page was on its way: what it holds waits no longer.
    for (const { localId } of messages) if (localId !== null) this.#acked.delete(localId);
    this.#transcript = new Transcript();
    this.#rows = null;
    for (const item of items) this.#transcript.add(item);
    if (!Number.isFinite(before)) for (const item of items) this.#deps.said(item.decoded);
  }

  /** The newest entries of a sender that this browser has seen must be among the newest that the relay has. */
  #compareSenders(links: readonly Link[]): void {
    const last = new Map<string, number>();
    for (const { from, n } of links) last.set(from, Math.max(last.get(from) ?? 0, n));
    for (const [from, n] of last) {
      const seen = this.#deps.seen.counts.sender(this.#sid, from);
      if (n < seen) this.#deps.alarm(`This browser has seen ${seen - n === 1 ? "an entry" : `${(seen - n).toLocaleString("en")} entries`} of this session that the relay does not show any more.`);
    }
  }

  /** A few entries of a session that is not open: its newest, and where `beginning` is asked for its first. */
  async glance(beginning: boolean): Promise<void> {
    if (this.#state !== "unloaded" || this.#lastSeq === 0) return;
    const newest = await this.#deps.fetch({ before: beyondEverything }, 8);
    const oldest = beginning && newest.hasMore ? await this.#deps.fetch({ after: 0 }, 4) : null;
    await this.#exclusive(async () => {
      if (this.#state !== "unloaded") return;
      for (const message of [...(oldest?.messages ?? []), ...newest.messages].sort((a, b) => a.seq - b.seq)) this.#deps.glanced(message.seq, await this.#deps.decode(message));
    });
    this.#deps.changed();
  }

  // --- Partial text -----------------------------------------------------------------------------------------

  stream(bundle: string): Promise<void> {
    return this.#exclusive(async () => {
      const key = this.#deps.key();
      if (this.#state !== "ready" || key === null) return;
      let piece: unknown;
      try {
        const { plaintext } = await openBundle(bundle, key, { accountId: this.#deps.accountId, scope: this.#sid, kind: "stream" });
        piece = JSON.parse(fromUtf8(plaintext));
      } catch {
        return; // Never stored, may be dropped: the finished block will come.
      }
      if (this.#partials.take(piece)) this.publish();
    });
  }

  dropPartials(): void {
    if (this.#partials.clear()) this.publish();
  }

  #snapshot(): Conversation {
    const pending = this.#deps.pending();
    const waiting = [...this.#acked.values()].filter((row) => !pending.some((p) => p.localId === row.localId));
    return {
      state: this.#state,
      error: this.#error,
      rows: (this.#rows ??= this.#transcript.rows.slice()),
      pending: [...waiting, ...pending],
      partials: this.#partials.list,
      hasOlder: this.#hasOlder,
      loadingOlder: this.#loadingOlder,
      model: this.#deps.model() ?? this.#transcript.model,
      answered: this.#transcript.answered,
    };
  }
}

function shownAs(sid: string, message: WireMessage): Shown {
  return { revision: message.revision, sid, seq: message.seq, at: message.createdAt, bundle: message.content.c };
}

function itemOf(message: WireMessage, decoded: Decoded): Item {
  return { id: message.id, seq: message.seq, revision: message.revision, createdAt: message.createdAt, localId: message.localId, decoded };
}
