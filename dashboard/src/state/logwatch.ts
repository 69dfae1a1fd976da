// Watches the relay's log for this account: pins its key, follows its checkpoints, proves that every entry is in it, and that
// what conversations show is what it holds. Says what was checked, and no more.
import { type Api, ApiError } from "../api/http.ts";
import type { LogKey } from "../api/types.ts";
import { type CheckedRecord, type Checkpoint, openCheckpoint, parseVerifier, type RecordHeader, toHex, type WireRecord } from "../crypto/index.ts";
import { wordsOf } from "./errors.ts";
import { type Alarm, type LogChange, type Pin, LogMemory } from "./logmemory.ts";
import { acceptCheckpoint, acceptRecord, acceptRow, checkExtends, compare, type Place, ranges, Refuted, type Shown } from "./proofs.ts";
import { Signal } from "./signal.ts";

export interface LogEntry {
  readonly header: RecordHeader;
  readonly shredded: boolean;
}

/** Records and what proves them, all under one checkpoint: enough to check everything again elsewhere. */
export interface SavedProof {
  readonly key: string;
  readonly checkpoint: string;
  readonly records: readonly WireRecord[];
}

export interface LogStatus {
  /**
   * unknown: nothing was asked yet. unavailable: this relay does not prove its log. checking: what is newest is not proved yet.
   * verified: all four checks hold up to `proved`. refuted: the last check failed.
   */
  readonly state: "unknown" | "unavailable" | "checking" | "verified" | "refuted";
  readonly log: string | null;
  /** Text form of the pinned key. */
  readonly key: string | null;
  readonly pinnedAt: number;
  readonly checkpoint: { readonly size: number; readonly root: string; readonly note: string } | null;
  readonly acceptedAt: number;
  /** The state this page found remembered when it began to look. */
  readonly from: { readonly size: number; readonly at: number } | null;
  /** The first entry this browser proved, and the last of the unbroken row from there. */
  readonly first: number | null;
  readonly proved: number | null;
  /** Entries shown here that were compared with the log, and those that wait for it. */
  readonly compared: number;
  readonly waiting: number;
  /** Why it could not be checked now. */
  readonly trouble: string | null;
  readonly latest: readonly LogEntry[];
}

/** none: nothing to prove it with, or not yet. */
export type EntryProof = "none" | "proved" | "refuted";

export interface WatchDeps {
  readonly api: Api;
  readonly memory: LogMemory;
  readonly accountId: string;
  readonly now: () => number;
  /** Between two checks while entries flow. */
  readonly intervalMs?: number;
}

const countMax = 100;
const shownMax = 2_000;
const latestMax = 8;
const soonMs = 200;
const troubleMs = 10_000;
const confirmMax = 8;

const nothing: LogStatus = {
  state: "unknown", log: null, key: null, pinnedAt: 0, checkpoint: null, acceptedAt: 0, from: null, first: null, proved: null, compared: 0, waiting: 0, trouble: null, latest: [],
};

/** Another tab wrote in between: begin again from what it found. */
class Overtaken extends Error {}
class NoProofs extends Error {}

export class LogWatch {
  readonly status = new Signal<LogStatus>(nothing);
  /** What the person must know and has not acknowledged. */
  readonly alarm = new Signal<Alarm | null>(null);
  readonly alarms = new Signal<readonly Alarm[]>([]);
  /** The relay has another log than before, and that was not acknowledged. */
  readonly change = new Signal<LogChange | null>(null);
  /** Changes whenever `proofOf` may answer otherwise. */
  readonly proofs = new Signal<number>(0);
  #deps: WatchDeps;
  #log: string | null = null;
  #highest = 0;
  #connected = false;
  #closed = false;
  #shown = new Map<number, Shown>();
  #proved = new Set<number>();
  #refuted = new Set<number>();
  #saved: SavedProof | null = null;
  #latest: LogEntry[] = [];
  /** The key was asked for on this connection. */
  #keyed: LogKey | null = null;
  /** Answers in a row that would be alarming if they came again. */
  #doubts = 0;
  #startedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAt = 0;
  #running: Promise<void> | null = null;
  #again = false;
  #deep = false;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  /** What this browser remembers, before anything is asked. */
  async load(): Promise<void> {
    this.#setAlarms(await this.#deps.memory.alarms());
    this.#setChange(await this.#deps.memory.change());
  }

  // --- What happens -------------------------------------------------------------------------------------------

  /** The account's stream reached `revision` of `log`. */
  reached(log: string, revision: number): void {
    if (log !== this.#log) {
      this.#log = log;
      this.#highest = 0;
      this.#keyed = null;
      this.#shown.clear();
      this.#proved.clear();
      this.#refuted.clear();
      this.#saved = null;
      this.#latest = [];
      this.#set({ ...nothing });
    }
    if (revision <= this.#highest) return;
    this.#highest = revision;
    const { state, proved } = this.status.get();
    if (state === "verified" && proved !== null && proved < revision) this.#set({ state: "checking" });
    this.#schedule();
  }

  /** Everything up to now was received. */
  connected(): void {
    this.#connected = true;
    this.#keyed = null;
    this.#schedule(0);
  }

  disconnected(): void {
    this.#connected = false;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** A message is shown: the log must hold it. */
  shows(message: Shown): void {
    if (this.status.get().state === "unavailable" || this.#proved.has(message.revision) || this.#shown.has(message.revision)) return;
    this.#shown.set(message.revision, message);
    // Too many to keep: the oldest stay what they are, stored and not proved.
    if (this.#shown.size > shownMax) this.#shown.delete(this.#shown.keys().next().value as number);
    this.#schedule();
  }

  proofOf(revision: number): EntryProof {
    return this.#refuted.has(revision) ? "refuted" : this.#proved.has(revision) ? "proved" : "none";
  }

  /** Something else than a check found the relay contradicting what this browser has seen. */
  async contradicts(text: string, evidence: unknown = null, kind: "shorter" | "seen" = "shorter"): Promise<void> {
    await this.#raise(new Refuted(kind, text, evidence));
  }

  async acknowledge(): Promise<void> {
    this.#setAlarms(await this.#deps.memory.acknowledgeAlarms());
  }

  async acknowledgeChange(): Promise<void> {
    await this.#deps.memory.acknowledgeChange();
    this.#setChange(await this.#deps.memory.change());
  }

  /** Checks now, and proves the latest entries once more under one checkpoint. Resolves when it is done. */
  async again(): Promise<void> {
    this.#deep = true;
    await this.settle();
  }

  /** Checks now. Resolves when it is done. */
  async settle(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // What is under way may have begun before what the caller wants to see checked.
    if (this.#running !== null) await this.#running;
    await this.#run();
  }

  /** The latest entries with what proves them. Null before there were any. */
  get saved(): SavedProof | null {
    return this.#saved;
  }

  /** The pin of the relay's present log. */
  async pin(): Promise<Pin | null> {
    return this.#log === null ? null : this.#deps.memory.get(this.#log);
  }

  /**
   * Whether `earlier` is proved to be the beginning of a log that also extends what was accepted before. False when the relay
   * writes too fast to be asked twice about one state. Throws Refuted (and raises the alarm), ApiError.
   */
  async confirm(earlier: Checkpoint): Promise<boolean> {
    const pin = await this.pin();
    const accepted = pin === null ? null : lastOf(pin);
    if (pin === null || accepted === null) return false;
    try {
      for (let attempt = 0; attempt < confirmMax; attempt += 1) {
        const [fromEarlier, fromAccepted] = await Promise.all([this.#deps.api.checkpoint(earlier.size), this.#deps.api.checkpoint(accepted.size)]);
        const by = parseVerifier(pin.key);
        const now = acceptCheckpoint(fromEarlier, by, earlier);
        const same = acceptCheckpoint(fromAccepted, by, accepted);
        if (now.size !== same.size) continue;
        checkExtends(now, same, [], [fromEarlier, fromAccepted]);
        return true;
      }
      return false;
    } catch (error) {
      if (error instanceof Refuted) await this.#raise(error);
      throw error;
    }
  }

  // --- One check after the other ------------------------------------------------------------------------------

  #schedule(ms = soonMs): void {
    if (!this.#connected || this.#closed) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    const interval = this.#deps.intervalMs ?? 3_000;
    const at = Math.max(performance.now() + Math.min(ms, interval), ms === 0 ? 0 : this.#startedAt + interval, ms > interval ? performance.now() + ms : 0);
    if (this.#timer !== null) {
      if (this.#timerAt <= at) return;
      clearTimeout(this.#timer);
    }
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#run();
    }, Math.max(0, at - performance.now()));
  }

  #run(): Promise<void> {
    this.#running ??= (async () => {
      this.#startedAt = performance.now();
      this.#again = false;
      let retry: number | null = null;
      try {
        if (this.#log !== null && this.#highest > 0 && !this.#closed) await this.#check(this.#log);
        this.#doubts = 0;
      } catch (error) {
        retry = await this.#failed(error);
      } finally {
        this.#running = null;
      }
      if (retry !== null) this.#schedule(retry);
      else if (this.#again) this.#schedule();
    })();
    return this.#running;
  }

  /** Milliseconds until it makes sense to try again; null: with the next entry or connection. */
  async #failed(error: unknown): Promise<number | null> {
    if (this.#closed) return null;
    if (error instanceof Refuted) {
      await this.#raise(error);
      return null;
    }
    if (error instanceof Overtaken) return soonMs;
    if (error instanceof NoProofs) {
      this.#shown.clear();
      this.#set({ state: "unavailable" });
      return null;
    }
    if (!(error instanceof ApiError)) console.error("The log could not be checked.", wordsOf(error));
    this.#set({ trouble: wordsOf(error) });
    if (error instanceof ApiError && (error.code === "unauthorized" || error.code === "revoked")) return null;
    return Math.max(troubleMs, error instanceof ApiError && error.retry !== false ? error.retry : 0);
  }

  async #check(log: string): Promise<void> {
    // Before anything can fail: another log than before is said, whether it can be proved or not.
    this.#setChange(await this.#deps.memory.current(log, this.#deps.now()));
    let pin = await this.#pinned(log);
    const by = parseVerifier(pin.key);
    this.#show(pin);
    const target = this.#highest;
    let last = lastOf(pin);
    let asked = false;
    for (let proved = pin.proved; proved === null || proved.revision < target; proved = pin.proved) {
      // The first look begins at the newest entry: of what was before, nothing is known here.
      const first: number = proved === null ? target : proved.revision + 1;
      const count = Math.min(countMax, target - first + 1);
      const answer = await this.#ask(() => this.#deps.api.proof(first, count, last?.size ?? null), first);
      if (answer.log !== log) throw new Overtaken();
      const now = acceptCheckpoint(answer, by, last);
      const records = await acceptRow({ ...answer, records: answer.records.slice(0, count) }, first, this.#deps.accountId, now, proved);
      asked = true;
      // An answer may end early, when it grows large; then the rest is asked for. It never ends before it begins.
      const end = records.at(-1) ?? this.#lacks(first);
      pin = await this.#advance(pin, answer.checkpoint, { first: pin.first ?? first, proved: placeOf(end) });
      last = now;
      this.#note(records);
      this.#compareWith(records, answer.records);
      this.#show(pin);
    }
    if (!asked && !this.#deep) {
      const answer = await this.#ask(() => this.#deps.api.checkpoint(last?.size ?? null), null);
      if (answer.log !== log) throw new Overtaken();
      last = acceptCheckpoint(answer, by, last);
      pin = await this.#advance(pin, answer.checkpoint, {});
    }
    if (this.#deep) {
      this.#deep = false;
      const proved = (pin.proved as Place).revision;
      // Large entries may not fit into one answer: then at least the newest one.
      for (const first of [Math.max(1, proved - latestMax + 1), proved]) {
        const got = await this.#prove(pin, { first, count: proved - first + 1 }, last);
        ({ pin, last } = got);
        this.#latest = [];
        this.#note(got.records);
        this.#saved = { key: pin.key, checkpoint: pin.checkpoint as string, records: got.wire };
        if (got.records.at(-1)?.header.revision === proved) break;
      }
    }
    // What is shown from before, or was loaded anew: each compared with its record.
    const rest = [...this.#shown.keys()].filter((revision) => revision <= (pin.proved as Place).revision);
    for (let range of ranges(rest, countMax)) {
      while (range.count > 0) {
        const got = await this.#prove(pin, range, last);
        ({ pin, last } = got);
        range = { first: range.first + got.records.length, count: range.count - got.records.length };
      }
    }
    const upTo = (pin.proved as Place).revision;
    this.#show(pin, { state: upTo >= this.#highest ? "verified" : "checking", trouble: null });
    if (upTo < this.#highest) this.#again = true;
  }

  /** Proves records of which the place in the row is known already; the first of the range at least. */
  async #prove(pin: Pin, range: { first: number; count: number }, last: Checkpoint | null): Promise<{ pin: Pin; last: Checkpoint; records: CheckedRecord[]; wire: WireRecord[] }> {
    const answer = await this.#ask(() => this.#deps.api.proof(range.first, range.count, last?.size ?? null), range.first);
    if (answer.log !== pin.log) throw new Overtaken();
    const now = acceptCheckpoint(answer, parseVerifier(pin.key), last);
    const wire = answer.records.slice(0, range.count);
    const records: CheckedRecord[] = [];
    let before: Place | null = null;
    for (const [i, record] of wire.entries()) {
      const checked = await acceptRecord(record, range.first + i, this.#deps.accountId, now);
      const place = placeOf(checked);
      for (const known of [before, pin.proved]) {
        if (known === null) continue;
        const order = Math.sign(place.revision - known.revision);
        if (Math.sign(place.index - known.index) !== order) throw new Refuted("entry", `The relay proves entry #${place.revision} at two places of its log.`, record);
      }
      before = place;
      records.push(checked);
    }
    if (records.length === 0) this.#lacks(range.first);
    const next = await this.#advance(pin, answer.checkpoint, {});
    this.#compareWith(records, wire);
    this.#show(next);
    return { pin: next, last: now, records, wire };
  }

  /** The relay's key, asked once for each connection, and what is pinned for its log. */
  async #pinned(log: string): Promise<Pin> {
    if (this.#keyed === null) {
      try {
        this.#keyed = await this.#deps.api.logKey();
      } catch (error) {
        const pinned = await this.#deps.memory.get(log);
        if (error instanceof ApiError && error.code === "not-found" && pinned !== null) {
          throw new Refuted("key", "The relay does not show its log's key any more, which this browser has pinned: nothing can be proved.", { pinned: pinned.key, code: error.code });
        }
        // Another program, or an older relay: it has no such route.
        if (error instanceof ApiError && pinned === null && (error.code === "not-found" || (error.code === "bad-answer" && error.status < 500))) throw new NoProofs();
        throw error;
      }
    }
    const { key, log: named, origin } = this.#keyed;
    if (named !== log) {
      this.#keyed = null;
      throw new Overtaken();
    }
    let name: string | null = null;
    try {
      name = parseVerifier(key).name;
    } catch {
      // Said below.
    }
    if (name !== `consortium-log/${log}` || origin !== name) throw new Refuted("key", "The relay's key is not one of this log.", this.#keyed);
    const pin = await this.#deps.memory.pin(log, key, this.#deps.now());
    if (pin.key !== key) {
      const keyed = this.#keyed;
      this.#keyed = null;
      throw new Refuted("key", "The relay signs with another key than the one this browser pinned. The pinned one is kept.", { pinned: pin.key, sent: keyed });
    }
    return pin;
  }

  async #ask<T>(request: () => Promise<T>, revision: number | null): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof ApiError && error.code === "conflict") {
        // Another log may have taken its place: ask for its key again before this is believed.
        this.#keyed = null;
        this.#doubt(new Refuted("shorter", `The relay's log got shorter than what this browser accepted. ${error.message}`, { code: error.code, message: error.message }));
      }
      if (error instanceof ApiError && error.code === "not-found" && revision !== null) this.#lacks(revision);
      throw error;
    }
  }

  /** An entry that the relay announced is not proved. */
  #lacks(revision: number): never {
    return this.#doubt(new Refuted("missing", `The relay sent entry #${revision.toLocaleString("en")}, but does not prove that its log holds it.`, { revision }));
  }

  /** Once may be chance; twice is an answer. */
  #doubt(problem: Refuted): never {
    this.#doubts += 1;
    throw this.#doubts < 2 ? new Overtaken() : problem;
  }

  async #advance(pin: Pin, note: string, change: Partial<Pick<Pin, "first" | "proved">>): Promise<Pin> {
    const next = await this.#deps.memory.advance(pin, { ...change, checkpoint: note, acceptedAt: this.#deps.now() });
    if (next === null || this.#closed) throw new Overtaken();
    return next;
  }

  #note(records: readonly CheckedRecord[]): void {
    this.#latest = [...this.#latest, ...records.map(({ header, body }) => ({ header, shredded: body === null }))].slice(-latestMax);
  }

  #compareWith(records: readonly CheckedRecord[], wire: readonly WireRecord[]): void {
    let changed = false;
    for (const [i, record] of records.entries()) {
      const shown = this.#shown.get(record.header.revision);
      if (shown === undefined) continue;
      this.#shown.delete(shown.revision);
      changed = true;
      try {
        if (compare(shown, record, { shown, record: wire[i] }) === true) this.#proved.add(shown.revision);
      } catch (error) {
        this.#refuted.add(shown.revision);
        this.#changed();
        throw error;
      }
    }
    if (changed) this.#changed();
  }

  // --- What is said of it -------------------------------------------------------------------------------------

  async #raise(problem: Refuted): Promise<void> {
    // What was seen beside the log says nothing of the log itself.
    if (problem.kind !== "seen") this.#set({ state: "refuted", trouble: problem.message });
    const pin = await this.pin();
    const base = pin === null ? "" : `${pin.log} ${pin.version}`;
    // The same again is not news.
    if (this.alarms.get().some((known) => known.kind === problem.kind && (known.text === problem.message || (problem.kind !== "seen" && base !== "" && known.base === base)))) return;
    const alarm: Alarm = { kind: problem.kind, at: this.#deps.now(), text: problem.message, base, evidence: { found: problem.evidence, pin }, acknowledged: false };
    this.#setAlarms([...this.alarms.get(), alarm]);
    await this.#deps.memory.addAlarm(alarm);
  }

  #setAlarms(alarms: readonly Alarm[]): void {
    this.alarms.set(alarms);
    this.alarm.set(alarms.findLast((alarm) => !alarm.acknowledged) ?? null);
  }

  #setChange(change: LogChange | null): void {
    this.change.set(change === null || change.acknowledged ? null : change);
  }

  #changed(): void {
    this.#set({ compared: this.#proved.size, waiting: this.#shown.size });
    this.proofs.set(this.proofs.get() + 1);
  }

  #show(pin: Pin, change: Partial<LogStatus> = {}): void {
    const last = lastOf(pin);
    const before = this.status.get();
    const remembered = last === null ? null : { size: last.size, at: pin.acceptedAt };
    this.#set({
      state: before.state === "unknown" || before.state === "unavailable" ? "checking" : before.state,
      log: pin.log,
      key: pin.key,
      pinnedAt: pin.pinnedAt,
      checkpoint: last === null ? null : { size: last.size, root: toHex(last.root), note: pin.checkpoint as string },
      acceptedAt: pin.acceptedAt,
      from: before.log === pin.log ? before.from : remembered,
      first: pin.first,
      proved: pin.proved?.revision ?? null,
      latest: this.#latest,
      waiting: this.#shown.size,
      ...change,
    });
  }

  #set(change: Partial<LogStatus>): void {
    if (!this.#closed) this.status.set({ ...this.status.get(), ...change });
  }
}

function lastOf(pin: Pin): Checkpoint | null {
  return pin.checkpoint === null ? null : openCheckpoint(pin.checkpoint, parseVerifier(pin.key));
}

function placeOf(record: CheckedRecord): Place {
  return { revision: record.header.revision, index: record.index, time: record.header.time };
}
