// What the relay holds for the account: sessions and machines, kept current by its updates.
import { type Api, ApiError } from "../api/http.ts";
import type { Ephemeral, UpdateBody, Versioned, WireMachine, WireSession } from "../api/types.ts";
import { type Bytes, fromBase64, fromUtf8, openMetadata, verifyDeletion } from "../crypto/index.ts";
import type { Database } from "./database.ts";
import { findKey, type HeldKey, type KeyDeps } from "./datakeys.ts";
import type { Outbox } from "./outbox.ts";
import type { Shown } from "./proofs.ts";
import { type Remembered, SessionModel } from "./session.ts";
import type { SessionSummary } from "./sessionfields.ts";
import { coalesced, Signal } from "./signal.ts";
import { record, string } from "./values.ts";

export interface Machine {
  readonly id: string;
  /** The account's name for its device; null when its key does not open. */
  readonly name: string | null;
  /** What the machine itself calls its host. */
  readonly host: string | null;
  /** Its device was revoked: it is shown as a former one. */
  readonly former: boolean;
  readonly active: boolean;
  readonly activeAt: number;
}

export interface Lists {
  readonly loaded: boolean;
  readonly sessions: readonly SessionSummary[];
  /** The relay may hold older ones that are not among them. */
  readonly older: boolean;
  readonly machines: readonly Machine[];
  /** How many sessions wait for an answer. */
  readonly waiting: number;
}

/** Of the account that is signed in. */
export interface Owner extends KeyDeps {
  readonly outbox: Outbox;
  /** The account's name for a device of its chain. */
  nameOf(device: Bytes): string | null;
  clockOf(device: Bytes | null): number;
}

export interface CatalogDeps {
  readonly api: Api;
  readonly database: Database;
  readonly now: () => number;
  /** The relay's log, as far as known: what is remembered of a session holds for one log. */
  log(): string | null;
  shown(message: Shown): void;
  /** A statement about a device, base64. */
  device(statement: string): Promise<void>;
}

const previewMax = 30;
const previewLanes = 4;
const empty: Lists = { loaded: false, sessions: [], older: false, machines: [], waiting: 0 };

export class Catalog {
  readonly lists = new Signal<Lists>(empty);
  #deps: CatalogDeps;
  #owner: Owner | null = null;
  #sessions = new Map<string, SessionModel>();
  #deleted = new Set<string>();
  /** Revision at which the relay took a session from the list: what it said of it before that is old. */
  #goneAt = new Map<string, number>();
  #machines = new Map<string, Machine>();
  #machineKeys = new Map<string, HeldKey>();
  #unwatch: () => void = () => undefined;
  /** Of those that are not listed: asked for, and not here yet. */
  #fetching = new Map<string, Promise<void>>();
  /** Where the next page of older sessions begins: null at the start, undefined behind the last. */
  #nextOlder: string | null | undefined;
  #publish: () => void;

  constructor(deps: CatalogDeps) {
    this.#deps = deps;
    this.#publish = coalesced(() => this.#setLists(), 20);
  }

  session(id: string): SessionModel | undefined {
    return this.#sessions.get(id);
  }

  get sessions(): readonly SessionModel[] {
    return [...this.#sessions.values()];
  }

  /** Begins anew, for this account or for nobody. */
  reset(owner: Owner | null): void {
    this.#unwatch();
    this.#owner = owner;
    this.#sessions.clear();
    this.#deleted.clear();
    this.#goneAt.clear();
    this.#nextOlder = undefined;
    this.#machines.clear();
    this.#machineKeys.clear();
    this.#unwatch = owner?.seen.changed.subscribe(() => this.#devicesChanged()) ?? (() => undefined);
    this.lists.set(empty);
  }

  /** Another log, or one that was set back: its numbers are not those from before, nothing can be compared. */
  forgetSessions(): void {
    this.#sessions.clear();
    this.#goneAt.clear();
    this.#nextOlder = undefined;
  }

  /** The relay's lists, as of `revision`; whether the account has sessions that are not in them. */
  async replace(sessions: readonly WireSession[], hasMore: boolean, machines: readonly WireMachine[], revision: number): Promise<void> {
    const listed = new Set(sessions.map((session) => session.id));
    this.#nextOlder = hasMore ? null : undefined;
    // What a complete list does not name is gone.
    if (!hasMore) for (const id of this.#sessions.keys()) if (!listed.has(id)) this.#sessions.delete(id);
    for (const wire of sessions) await this.#addSession(wire, revision, false);
    this.#machines.clear();
    for (const wire of machines) await this.#addMachine(wire);
    this.#setLists(true);
  }

  async apply(body: UpdateBody, revision: number): Promise<void> {
    switch (body.t) {
      case "new-message":
        return this.#withSession(body.sid, (session) => session.receive(body.message));
      case "new-session":
        return this.#addSession(body, revision, true);
      case "update-session":
        return this.#withSession(body.id, async (session) => {
          const fields: [("metadata" | "agentState"), Versioned | undefined][] = [["metadata", body.metadata], ["agentState", body.agentState]];
          for (const [field, value] of fields) if (value !== undefined) await session.applyUpdate(field, value.value, value.version);
        });
      case "delete-session":
        return this.#deleteSession(body.sid, revision, body);
      case "session-activity":
        return this.#withSession(body.id, async (session) => session.activity(body.active, body.activeAt));
      case "new-machine":
        return this.#addMachine({ ...body, id: body.machineId });
      case "update-machine": {
        const machine = this.#machines.get(body.machineId);
        if (machine === undefined) return;
        const host = body.metadata?.value == null ? machine.host : await this.#machineHost(body.machineId, body.metadata.value);
        this.#machines.set(machine.id, { ...machine, host, active: body.active ?? machine.active, activeAt: body.activeAt ?? machine.activeAt });
        this.#publish();
        return;
      }
      case "delete-machine":
        this.#machines.delete(body.machineId);
        this.#publish();
        return;
      case "machine-activity":
        this.#machineActivity(body.id, body.active, body.activeAt);
        return;
      case "device":
        return this.#deps.device(body.statement);
      default:
        return; // none, shredded, and types of a newer relay
    }
  }

  async #withSession(sid: string, work: (session: SessionModel) => Promise<void>): Promise<void> {
    let session = this.#sessions.get(sid);
    if (session === undefined) {
      // One beyond the end of the list came to life. What it is told may be newer than what was fetched.
      await this.#fetch(sid).catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
      });
      session = this.#sessions.get(sid);
    }
    if (session !== undefined) await work(session);
  }

  /** Has a session that is not listed, if the relay knows it: by its address alone. */
  async find(sid: string): Promise<SessionModel | undefined> {
    if (!this.#sessions.has(sid)) await this.#fetch(sid);
    return this.#sessions.get(sid);
  }

  #fetch(sid: string): Promise<void> {
    if (this.#deleted.has(sid)) return Promise.resolve();
    let fetching = this.#fetching.get(sid);
    if (fetching === undefined) {
      fetching = this.#deps.api
        .session(sid)
        .then(({ session, position }) => this.#addSession(session, position?.revision ?? 0, false))
        .catch((error: unknown) => {
          if (!(error instanceof ApiError) || error.code !== "not-found") throw error;
        })
        .finally(() => this.#fetching.delete(sid));
      this.#fetching.set(sid, fetching);
    }
    return fetching;
  }

  /** Has at least one more of the older sessions, unless there are none. */
  async loadOlder(): Promise<void> {
    const before = this.#sessions.size;
    while (this.#nextOlder !== undefined && this.#sessions.size === before) {
      const { sessions, nextCursor, position } = await this.#deps.api.pageOfSessions(this.#nextOlder);
      if (this.#nextOlder === undefined) return; // a list came meanwhile that has them all
      this.#nextOlder = nextCursor ?? undefined;
      for (const wire of sessions) if (!this.#sessions.has(wire.id)) await this.#addSession(wire, position?.revision ?? 0, false);
    }
    this.#publish();
  }

  async #addSession(wire: WireSession, revision: number, isNew: boolean): Promise<void> {
    const owner = this.#owner;
    if (owner === null || this.#deleted.has(wire.id) || revision < (this.#goneAt.get(wire.id) ?? 0)) return;
    let session = this.#sessions.get(wire.id);
    if (session === undefined) {
      session = new SessionModel(wire, {
        accountId: owner.accountId,
        content: owner.content,
        seen: owner.seen,
        readChain: () => owner.readChain(),
        lies: (words) => owner.lies(words),
        nameOf: (device) => owner.nameOf(device),
        clockOf: (device) => owner.clockOf(device),
        now: this.#deps.now,
        fetchMessages: (sid, page, limit) => this.#deps.api.messages(sid, page, limit),
        pending: (sid) => owner.outbox.rows(sid),
        shown: (message) => this.#deps.shown(message),
        remembered: async (sid) => {
          const memory = await this.#deps.database.get<Remembered & { log: string | null }>("notes", `session:${sid}`);
          return memory?.log === this.#deps.log() ? memory : undefined;
        },
        remember: (sid, memory) => {
          if (this.#deleted.has(sid)) return;
          void this.#deps.database.put("notes", `session:${sid}`, { ...memory, log: this.#deps.log() }).catch(() => undefined);
        },
        changed: () => this.#publish(),
      });
      this.#sessions.set(wire.id, session);
    }
    await session.applyWire(wire, revision, isNew);
    this.#publish();
    this.#owner?.outbox.kick();
  }

  /**
   * Only a browser of ours deletes for good, by its signature: then what is kept of the session here goes as well. Otherwise it is
   * merely gone from the list; it comes back with what was written in it if the relay shows it again.
   */
  async #deleteSession(sid: string, revision: number, { device, signature }: { device?: unknown; signature?: unknown }): Promise<void> {
    const owner = this.#owner;
    this.#goneAt.set(sid, revision);
    this.#sessions.delete(sid);
    this.#publish();
    if (owner === null || typeof device !== "string" || typeof signature !== "string") return;
    if (!verifyDeletion({ device, signature }, owner.accountId, sid)) return;
    const key = fromBase64(device);
    if (owner.seen.devices.standingOf(key) === "unknown") await owner.readChain();
    if (owner.seen.devices.standingOf(key) !== "good" || owner.seen.devices.kindOf(key) !== "browser") return;
    await this.forget(sid);
  }

  /** It was deleted for good. */
  async forget(sid: string): Promise<void> {
    this.#deleted.add(sid);
    this.#sessions.delete(sid);
    await this.#owner?.outbox.forget(sid);
    await this.#deps.database.delete("notes", `session:${sid}`);
    await this.#deps.database.delete("notes", `draft:${sid}`);
    this.#publish();
  }

  #devicesChanged(): void {
    for (const session of this.#sessions.values()) session.devicesChanged();
    for (const [id, machine] of this.#machines) this.#machines.set(id, { ...machine, ...this.#machineDevice(id) });
    this.#publish();
  }

  async #addMachine(wire: WireMachine): Promise<void> {
    const owner = this.#owner;
    if (owner === null) return;
    const { held } = await findKey(wire.dataEncryptionKey, "machine", wire.id, owner);
    if (held !== null) this.#machineKeys.set(wire.id, held);
    const host = await this.#machineHost(wire.id, wire.metadata);
    this.#machines.set(wire.id, { id: wire.id, ...this.#machineDevice(wire.id), host, active: wire.active, activeAt: wire.activeAt });
    this.#publish();
  }

  #machineDevice(id: string): Pick<Machine, "name" | "former"> {
    const held = this.#machineKeys.get(id);
    if (held === undefined || this.#owner === null) return { name: null, former: false };
    return { name: this.#owner.nameOf(held.device), former: this.#owner.seen.devices.standingOf(held.device) === "revoked" };
  }

  async #machineHost(id: string, metadata: string): Promise<string | null> {
    const held = this.#machineKeys.get(id);
    if (held === undefined) return null;
    try {
      return string(record(JSON.parse(fromUtf8(await openMetadata(metadata, held.key, "machine"))))["host"]);
    } catch {
      return null;
    }
  }

  #machineActivity(id: string, active: boolean, activeAt: number): void {
    const machine = this.#machines.get(id);
    if (machine === undefined) return;
    this.#machines.set(id, { ...machine, active, activeAt });
    this.#publish();
  }

  async applyEphemeral(ephemeral: Ephemeral): Promise<void> {
    if (ephemeral.type === "activity" && "thinking" in ephemeral) {
      this.#sessions.get(ephemeral.id)?.activity(ephemeral.active, ephemeral.activeAt, ephemeral.thinking);
    } else if (ephemeral.type === "machine-activity" && "active" in ephemeral) {
      this.#machineActivity(ephemeral.id, ephemeral.active, ephemeral.activeAt);
    } else if (ephemeral.type === "stream" && "c" in ephemeral) {
      await this.#sessions.get(ephemeral.sid)?.stream(ephemeral.c);
    }
  }

  #setLists(loaded = this.lists.get().loaded): void {
    const sessions = [...this.#sessions.values()].map((session) => session.summary.get()).sort((a, b) => b.at - a.at);
    this.lists.set({ loaded, sessions, older: this.#nextOlder !== undefined, machines: [...this.#machines.values()], waiting: sessions.filter((s) => s.status === "needs-you").length });
  }

  /** Titles and second lines for the newest sessions, a few at a time. */
  loadPreviews(wanted: () => boolean): void {
    const newest = this.lists.get().sessions.slice(0, previewMax).map((summary) => summary.id);
    const next = async (): Promise<void> => {
      for (let id = newest.shift(); id !== undefined; id = newest.shift()) {
        if (!wanted()) return;
        await this.#sessions.get(id)?.loadPreview();
      }
    };
    for (let lane = 0; lane < previewLanes; lane += 1) void next().catch(() => undefined);
  }
}
