// Prompts on their way: kept in IndexedDB until the relay says they are stored, sent in order, once.
//
// A prompt lies sealed under this browser's own key until its first attempt; then it is signed and sealed for the session,
// written down as such and never changed. What its writer had seen, and how long it is good, is fixed when it is written. The relay drops a second copy by its localId, so an attempt whose answer
// was lost is simply repeated.
import { bundleId, type Bytes, type KeyPair, newSenderId, type PromptTerms, SenderChain, toBase64 } from "../crypto/index.ts";
import type { MessageAck, WireMessage } from "../api/types.ts";
import type { Database } from "./database.ts";
import type { PromptMeta } from "./decode.ts";
import type { PromptRow } from "./transcript.ts";
import type { Sealed, Vault } from "./vault.ts";

interface Entry {
  readonly localId: string;
  readonly accountId: string;
  readonly sid: string;
  /** The tab that numbers and sends it. */
  owner: string;
  readonly order: number;
  readonly text: Sealed;
  readonly terms: PromptTerms;
  /** Set before the first attempt. */
  bundle?: string;
  failure?: string;
}

export interface OutboxDeps {
  readonly database: Database;
  readonly vault: Vault;
  readonly accountId: string;
  readonly now: () => number;
  readonly locks: LockManager | undefined;
  /** This browser's own key. */
  readonly device: KeyPair;
  /** The data key of a session, or null while nothing can be said in it. */
  key(sid: string): Bytes | null;
  connected(): boolean;
  send(sid: string, bundle: string, localId: string): Promise<MessageAck>;
  /** The relay stored it. */
  stored(sid: string, message: WireMessage): void;
  changed(sid: string): void;
}

const retryFloorMs = 250;
const retryCeilingMs = 60_000;
const noAnswerRetryMs = 2_000;

export class Outbox {
  readonly tab = newSenderId();
  #deps: OutboxDeps;
  #entries: Entry[] = [];
  #texts = new Map<string, { text: string; meta: PromptMeta }>();
  #chains = new Map<string, SenderChain>();
  #pumping = new Set<string>();
  #waiting = new Map<string, ReturnType<typeof setTimeout>>();
  /** Why the relay takes nothing more now, by session: it has no room. */
  #noRoom = new Map<string, string>();
  #lastOrder = 0;
  #closed = false;
  #release: () => void = () => undefined;

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
    // Held for as long as this page lives: other tabs see by it that our prompts are looked after.
    void deps.locks?.request(lockName(this.tab), () => new Promise<void>((resolve) => (this.#release = resolve))).catch(() => undefined);
  }

  /** Reads what waits, and takes over what belonged to tabs that are gone. */
  async load(): Promise<void> {
    const stored = await this.#deps.database.all<Entry>("outbox");
    for (const [, entry] of stored) {
      if (entry.accountId !== this.#deps.accountId || this.#entries.some((known) => known.localId === entry.localId)) continue;
      if (entry.owner !== this.tab && !(await this.#adopt(entry))) continue;
      try {
        this.#texts.set(entry.localId, JSON.parse(await this.#deps.vault.open(entry.text)) as { text: string; meta: PromptMeta });
      } catch {
        continue; // Sealed by a vault that was wiped: nobody can read it any more.
      }
      this.#entries.push(entry);
      this.#deps.changed(entry.sid);
    }
    // What was attempted goes first: it has its number in a chain already.
    this.#entries.sort((a, b) => Number(a.bundle === undefined) - Number(b.bundle === undefined) || a.order - b.order);
  }

  async #adopt(entry: Entry): Promise<boolean> {
    const take = async (): Promise<boolean> => {
      const current = await this.#deps.database.update<Entry>("outbox", entry.localId, (now) =>
        now === undefined || now.owner !== entry.owner ? now : { ...now, owner: this.tab },
      );
      if (current?.owner !== this.tab) return false;
      entry.owner = this.tab;
      return true;
    };
    if (this.#deps.locks === undefined) return take();
    return this.#deps.locks.request(lockName(entry.owner), { ifAvailable: true }, (lock) => (lock === null ? false : take()));
  }

  async add(sid: string, text: string, meta: PromptMeta, terms: PromptTerms): Promise<string> {
    this.#lastOrder = Math.max(this.#lastOrder + 1, this.#deps.now());
    const entry: Entry = {
      localId: crypto.randomUUID(),
      accountId: this.#deps.accountId,
      sid,
      owner: this.tab,
      order: this.#lastOrder,
      text: await this.#deps.vault.seal(JSON.stringify({ text, meta })),
      terms,
    };
    await this.#deps.database.put("outbox", entry.localId, entry);
    this.#texts.set(entry.localId, { text, meta });
    this.#entries.push(entry);
    this.#deps.changed(sid);
    this.kick();
    return entry.localId;
  }

  /** Drops a prompt that was never attempted or that failed for good. Returns its text, for the composer. */
  async remove(localId: string): Promise<string | null> {
    const entry = this.#entries.find((e) => e.localId === localId);
    if (entry === undefined || (entry.bundle !== undefined && entry.failure === undefined)) return null;
    const text = this.#texts.get(localId)?.text ?? null;
    await this.#drop(entry);
    return text;
  }

  async #drop(entry: Entry): Promise<void> {
    this.#entries = this.#entries.filter((e) => e !== entry);
    this.#texts.delete(entry.localId);
    await this.#deps.database.delete("outbox", entry.localId);
    this.#deps.changed(entry.sid);
  }

  async forget(sid: string): Promise<void> {
    for (const entry of this.#entries.filter((e) => e.sid === sid)) await this.#drop(entry);
    this.#chains.delete(sid);
  }

  rows(sid: string): PromptRow[] {
    return this.#entries
      .filter((entry) => entry.sid === sid)
      .map((entry) => ({
        kind: "prompt",
        key: `local:${entry.localId}`,
        seq: null,
        revision: null,
        at: entry.order,
        text: this.#texts.get(entry.localId)?.text ?? "",
        state: entry.failure !== undefined ? "failed" : entry.bundle !== undefined && this.#deps.connected() ? "sending" : "queued",
        ...reasonOf(entry.failure ?? (entry.bundle === undefined ? undefined : this.#noRoom.get(sid))),
        localId: entry.localId,
        bundleId: entry.bundle === undefined ? null : bundleId(entry.bundle),
        device: toBase64(this.#deps.device.publicKey),
        number: null,
      }));
  }

  get count(): number {
    return this.#entries.filter((entry) => entry.failure === undefined).length;
  }

  /** Sends whatever can be sent now. */
  kick(): void {
    for (const sid of new Set(this.#entries.map((entry) => entry.sid))) {
      clearTimeout(this.#waiting.get(sid));
      this.#waiting.delete(sid);
      void this.#pump(sid);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#release();
  }

  async #pump(sid: string): Promise<void> {
    if (this.#pumping.has(sid)) return;
    this.#pumping.add(sid);
    try {
      for (;;) {
        const entry = this.#entries.find((e) => e.sid === sid && e.failure === undefined);
        if (entry === undefined || this.#closed || !this.#deps.connected()) return;
        const wait = await this.#attempt(entry);
        if (wait === null) continue;
        this.#waiting.set(
          sid,
          setTimeout(() => {
            this.#waiting.delete(sid);
            void this.#pump(sid);
          }, wait),
        );
        return;
      }
    } finally {
      this.#pumping.delete(sid);
    }
  }

  /** Null when it is dealt with; otherwise the time to wait before the next attempt. */
  async #attempt(entry: Entry): Promise<number | null> {
    const { sid } = entry;
    const key = this.#deps.key(sid);
    if (key === null) return retryCeilingMs;
    if (entry.bundle === undefined) {
      let chain = this.#chains.get(sid);
      if (chain === undefined) {
        chain = new SenderChain(newSenderId(), this.#deps.accountId, sid);
        this.#chains.set(sid, chain);
      }
      const { text, meta } = this.#texts.get(entry.localId) ?? { text: "", meta: {} };
      const d = { role: "user", content: { type: "text", text }, meta: { sentFrom: "web", ...meta } };
      entry.bundle = (await chain.sealPrompt(d, key, this.#deps.now(), entry.terms, this.#deps.device)).bundle;
      await this.#deps.database.put("outbox", entry.localId, entry);
      this.#deps.changed(sid);
    }

    let ack: MessageAck;
    try {
      ack = await this.#deps.send(sid, entry.bundle, entry.localId);
    } catch {
      return noAnswerRetryMs;
    }
    const noRoom = ack.result === "error" && (ack.code === "quota" || ack.code === "unavailable") && ack.retry !== false ? ack.message : undefined;
    if (noRoom !== this.#noRoom.get(sid)) {
      if (noRoom === undefined) this.#noRoom.delete(sid);
      else this.#noRoom.set(sid, noRoom);
      this.#deps.changed(sid);
    }
    if (ack.result === "success") {
      const { id, seq, createdAt, revision } = ack;
      this.#deps.stored(sid, {
        id,
        seq,
        revision,
        createdAt,
        updatedAt: createdAt,
        localId: entry.localId,
        content: { t: "encrypted", c: entry.bundle },
      });
      await this.#drop(entry);
      return null;
    }
    if (ack.retry === false) {
      entry.failure = ack.message;
      // Its number was never stored: what follows begins a chain of its own, or the agent would wait for it.
      this.#chains.delete(sid);
      await this.#deps.database.put("outbox", entry.localId, entry);
      this.#deps.changed(sid);
      return null;
    }
    return Math.min(Math.max(ack.retry, retryFloorMs), retryCeilingMs);
  }
}

function reasonOf(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

function lockName(tab: string): string {
  return `consortium-tab-${tab}`;
}
