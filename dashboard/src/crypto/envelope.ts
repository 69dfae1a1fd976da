// The plaintext of messages and prompts: {at, from, n, prev, to?, d} (docs/protocol.md 5), and the sender's side of it.
import { bundleId, sealBundle } from "./bundle.ts";
import { fromUtf8, randomBytes, toHex, utf8 } from "./bytes.ts";
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
  readonly d: unknown;
}

/** Throws bad-format. */
export function parseEnvelope(plaintext: Uint8Array): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(plaintext));
  } catch {
    throw new CryptoError("bad-format", "It holds no JSON.");
  }
  if (typeof value !== "object" || value === null) throw new CryptoError("bad-format", "It is not an envelope.");
  const { at, from, n, prev, to, d } = value as Record<string, unknown>;
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
  return to === undefined ? { at, from, n, prev, d } : { at, from, n, prev, to, d };
}

export function newSenderId(): string {
  return toHex(randomBytes(16));
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

  /** Seals the next bundle of this chain. Calls are taken in order. */
  seal(kind: "message" | "prompt", d: unknown, key: Uint8Array, at: number): Promise<{ bundle: string; id: string; n: number }> {
    const result = this.#busy.then(async () => {
      const n = this.#n + 1;
      const envelope: Envelope = { at, from: this.from, n, prev: this.#prev, d };
      const place = { accountId: this.accountId, scope: this.scope, kind };
      const bundle = await sealBundle(utf8(JSON.stringify(envelope)), key, place);
      const id = bundleId(bundle) as string;
      this.#n = n;
      this.#prev = id;
      return { bundle, id, n };
    });
    this.#busy = result.catch(() => undefined);
    return result;
  }
}
