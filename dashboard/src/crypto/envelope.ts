// What messages and prompts say of themselves: {at, from, n, prev, to?, d} (docs/protocol.md 5), and the sender's side of it.
import type { KeyPair } from "./account.ts";
import { actText, signAct } from "./act.ts";
import { type Place, sealBundle } from "./bundle.ts";
import { type Bytes, randomBytes, toBase64, toHex, utf8 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

export interface Envelope {
  /** Milliseconds since the epoch, by the sender's clock. */
  readonly at: number;
  /** 32 hex characters: one page or one agent process. */
  readonly from: string;
  /** 1, 2, 3 … per session and sender. */
  readonly n: number;
  /** Base64 id of the sender's previous bundle in this session; null for n = 1. */
  readonly prev: string | null;
  readonly to?: string;
  /** Of a prompt: PromptTerms.until, where it is there and a number. */
  readonly until?: number;
  readonly d: unknown;
}

/** What its writer says with a prompt, so that it is never run in another situation than it was written for. */
export interface PromptTerms {
  /** Base64 id of the newest bundle of kind `message` of the agent that the writer had; null for none. */
  readonly seen: string | null;
  /** Milliseconds since the epoch by the agent's clock: not to be run later without being asked. */
  readonly until: number;
}

/** Throws bad-format. */
export function parseEnvelope(text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CryptoError("bad-format", "It holds no JSON.");
  }
  if (typeof value !== "object" || value === null) throw new CryptoError("bad-format", "It is not an envelope.");
  const { at, from, n, prev, to, until, d } = value as Record<string, unknown>;
  if (
    typeof at !== "number" ||
    typeof from !== "string" ||
    !/^[0-9a-f]{32}$/.test(from) ||
    typeof n !== "number" ||
    !Number.isSafeInteger(n) ||
    n < 1 ||
    !(prev === null || typeof prev === "string") ||
    (n === 1) !== (prev === null) ||
    !(to === undefined || typeof to === "string") ||
    d === undefined
  ) {
    throw new CryptoError("bad-format", "It is not an envelope.");
  }
  return { at, from, n, prev, ...(to === undefined ? {} : { to }), ...(typeof until === "number" ? { until } : {}), d };
}

export function newSenderId(): string {
  return toHex(randomBytes(16));
}

export interface SealedNext {
  readonly bundle: string;
  /** Base64. */
  readonly id: string;
  readonly n: number;
}

/** Numbers and chains what one sender says in one session. Not to be shared between pages. */
export class SenderChain {
  readonly from: string;
  readonly accountId: string;
  readonly scope: string;
  #n = 0;
  #prev: string | null = null;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(from: string, accountId: string, scope: string) {
    this.from = from;
    this.accountId = accountId;
    this.scope = scope;
  }

  /** Seals the next bundle of this chain as a message. Calls are taken in order. */
  seal(d: unknown, key: Uint8Array, at: number): Promise<SealedNext> {
    return this.#next("message", { at, d }, key, (text) => utf8(text));
  }

  /** As seal, as a prompt signed by `device`. */
  sealPrompt(d: unknown, key: Uint8Array, at: number, { seen, until }: PromptTerms, device: KeyPair): Promise<SealedNext> {
    return this.#next("prompt", { at, d, seen, until }, key, (text, id) => utf8(JSON.stringify(signAct(text, this.#place("prompt"), id, device))));
  }

  #place<K extends "message" | "prompt">(kind: K): Place & { readonly kind: K } {
    return { accountId: this.accountId, scope: this.scope, kind };
  }

  #next(kind: "message" | "prompt", { at, ...rest }: { at: number; d: unknown } & Partial<PromptTerms>, key: Uint8Array, plaintext: (text: string, id: Bytes) => Bytes): Promise<SealedNext> {
    const result = this.#busy.then(async () => {
      const n = this.#n + 1;
      const raw = randomBytes(16);
      const bundle = await sealBundle(plaintext(actText({ at, from: this.from, n, prev: this.#prev, ...rest }), raw), key, this.#place(kind), { id: raw });
      const id = toBase64(raw);
      this.#n = n;
      this.#prev = id;
      return { bundle, id, n };
    });
    this.#busy = result.catch(() => undefined);
    return result;
  }
}
