// The two fields of a session that are sealed, and which versions of them are taken: none that is older than one this browser has seen.
import { type Bytes, CryptoError, fromUtf8, openBundle, openMetadata, sha256, toHex } from "../crypto/index.ts";
import type { Seen } from "./seen.ts";
import { type AgentState, emptyAgent, emptyMetadata, readAgentState, readMetadata, type SessionMetadata } from "./sessionfields.ts";
import { record } from "./values.ts";

export type FieldName = "metadata" | "agentState";

/** A version of the description, and the one that its writer says it replaced. */
export interface SeenVersion {
  readonly version: number;
  readonly after: number | null;
}

export interface SealedFieldsDeps {
  readonly accountId: string;
  readonly seen: Seen;
  key(): Bytes | null;
  /** Another description counts from now on. */
  described(): void;
  /** Another state counts from now on. */
  stated(): void;
  /** The relay sent what is older than what was seen: in words. */
  alarm(words: string): void;
}

export class SealedFields {
  #sid: string;
  #deps: SealedFieldsDeps;
  /** Fields whose latest value did not open. */
  #unopened = new Set<FieldName>();
  #metadata = emptyMetadata;
  #metadataSeen: SeenVersion = { version: 0, after: null };
  #agent = emptyAgent;
  /** The relay's number of the state that is shown: what it calls newer must not be older. */
  #stateVersion = 0;
  #stateWaiters: { v: number; done: (reached: boolean) => void }[] = [];

  constructor(sid: string, deps: SealedFieldsDeps) {
    this.#sid = sid;
    this.#deps = deps;
  }

  get metadata(): SessionMetadata {
    return this.#metadata;
  }

  get metadataSeen(): SeenVersion {
    return this.#metadataSeen;
  }

  get agent(): AgentState {
    return this.#agent;
  }

  /** Why what is shown may not be the latest, in words. */
  get problem(): string | null {
    if (this.#unopened.has("metadata")) return "Its description could not be verified.";
    return this.#unopened.has("agentState") ? "The agent's state could not be verified." : null;
  }

  /** What this browser had seen before this page. */
  remembered(seen: SeenVersion): void {
    this.#metadataSeen = seen;
  }

  /** Texts of questions came by another way. */
  replaceRequests(requests: AgentState["requests"]): void {
    this.#agent = { ...this.#agent, requests };
  }

  /** `asOf` is what the relay says that it reflects: a list may be older than what arrived since. */
  async apply(field: FieldName, value: string | null, version: number, asOf: number): Promise<void> {
    const key = this.#deps.key();
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
    const plain = await this.#open("metadata", () => openMetadata(value, key, "session"));
    if (plain === null) return;
    const after = typeof plain.value["after"] === "number" ? Math.max(plain.value["after"], 0) : null;
    const forward = after === null || (version === seen.version ? seen.after === null || after === seen.after : after >= seen.version && after < version);
    if (!forward) return this.#refuse("description");
    this.#metadata = readMetadata(plain.value);
    this.#metadataSeen = { version, after };
    this.#deps.described();
  }

  /** `v`, inside the seal, is the agent's own count: it never goes back, whatever log the relay has. */
  async #applyState(value: string | null, version: number, asOf: number, key: Bytes): Promise<void> {
    const { counts } = this.#deps.seen;
    // A list may be older than what arrived since.
    if (version < this.#stateVersion && asOf < this.#stateVersion) return;
    if (value === null) {
      if (counts.state(this.#sid) !== null) this.#refuse("state");
      return;
    }
    const place = { accountId: this.#deps.accountId, scope: this.#sid, kind: "agentState" } as const;
    const plain = await this.#open("agentState", async () => (await openBundle(value, key, place)).plaintext);
    if (plain === null) return;
    const v = plain.value["v"];
    if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 1) {
      this.#unopened.add("agentState");
      return;
    }
    const seen = await counts.sawState(this.#sid, v, plain.hash);
    if (seen === "back" || seen === "other") return this.#refuse("state");
    this.#stateVersion = Math.max(this.#stateVersion, version);
    this.#agent = readAgentState(plain.value);
    this.#stateWaiters = this.#stateWaiters.filter((waiter) => waiter.v > v || (waiter.done(true), false));
    this.#deps.stated();
  }

  async #open(field: FieldName, open: () => Promise<Bytes>): Promise<{ value: Record<string, unknown>; hash: string } | null> {
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
    this.#deps.alarm(`The relay sent an older ${what} of this session as if it were new. It is not shown.`);
  }

  /** The highest count of the agent's state that was seen. */
  get stateCount(): number {
    return this.#deps.seen.counts.state(this.#sid)?.v ?? 0;
  }

  /** Whether the agent's state of this count, or a later one, is here within `ms`. */
  reaches(v: number, ms: number): Promise<boolean> {
    if (this.stateCount >= v) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = { v, done: resolve };
      this.#stateWaiters.push(waiter);
      setTimeout(() => {
        this.#stateWaiters = this.#stateWaiters.filter((other) => other !== waiter);
        resolve(false);
      }, ms);
    });
  }
}
