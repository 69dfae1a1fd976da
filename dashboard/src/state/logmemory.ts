// What this browser remembers of the logs of a relay: the keys it pinned, the last states it accepted, how far it has seen, and what
// it was alarmed by. A part of Seen.
import type { Position } from "../api/types.ts";
import type { Database } from "./database.ts";

export interface Pin {
  readonly log: string;
  /** The verifier's text form. Kept from the first look, never replaced. */
  readonly key: string;
  readonly pinnedAt: number;
  /** The newest checkpoint that was accepted, as it was signed. */
  readonly checkpoint: string | null;
  readonly acceptedAt: number;
  /** The account's revision from which on every entry is proved: where this browser first looked. */
  readonly first: number | null;
  /** The last entry of the unbroken row of proved ones. Those after it must stand behind it in the log. */
  readonly proved: { readonly revision: number; readonly index: number; readonly time: number } | null;
  /** Changes with every write: two tabs never overwrite each other. */
  readonly version: number;
}

/** What the log contradicted; `seen`: something else that this browser had seen. */
export type AlarmKind = "key" | "signature" | "shorter" | "history" | "entry" | "missing" | "shown" | "seen";

export interface Alarm {
  readonly kind: AlarmKind;
  readonly at: number;
  /** What failed, in words. */
  readonly text: string;
  /** What was accepted when it happened: the same failure against the same state is one alarm. */
  readonly base: string;
  /** What the relay sent, and what this browser had. */
  readonly evidence: unknown;
  readonly acknowledged: boolean;
}

/** Which log the relay has, and which it had before. */
export interface LogChange {
  readonly log: string;
  readonly before: string | null;
  readonly at: number;
  readonly acknowledged: boolean;
}

const alarmsMax = 10;

export class LogMemory {
  #database: Database;
  #account: string;

  constructor(database: Database, accountId: string) {
    this.#database = database;
    this.#account = accountId;
  }

  #key(log: string): string {
    return `${this.#account} log ${log}`;
  }

  /** The pin of this log; made now if it is seen for the first time. Whoever comes first decides the key. */
  async pin(log: string, key: string, now: number): Promise<Pin> {
    const fresh: Pin = { log, key, pinnedAt: now, checkpoint: null, acceptedAt: 0, first: null, proved: null, version: 1 };
    return (await this.#database.update<Pin>("seen", this.#key(log), (stored) => stored ?? fresh)) as Pin;
  }

  async get(log: string): Promise<Pin | null> {
    return (await this.#database.get<Pin>("seen", this.#key(log))) ?? null;
  }

  /** Replaces `before` by what follows from it; null when another tab was faster. */
  async advance(before: Pin, change: Partial<Pick<Pin, "checkpoint" | "acceptedAt" | "first" | "proved">>): Promise<Pin | null> {
    const next: Pin = { ...before, ...change, version: before.version + 1 };
    const stored = await this.#database.update<Pin>("seen", this.#key(before.log), (now) => (now?.version === before.version ? next : now));
    return stored === undefined || stored.version !== next.version || stored.checkpoint !== next.checkpoint ? null : next;
  }

  /** Notes which log the relay has. */
  async current(log: string, now: number): Promise<LogChange> {
    return (await this.#database.update<LogChange>("seen", `${this.#account} logs`, (stored) => {
      if (stored?.log === log) return stored;
      return { log, before: stored?.log ?? null, at: now, acknowledged: stored === undefined };
    })) as LogChange;
  }

  async change(): Promise<LogChange | null> {
    return (await this.#database.get<LogChange>("seen", `${this.#account} logs`)) ?? null;
  }

  async acknowledgeChange(): Promise<void> {
    await this.#database.update<LogChange>("seen", `${this.#account} logs`, (stored) => (stored === undefined ? undefined : { ...stored, acknowledged: true }));
  }

  async alarms(): Promise<readonly Alarm[]> {
    return (await this.#database.get<Alarm[]>("seen", `${this.#account} alarms`)) ?? [];
  }

  async addAlarm(alarm: Alarm): Promise<readonly Alarm[]> {
    return (await this.#database.update<readonly Alarm[]>("seen", `${this.#account} alarms`, (stored) => [...(stored ?? []), alarm].slice(-alarmsMax))) ?? [];
  }

  async acknowledgeAlarms(): Promise<readonly Alarm[]> {
    return (await this.#database.update<readonly Alarm[]>("seen", `${this.#account} alarms`, (stored) => (stored ?? []).map((alarm) => ({ ...alarm, acknowledged: true })))) ?? [];
  }

  /** How far this browser has seen the account's stream. */
  async position(): Promise<Position | null> {
    return (await this.#database.get<Position>("seen", `${this.#account} position`)) ?? null;
  }

  async reached(position: Position): Promise<void> {
    await this.#database.update<Position>("seen", `${this.#account} position`, (stored) =>
      stored !== undefined && stored.log === position.log && stored.revision > position.revision ? stored : position,
    );
  }
}
