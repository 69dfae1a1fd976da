// Prompts on their way: kept on disk until the relay says they are stored, sent in order, once. Where the disk takes nothing, this page's
// memory has them, which is said with each.
//
// A prompt lies sealed under this browser's own key until its first attempt; then it is signed and sealed for the session,
// written down as such and never changed. What its writer had seen, and how long it is good, is fixed when it is written. The relay drops a
// second copy by its localId, so an attempt whose answer was lost is simply repeated. Before the first attempt the disk holds either what is
// sent or nothing of it: a page that finds the prompt unsealed seals it once more, and that would be another prompt.
import { bundleId, type Bytes, type KeyPair, newSenderId, type PromptTerms, SenderChain, toBase64 } from "../crypto/index.ts";
import type { MessageAck, WireMessage } from "../api/types.ts";
import type { Database } from "./database.ts";
import type { PromptMeta } from "./decode.ts";
import type { PromptRow } from "./rows.ts";
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
const noDiskRetryMs = 2_000;
const noDiskWords = "this browser's storage takes nothing now";

export class Outbox {
  readonly tab = newSenderId();
  #deps: OutboxDeps;
  #entries: Entry[] = [];
  #texts = new Map<string, { text: string; meta: PromptMeta }>();
  #chains = new Map<string, SenderChain>();
  /** Prompts of which something is on disk. */
  #onDisk = new Set<string>();
  /** Prompts that the disk holds as they are sent, or nothing of. */
  #settled = new Set<string>();
  /** Prompts that wait for the disk. */
  #heldUp = new Set<string>();
  #pumping = new Set<string>();
  #waiting = new Map<string, ReturnType<typeof setTimeout>>();
  /** Why the relay takes nothing more now, by session: it has no room. */
  #noRoom = new Map<string, string>();
  #lastOrder = 0;
  #closed = false;
  #release: () => void = () => undefined;
  #unwatch: () => void;

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
    this.#unwatch = deps.database.trouble.subscribe(() => {
      const trouble = deps.database.trouble.get();
      if (trouble === null) void this.#keepAll();
      if (trouble?.why !== "cleared") return;
      this.#onDisk.clear();
      for (const { sid } of this.#entries) deps.changed(sid);
    });
    // Held for as long as this page lives: other tabs see by it that our prompts are looked after.
    void deps.locks?.request(lockName(this.tab), () => new Promise<void>((resolve) => (this.#release = resolve))).catch(() => undefined);
  }

  /** Reads what waits, and takes over what belonged to tabs that are gone. */
  async load(): Promise<void> {
    const stored = await this.#deps.database.allOnDisk<Entry>("outbox");
    for (const [, entry] of stored ?? []) {
      if (entry.accountId !== this.#deps.accountId || this.#entries.some((known) => known.localId === entry.localId)) continue;
      if (entry.owner !== this.tab && !(await this.#adopt(entry))) continue;
      try {
        this.#texts.set(entry.localId, JSON.parse(await this.#deps.vault.open(entry.text)) as { text: string; meta: PromptMeta });
      } catch {
        continue; // Sealed by a vault that was wiped: nobody can read it any more.
      }
      this.#onDisk.add(entry.localId);
      if (entry.bundle !== undefined) this.#settled.add(entry.localId);
      this.#entries.push(entry);
      this.#deps.changed(entry.sid);
    }
    // What was attempted goes first: it has its number in a chain already.
    this.#entries.sort((a, b) => Number(a.bundle === undefined) - Number(b.bundle === undefined) || a.order - b.order);
  }

  async #adopt(entry: Entry): Promise<boolean> {
    const take = async (): Promise<boolean> => {
      const current = await this.#deps.database.updateOnDisk<Entry>("outbox", entry.localId, (now) =>
        now === undefined || now.owner !== entry.owner ? now : { ...now, owner: this.tab },
      );
      if (current?.value?.owner !== this.tab) return false;
      entry.owner = this.tab;
      return true;
    };
    if (this.#deps.locks === undefined) return take();
    try {
      return await this.#deps.locks.request(lockName(entry.owner), { ifAvailable: true }, (lock) => (lock === null ? false : take()));
    } catch {
      return false; // A browser that keeps nothing may give no locks: whether its tab lives is not known.
    }
  }

  /** Has it once this resolves: on disk, or where the disk takes nothing in memory. Throws when it does not have it. */
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
    await this.#keep(entry);
    if (this.#closed) throw new Error("You were signed out meanwhile. Nothing was sent.");
    this.#texts.set(entry.localId, { text, meta });
    this.#entries.push(entry);
    this.#deps.changed(sid);
    this.kick();
    return entry.localId;
  }

  async #keep(entry: Entry): Promise<boolean> {
    const kept = await this.#deps.database.putOnDisk("outbox", entry.localId, entry);
    if (kept) this.#onDisk.add(entry.localId);
    return kept;
  }

  /** The disk takes something again. */
  async #keepAll(): Promise<void> {
    for (const entry of [...this.#entries]) {
      if (this.#onDisk.has(entry.localId) || !this.#entries.includes(entry)) continue;
      if (await this.#keep(entry)) this.#deps.changed(entry.sid);
    }
  }

  /** Whether it may be sent: the disk holds just this of it, or nothing. */
  async #settle(entry: Entry): Promise<boolean> {
    const { localId } = entry;
    if (this.#settled.has(localId)) return true;
    if (!(await this.#keep(entry)) && this.#onDisk.has(localId)) {
      if (!(await this.#deps.database.deleteOnDisk("outbox", localId))) return false;
      this.#onDisk.delete(localId);
    }
    this.#settled.add(localId);
    return true;
  }

  /** What a prompt says that is still here. */
  find(localId: string): { readonly sid: string; readonly text: string; readonly meta: PromptMeta } | null {
    const entry = this.#entries.find((e) => e.localId === localId);
    const said = this.#texts.get(localId);
    return entry === undefined || said === undefined ? null : { sid: entry.sid, ...said };
  }

  /**
   * Drops a prompt that was never attempted or that failed for good. Returns its text, for the composer; null: it is on its way. Throws when
   * it cannot be taken off the disk: a page that is loaded later would send it.
   */
  async remove(localId: string): Promise<string | null> {
    const entry = this.#entries.find((e) => e.localId === localId);
    if (entry === undefined || this.#wasSent(entry)) return null;
    const text = this.#texts.get(localId)?.text ?? null;
    // Out of the row at once: it must not be sent meanwhile.
    this.#entries = this.#entries.filter((e) => e !== entry);
    if (!(await this.#deps.database.deleteOnDisk("outbox", localId)) && this.#onDisk.has(localId)) {
      this.#entries.push(entry);
      this.kick();
      throw new Error("It could not be taken back: this browser's storage does not let go of it now. It stays in the queue.");
    }
    // Its number, if it has one, is never stored: what follows begins a chain of its own, or the agent would wait for it.
    if (entry.bundle !== undefined) this.#chains.delete(entry.sid);
    await this.#drop(entry);
    return text;
  }

  /** The relay may have it, and has not refused it. */
  #wasSent(entry: Entry): boolean {
    return entry.bundle !== undefined && entry.failure === undefined && this.#settled.has(entry.localId);
  }

  async #drop(entry: Entry): Promise<void> {
    const { localId } = entry;
    this.#entries = this.#entries.filter((e) => e !== entry);
    this.#texts.delete(localId);
    this.#settled.delete(localId);
    this.#heldUp.delete(localId);
    // Where that fails it is sent once more by a later page, as it is: the relay has it and drops it.
    this.#onDisk.delete(localId);
    await this.#deps.database.deleteOnDisk("outbox", localId);
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
        state: entry.failure !== undefined ? "failed" : this.#wasSent(entry) && this.#deps.connected() ? "sending" : "queued",
        ...reasonOf(entry.failure ?? (this.#heldUp.has(entry.localId) ? noDiskWords : entry.bundle === undefined ? undefined : this.#noRoom.get(sid))),
        ...(this.#onDisk.has(entry.localId) ? {} : { unkept: true }),
        localId: entry.localId,
        bundleId: entry.bundle === undefined ? null : bundleId(entry.bundle),
        device: toBase64(this.#deps.device.publicKey),
        number: null,
      }));
  }

  get count(): number {
    return this.#entries.filter((entry) => entry.failure === undefined).length;
  }

  /** Whether a page that is loaded again would not have all of them. */
  get hasUnkept(): boolean {
    return this.#entries.some((entry) => !this.#onDisk.has(entry.localId));
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
    this.#unwatch();
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

  /** A prompt was taken back while it got its number: that number is never stored. */
  #passOver(sid: string): null {
    this.#chains.delete(sid);
    return null;
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
    }
    if (!this.#entries.includes(entry)) return this.#passOver(sid);
    const settled = await this.#settle(entry);
    if (!this.#entries.includes(entry)) return this.#passOver(sid);
    if (settled) this.#heldUp.delete(entry.localId);
    else this.#heldUp.add(entry.localId);
    if (!settled) {
      this.#deps.changed(sid);
      return noDiskRetryMs;
    }
    this.#deps.changed(sid);

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
      await this.#keep(entry);
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
