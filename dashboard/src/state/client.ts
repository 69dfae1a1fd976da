// The dashboard's state: who is signed in, what the relay holds, and the live connection that keeps it current.
// No React here. Everything that changes is a Signal.
import { Api, ApiError } from "../api/http.ts";
import { RelaySocket } from "../api/socket.ts";
import type { Update, UpdateBody } from "../api/types.ts";
import {
  type AccountKeys,
  accountFromSecret,
  type Bytes,
  checkChallenge,
  CryptoError,
  fromBase64,
  equalBytes,
  fromHex,
  loginBody,
  type DeviceKind,
  fromUtf8,
  type KeyPair,
  openBox,
  randomBytes,
  signDeletion,
  signKeyPair,
  type Standing,
  toBase64,
} from "../crypto/index.ts";
import { AgentCalls, RpcError } from "./agentcall.ts";
import { Catalog, type Lists } from "./catalog.ts";
import { Clocks } from "./clocks.ts";
import type { Database, Trouble } from "./database.ts";
import type { PromptMeta } from "./decode.ts";
import { type Certificate, certify, certifyWatched, trusted } from "./deletion.ts";
import { type Device, DeviceBook } from "./devicebook.ts";
import type { Clock } from "./elapsed.ts";
import { LogMemory } from "./logmemory.ts";
import { LogWatch } from "./logwatch.ts";
import { Outbox } from "./outbox.ts";
import { PairingRun } from "./pairing.ts";
import { lower, Progress } from "./progress.ts";
import { noteAccount, Seen } from "./seen.ts";
import type { SessionModel } from "./session.ts";
import { Signal } from "./signal.ts";
import { type SignInChoice, type SignInDeps, renewSignIn, SignInError, signInWithSecret } from "./signin.ts";
import { type Identity, type Sealed, Vault } from "./vault.ts";

export type Phase = "starting" | "signed-out" | "ready" | "revoked" | "gone";

export interface Connection {
  readonly state: "connecting" | "catching-up" | "live" | "reconnecting" | "offline" | "refused";
  /** Since when it is so. */
  readonly since: number;
  /** Updates received in this catch-up. */
  readonly received: number;
  readonly message: string | null;
}

export interface ClientDeps {
  readonly origin: string;
  readonly database: Database;
  readonly deviceName: string;
  readonly fetch?: typeof fetch;
  readonly now?: () => number;
  readonly locks?: LockManager | undefined;
  readonly isOnline?: () => boolean;
  /** Between two checks of the log while entries flow. */
  readonly watchIntervalMs?: number;
  /** Between two looks at a pairing. */
  readonly pairingPollMs?: number;
  readonly clock?: Clock;
}

/** Who signed a prompt or an answer. */
export interface Signer {
  readonly name: string | null;
  readonly standing: Standing;
  readonly kind: DeviceKind | null;
  readonly isThis: boolean;
}

/** How long a prompt is good where the agent can be reached. */
export const promptWaitMs = 10 * 60_000;

const refusedRetryMs = 30_000;
const unreachableRetryMs = 3_000;

export class Client {
  readonly phase = new Signal<Phase>("starting");
  readonly connection: Signal<Connection>;
  readonly lists: Signal<Lists>;
  /** Highest revision the relay acknowledged or sent. */
  readonly revision: Signal<number>;
  readonly queued = new Signal<number>(0);
  /** What is checked of the relay's log; one for each account that is signed in. */
  readonly watch: Signal<LogWatch>;
  /** The receipt of the account that was deleted here, shown once nobody is signed in. */
  readonly farewell = new Signal<Certificate | null>(null);
  readonly identity = new Signal<Identity | null>(null);
  readonly devicesChanged = new Signal<number>(0);
  /** The devices of the account that is signed in. */
  readonly book = new Signal<DeviceBook | null>(null);
  /** Somebody signed in here just now: the list of devices is looked at before anything else. */
  readonly firstLook = new Signal<boolean>(false);

  readonly api: Api;
  #deps: ClientDeps;
  #now: () => number;
  /** Where what belongs to this sign-in is kept. */
  #kept: Database;
  #vault: Vault | null = null;
  #keys: AccountKeys | null = null;
  #accountId: string | null = null;
  #seen: Seen | null = null;
  #unwatchSeen: (() => void) | null = null;
  #socket: RelaySocket | null = null;
  #connected = false;
  #progress: Progress;
  #log: string | null = null;
  #catalog: Catalog;
  #outbox: Outbox | null = null;
  #calls: AgentCalls | null = null;
  #clocks: Clocks | null = null;
  /** This browser's own key, while somebody is signed in. */
  #device: KeyPair | null = null;
  #queue: Promise<void> = Promise.resolve();
  #generation = 0;
  #relogin: Promise<void> | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #received = 0;
  /** The account is being deleted: a refused token must not sign in again, that would make a new account. */
  #deleting = false;

  constructor(deps: ClientDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? Date.now;
    this.api = new Api(deps.origin, deps.fetch);
    this.#kept = deps.database.untilWiped();
    const kept = () => this.#kept;
    this.#catalog = new Catalog({
      api: this.api,
      get database() {
        return kept();
      },
      now: this.#now,
      log: () => this.#log,
      shown: (message) => this.watch.get().shows(message),
      device: async (statement) => this.book.get()?.apply(statement),
    });
    this.lists = this.#catalog.lists;
    this.watch = new Signal(this.#noWatch());
    this.connection = new Signal<Connection>({ state: "connecting", since: this.#now(), received: 0, message: null });
    this.#progress = new Progress({
      watch: () => this.watch.get(),
      keep: async (position) => {
        if (this.phase.get() === "ready") await this.#seen?.log.reached(position);
      },
      came: () => {
        const connection = this.connection.get();
        if (connection.state === "catching-up" && connection.received !== this.#received) this.connection.set({ ...connection, received: this.#received });
      },
    });
    this.revision = this.#progress.revision;
  }

  get accountId(): string | null {
    return this.#accountId;
  }

  /** What this browser saw of the account that is signed in. */
  get seen(): Seen | null {
    return this.#seen;
  }

  // --- Identity ---------------------------------------------------------------------------------------------

  /** Reads what this browser keeps and, if it is signed in, connects. */
  async start(): Promise<void> {
    this.#vault = await Vault.open(this.#deps.database.untilWiped());
    let identity: Identity | null = null;
    try {
      identity = await this.#vault.load();
    } catch {
      identity = null; // The sealing key is gone: whatever lies there cannot be opened any more.
    }
    if (identity === null) {
      this.phase.set("signed-out");
      return;
    }
    this.#keys = await accountFromSecret(identity.secret);
    this.identity.set(identity);
    if (identity.login === null) {
      this.phase.set("signed-out");
      return;
    }
    await this.#enter(identity);
  }

  /** Signs in with an account secret, and makes an account only where `choice` says so. Throws SignInError, ApiError, CryptoError. */
  async signIn(secret: Bytes, keyConfirmed: boolean, choice: Omit<SignInChoice, "account"> = {}): Promise<void> {
    const vault = (this.#vault ??= await Vault.open(this.#deps.database.untilWiped()));
    const known = this.identity.get();
    // A key that was revoked never comes back; one of an attempt that was not answered may be in the chain already.
    const same = known !== null && equalBytes(known.secret, secret) && (this.phase.get() !== "revoked" || known.login === null);
    const deviceSeed = same ? known.deviceSeed : randomBytes(32);
    const keys = await accountFromSecret(secret);
    const kept: Identity = { secret, deviceSeed, deviceName: this.#deps.deviceName, login: null, keyConfirmed };
    const keep = async () => {
      await vault.save(kept);
      this.identity.set(kept);
    };
    const login = await signInWithSecret(this.#signInDeps(keys, kept, keep), choice);
    const identity = { ...kept, login };
    await vault.save(identity);
    this.#keys = keys;
    this.identity.set(identity);
    await this.#enter(identity, true);
  }

  #signInDeps(keys: AccountKeys, identity: Identity, keep: () => Promise<void>): SignInDeps {
    return { api: this.api, database: this.#deps.database, keys, device: signKeyPair(identity.deviceSeed), name: this.#deps.deviceName, now: this.#now, keep };
  }

  /** The account is gone: the key that is kept here makes a new one. */
  async beginAnew(choice: Pick<SignInChoice, "invitation"> = {}): Promise<void> {
    const identity = this.identity.get();
    if (identity !== null && this.phase.get() === "gone") await this.signIn(identity.secret, identity.keyConfirmed, { create: true, acceptOther: true, ...choice });
  }

  async confirmKey(): Promise<void> {
    const identity = this.identity.get();
    if (identity === null || this.#vault === null) return;
    const confirmed = { ...identity, keyConfirmed: true };
    await this.#vault.save(confirmed);
    this.identity.set(confirmed);
  }

  /** Voids this browser's tokens at the relay, if it can be reached, and forgets everything this browser keeps. */
  async signOut(): Promise<void> {
    try {
      if (this.api.token !== null) await this.api.logout();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // What is wiped here is gone either way.
    }
    await this.#wipe();
  }

  async #wipe(): Promise<void> {
    this.#leave();
    await this.#deps.database.clear();
    this.#vault = null;
    this.identity.set(null);
    this.phase.set("signed-out");
  }

  stop(): void {
    this.#leave();
  }

  #leave(): void {
    this.#generation += 1;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#socket?.close();
    this.#socket = null;
    this.#connected = false;
    this.#unwatchSeen?.();
    this.#unwatchSeen = null;
    void this.#seen?.counts.flush();
    this.#seen = null;
    this.book.set(null);
    this.firstLook.set(false);
    this.#outbox?.close();
    this.#outbox = null;
    this.#catalog.reset(null);
    this.#progress.reset(null);
    this.#log = null;
    this.api.token = null;
    this.watch.get().close();
    this.watch.set(this.#noWatch());
    this.queued.set(0);
  }

  /** This browser was revoked, as a statement says: it stops, and keeps what it saw. */
  #lock(): void {
    this.#leave();
    this.phase.set("revoked");
  }

  #watchFor(accountId: string, memory: LogMemory): LogWatch {
    const { watchIntervalMs } = this.#deps;
    return new LogWatch({ api: this.api, memory, accountId, now: this.#now, ...(watchIntervalMs === undefined ? {} : { intervalMs: watchIntervalMs }) });
  }

  /** Of nobody: nothing is remembered, and nothing is asked. */
  #noWatch(): LogWatch {
    return this.#watchFor("", new LogMemory(this.#deps.database, ""));
  }

  async #enter(identity: Identity, first = false): Promise<void> {
    this.#leave();
    this.farewell.set(null);
    const generation = this.#generation;
    const login = identity.login as NonNullable<Identity["login"]>;
    this.#accountId = login.accountId;
    this.api.token = login.token;
    this.#kept = this.#deps.database.untilWiped();
    const seen = await Seen.open(this.#kept, login.accountId, (this.#keys as AccountKeys).publicKey);
    this.#seen = seen;
    const watch = this.#watchFor(login.accountId, seen.log);
    await watch.load();
    this.watch.set(watch);
    const own = signKeyPair(identity.deviceSeed).publicKey;
    this.book.set(
      new DeviceBook({
        api: this.api,
        seen,
        keys: this.#keys as AccountKeys,
        own,
        ownName: identity.deviceName,
        now: this.#now,
        contradicts: (text, evidence) => watch.contradicts(text, evidence, "seen"),
      }),
    );
    const changed = () => {
      if (seen.devices.standingOf(own) === "revoked") return this.#lock();
      this.devicesChanged.set(this.devicesChanged.get() + 1);
    };
    this.#unwatchSeen = seen.changed.subscribe(changed);
    if (seen.devices.standingOf(own) === "revoked") return this.#lock();
    this.firstLook.set(first && seen.devices.devices.length > 1);
    this.#progress.reset(await seen.log.position());
    const device = signKeyPair(identity.deviceSeed);
    this.#device = device;
    this.#clocks = await Clocks.open(this.#kept, login.accountId);
    this.#calls = new AgentCalls({
      socket: () => (this.#connected ? this.#socket : null),
      accountId: login.accountId,
      device,
      seen,
      readChain: () => this.#readChain(),
      heldBack: (words) => void watch.contradicts(words, null, "seen"),
      clock: (session, difference) => {
        this.#clocks?.set(session.device, difference);
        session.devicesChanged();
      },
      now: this.#now,
      steady: () => performance.now(),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
    this.#outbox = new Outbox({
      database: this.#kept,
      vault: this.#vault as Vault,
      accountId: login.accountId,
      now: this.#now,
      locks: this.#deps.locks,
      device,
      key: (sid) => this.#catalog.session(sid)?.writeKey ?? null,
      connected: () => this.#connected,
      send: (sid, bundle, localId) => (this.#socket as RelaySocket).sendMessage(sid, bundle, localId),
      stored: (sid, message) => {
        this.#progress.reached(message.revision);
        void this.#catalog.session(sid)?.stored(message);
      },
      changed: (sid) => {
        this.queued.set(this.#outbox?.count ?? 0);
        this.#catalog.session(sid)?.pendingChanged();
      },
    });
    this.#catalog.reset({
      accountId: login.accountId,
      content: (this.#keys as AccountKeys).content,
      seen,
      readChain: () => this.#readChain(),
      lies: (words) => void watch.contradicts(words, null, "seen"),
      nameOf: (key) => this.nameOf(key),
      clockOf: (device) => this.#clocks?.get(device) ?? 0,
      outbox: this.#outbox,
    });
    await this.#outbox.load();
    this.queued.set(this.#outbox.count);
    this.#setConnection("connecting");
    this.phase.set("ready");
    await this.#loadAndConnect(generation);
  }

  /** Reads the relay's chain of devices. Where it cannot be read, what is known counts. */
  async #readChain(): Promise<void> {
    try {
      await this.book.get()?.read();
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof CryptoError)) throw error;
    }
  }

  // --- Lists and connection -----------------------------------------------------------------------------------

  /** The lists first, then the stream from where they end. Tries again until it works or the relay says no. */
  async #loadAndConnect(generation: number): Promise<void> {
    if (generation !== this.#generation) return;
    try {
      await this.book.get()?.read();
      if (generation !== this.#generation) return;
      await this.#loadLists();
      if (generation !== this.#generation) return;
      this.#openSocket(generation);
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof CryptoError) {
        this.#setConnection("refused", error.message);
        return this.#retryLater(generation, refusedRetryMs);
      }
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "unauthorized" || error.code === "revoked") return this.#tokenRefused(generation);
      const wait = error.retry === false ? 10_000 : Math.min(Math.max(error.retry, 1_000), 30_000);
      this.#setConnection("offline", error.message);
      this.#retryLater(generation, wait);
    }
  }

  #retryLater(generation: number, ms: number): void {
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      void this.#loadAndConnect(generation);
    }, ms);
  }

  async #loadLists(): Promise<void> {
    const { sessions, hasMore, position } = await this.api.sessions();
    const machines = await this.api.machines();
    const at = lower(position, machines.position);
    if (position !== null) {
      const another = this.#log !== null && this.#log !== position.log;
      this.#log = position.log;
      // What is looked at while the lists are still taken in is already of this log.
      this.watch.get().reached(position.log, 0);
      const wentBack = this.#progress.checkHistory(position);
      if (another || wentBack) this.#catalog.forgetSessions();
    }
    await this.#catalog.replace(sessions, hasMore, machines.machines, position?.revision ?? Number.POSITIVE_INFINITY);
    this.#progress.goOnFrom(at);
    if (position !== null) this.#progress.reached(position.revision);
  }

  #openSocket(generation: number): void {
    this.#socket?.close();
    const current = (work: () => void) => {
      if (generation === this.#generation) work();
    };
    this.#socket = new RelaySocket(
      { origin: this.api.origin, auth: () => ({ token: this.api.token ?? "", since: this.#progress.cursor }) },
      {
        connected: () =>
          current(() => {
            this.#connected = true;
            this.#setConnection("catching-up");
            void this.#outbox?.load().then(() => this.#outbox?.kick());
          }),
        disconnected: (reason) =>
          current(() => {
            this.#lost("reconnecting");
            // The relay itself said good-bye: it does not want this token any more.
            if (reason === "io server disconnect") void this.#tokenRefused(generation);
          }),
        failed: (message, refused) =>
          current(() => {
            if (refused) void this.#tokenRefused(generation, message);
            else this.#lost("offline");
          }),
        update: (update) => current(() => this.#enqueue(() => this.#applyUpdate(update))),
        ephemeral: (ephemeral) => current(() => this.#enqueue(() => this.#catalog.applyEphemeral(ephemeral))),
        caughtUp: (position) =>
          current(() =>
            this.#enqueue(async () => {
              this.#progress.goOnFrom(position);
              this.#progress.reached(position.revision);
              if (this.#connected) {
                this.#setConnection("live");
                this.watch.get().connected();
              }
              this.#catalog.loadPreviews(() => generation === this.#generation && this.#connected);
              for (const session of this.#catalog.sessions) if (session.conversation.get().state === "failed") void session.open();
            }),
          ),
        resync: (reason) => current(() => this.#resync(generation, reason)),
      },
    );
  }

  #lost(state: "reconnecting" | "offline"): void {
    this.#connected = false;
    this.watch.get().disconnected();
    this.#setConnection(this.#deps.isOnline?.() === false ? "offline" : state);
    for (const session of this.#catalog.sessions) session.disconnected();
  }

  #setConnection(state: Connection["state"], message: string | null = null): void {
    this.#received = 0;
    const now = this.connection.get();
    if (now.state === state && now.message === message && state !== "catching-up") return;
    this.connection.set({ state, since: now.state === state ? now.since : this.#now(), received: 0, message });
  }

  /** The stream cannot go on from where we are: the lists anew. */
  #resync(generation: number, reason: string): void {
    if (/ahead/.test(reason)) this.#progress.isAhead();
    this.#socket?.close();
    this.#socket = null;
    this.#connected = false;
    this.#setConnection("catching-up");
    this.#enqueue(async () => {
      await this.#loadAndConnect(generation);
      await Promise.all(this.#catalog.sessions.map((session) => session.reload()));
    });
  }

  /** Signs in again with the keys this browser has; a revoked device stays out, and a deleted account stays deleted. */
  async #tokenRefused(generation: number, message = "The relay does not accept this browser's sign-in any more."): Promise<void> {
    if (generation !== this.#generation || this.#deleting) return;
    this.#connected = false;
    if (this.#relogin !== null) {
      // Refused again with a token that is seconds old: not now.
      this.#setConnection("refused", message);
      this.#retryLater(generation, refusedRetryMs);
      return;
    }
    const identity = this.identity.get();
    if (identity === null || this.#keys === null || this.#vault === null) return;
    this.#relogin = (async () => {
      try {
        const deps = this.#signInDeps(this.#keys as AccountKeys, identity, async () => undefined);
        const login = await renewSignIn(deps, this.#seen as Seen, this.book.get() as DeviceBook);
        if (generation !== this.#generation) return;
        const renewed = { ...identity, login };
        await (this.#vault as Vault).save(renewed);
        this.identity.set(renewed);
        this.api.token = login.token;
        await this.#loadAndConnect(generation);
      } catch (error) {
        if (generation !== this.#generation) return;
        if (error instanceof ApiError && error.code === "not-found") {
          this.#leave();
          this.phase.set("gone");
          return;
        }
        const refused = error instanceof CryptoError || error instanceof SignInError || (error instanceof ApiError && !error.unreachable && error.code !== "bad-answer" && error.status < 500 && error.status !== 429);
        this.#setConnection(refused ? "refused" : "offline", error instanceof Error ? error.message : message);
        this.#retryLater(generation, refused ? refusedRetryMs : unreachableRetryMs);
      }
    })();
    await this.#relogin;
    this.#relogin = null;
  }

  /** Dials at once. */
  tryNow(): void {
    if (this.phase.get() !== "ready" || this.#connected) return;
    if (this.#socket !== null) {
      this.#setConnection("reconnecting");
      this.#socket.dial();
      return;
    }
    if (this.#retryTimer !== null) {
      clearTimeout(this.#retryTimer);
      this.#retryTimer = null;
      this.#setConnection("reconnecting");
      void this.#loadAndConnect(this.#generation);
    }
  }

  /** The page is looked at again: is the connection still one? */
  wake(): void {
    if (this.#connected) void this.#socket?.probe();
    else this.tryNow();
  }

  /** Everything that changes state runs one after the other, in the order it arrived. */
  #enqueue(work: () => Promise<void>): void {
    const generation = this.#generation;
    this.#queue = this.#queue
      .then(() => (generation === this.#generation ? work() : undefined))
      .catch((error: unknown) => {
        console.error("An update could not be applied.", error instanceof Error ? error.message : "");
      });
  }

  // --- Updates ------------------------------------------------------------------------------------------------

  async #applyUpdate(update: Update): Promise<void> {
    try {
      await this.#catalog.apply(update.body as UpdateBody, update.seq);
    } finally {
      this.#progress.applied(update.seq);
      this.#received += 1;
    }
  }

  // --- What a person does -------------------------------------------------------------------------------------

  /** Whether the relay has that session: one that is not listed is fetched. */
  async find(id: string): Promise<boolean> {
    return (await this.#catalog.find(id)) !== undefined;
  }

  loadOlder(): Promise<void> {
    return this.#catalog.loadOlder();
  }

  session(id: string): SessionModel | undefined {
    return this.#catalog.session(id);
  }

  /** Whether the agent of this session answers now. Asking also compares clocks, devices and state. */
  async reach(sid: string): Promise<boolean> {
    const session = this.session(sid);
    if (session === undefined || this.#calls === null) return false;
    try {
      await this.#calls.begin(session);
      return true;
    } catch (error) {
      if (error instanceof RpcError) return false;
      throw error;
    }
  }

  /**
   * `waitMs`: how long it may wait for the agent until a person must be asked again. The outbox has it once this resolves. Throws with words
   * for the person when it does not.
   */
  async sendPrompt(sid: string, text: string, meta: PromptMeta = {}, waitMs = promptWaitMs): Promise<void> {
    const session = this.session(sid);
    if (this.#outbox === null) throw new Error("You are not signed in here any more. Nothing was sent.");
    if (session === undefined) throw new Error("This session is not here any more. Nothing was sent.");
    const { readOnly } = session.summary.get();
    if (readOnly !== null) throw new Error(`${readOnly} Nothing was sent.`);
    const until = this.#now() + (this.#clocks?.get(session.device) ?? 0) + waitMs;
    await this.#outbox.add(sid, text, meta, { seen: session.seenUpTo, until });
  }

  /** Takes a prompt out of the outbox. Null: it is on its way. Throws with words for the person when that cannot be done. */
  async unsend(localId: string): Promise<string | null> {
    return (await this.#outbox?.remove(localId)) ?? null;
  }

  /** Sends a prompt anew that the relay refused for good. As sendPrompt. */
  async sendAgain(localId: string): Promise<void> {
    const found = this.#outbox?.find(localId);
    if (found == null) return;
    await this.sendPrompt(found.sid, found.text, found.meta);
    await this.unsend(localId).catch(() => undefined); // it stays as one that was refused
  }

  /** Why not everything that this browser should keep is on disk; null: it is. */
  get trouble(): Signal<Trouble | null> {
    return this.#deps.database.trouble;
  }

  /** Whether a page that is loaded again would miss something that a person wrote. */
  get wouldLose(): boolean {
    return this.#outbox?.hasUnkept === true || this.#kept.hasUnsaved("notes", "draft:");
  }

  /** Calls a method of the agent that runs the session. Throws RpcError with words for the person; NotKnown when it may have been done. */
  async call(sid: string, name: string, d: unknown): Promise<unknown> {
    const session = this.session(sid);
    if (session === undefined || this.#calls === null) throw new RpcError("This session cannot be opened here. Nothing was done.");
    return this.#calls.call(session, name, d);
  }

  /** Stops the turn. Whoever stops it knows that it has ended: what is written next takes that into account. */
  async stopTurn(sid: string): Promise<void> {
    const { end } = (await this.call(sid, "abort", {})) as { end?: unknown };
    if (typeof end === "string") this.session(sid)?.sawEnd(end);
  }

  /** The account's name for a device; null when its chain does not know it or the name does not open. */
  nameOf(key: Uint8Array): string | null {
    const stated = this.#seen?.devices.find(key);
    if (stated === undefined || this.#keys === null) return null;
    try {
      return fromUtf8(openBox(stated.sealedName, this.#keys.content.secretKey));
    } catch (error) {
      if (error instanceof CryptoError) return null;
      throw error;
    }
  }

  /** Who signed something: what the account says of the key. */
  signer(device: string): Signer {
    const key = fromBase64(device);
    const stated = this.#seen?.devices.find(key);
    return {
      name: this.nameOf(key),
      standing: this.#seen?.devices.standingOf(key) ?? "unknown",
      kind: stated?.kind ?? null,
      isThis: this.#device !== null && equalBytes(this.#device.publicKey, key),
    };
  }

  /** Puts a session away: inactive at the relay, and out of this browser's list until something is said or asked in it. */
  async archive(sid: string): Promise<void> {
    await this.api.archiveSession(sid);
    const session = this.#catalog.session(sid);
    session?.activity(false, 0);
    session?.setArchived(true);
  }

  unarchive(sid: string): void {
    this.#catalog.session(sid)?.setArchived(false);
  }

  /** Destroys the session's key at the relay. Returns what could be checked of the receipt, which is kept. Throws ApiError. */
  async deleteSession(sid: string): Promise<Certificate> {
    const accountId = this.#accountId as string;
    const title = this.#catalog.session(sid)?.summary.get().title ?? "Session";
    const answer = await this.api.deleteSession(sid, signDeletion(accountId, sid, this.#device as KeyPair));
    await this.#catalog.forget(sid);
    const certificate = await certifyWatched({ about: "session", id: sid, accountId, title, at: this.#now() }, answer, this.watch.get());
    await this.#kept.put("notes", `receipt:${accountId}:${sid}`, certificate);
    return certificate;
  }

  async receipt(sid: string): Promise<Certificate | null> {
    return (await this.#kept.get<Certificate>("notes", `receipt:${this.#accountId}:${sid}`)) ?? null;
  }

  /** Destroys every key of the account at the relay, then forgets everything here. Throws ApiError, CryptoError: then nothing was wiped. */
  async deleteAccount(): Promise<void> {
    const keys = this.#keys as AccountKeys;
    const accountId = this.#accountId as string;
    const watch = this.watch.get();
    this.#deleting = true;
    try {
      // What is newest is accepted before: afterwards the relay answers this account nothing more.
      await watch.settle();
      const known = await trusted(watch);
      const challenge = fromBase64(await this.api.challenge(toBase64(keys.publicKey)));
      checkChallenge(challenge, this.api.origin, keys.publicKey);
      const { signature, challenge: text } = loginBody(challenge, keys);
      const answer = await this.api.deleteAccount({ challenge: text, signature });
      const certificate = await certify({ about: "account", id: accountId, accountId, title: "Your account", at: this.#now() }, answer, known);
      await this.#wipe();
      // Whatever a relay says later: this account is not accepted again.
      await noteAccount(this.#deps.database, keys.publicKey, ({ deleted }) => ({ accountId: null, deleted: [...deleted, accountId] }));
      this.farewell.set(certificate);
    } finally {
      this.#deleting = false;
    }
  }

  /** The devices of the account, with the relay's chain read anew. Throws ApiError, CryptoError. */
  async devices(): Promise<readonly Device[]> {
    const book = this.book.get() as DeviceBook;
    await book.read();
    return book.devices;
  }

  /** Revoked for ever, by a statement. Throws ApiError, CryptoError. */
  async revokeDevice(id: string): Promise<void> {
    await this.book.get()?.revoke(fromHex(id));
  }

  /** The person knows of these devices. */
  async acknowledgeDevices(): Promise<void> {
    await this.#seen?.acknowledge(this.#seen.unannounced);
    this.firstLook.set(false);
  }

  /** Begins to pair the machine that made this link: looks at its request. Throws CryptoError for a bad link. */
  pair(linkText: string): PairingRun {
    const { clock, pairingPollMs: pollMs } = this.#deps;
    return new PairingRun(linkText, {
      api: this.api,
      book: this.book.get() as DeviceBook,
      seen: this.#seen as Seen,
      keys: this.#keys as AccountKeys,
      ...(clock === undefined ? {} : { clock }),
      ...(pollMs === undefined ? {} : { pollMs }),
    });
  }

  async loadDraft(sid: string): Promise<string> {
    const sealed = await this.#kept.get<Sealed>("notes", `draft:${sid}`);
    if (sealed === undefined || this.#vault === null) return "";
    try {
      return await this.#vault.open(sealed);
    } catch {
      return "";
    }
  }

  async saveDraft(sid: string, text: string): Promise<void> {
    if (this.#vault === null) return;
    if (text === "") await this.#kept.delete("notes", `draft:${sid}`);
    else await this.#kept.put("notes", `draft:${sid}`, await this.#vault.seal(text));
  }
}
