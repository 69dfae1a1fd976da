// One pairing of a machine, from its link to its place in the chain (docs/protocol.md 2.2). It lives in the memory of the page: a
// reload ends it. One answer, one try at the digits.
import { type Api, ApiError } from "../api/http.ts";
import type { PairingStatus } from "../api/types.ts";
import {
  type AccountKeys, type Bytes, CryptoError, fromBase64, isRevealed, makePairingAnswer, nonceBytes, type PairingCode, pairingCode, parsePairingLink, randomBytes, sealPairingAnswer, toBase64, toHex, type VerifiedRequest,
  verifyPairingRequest,
} from "../crypto/index.ts";
import { type DeviceBook, sealDeviceName } from "./devicebook.ts";
import { browserClock, type Clock, Elapsed } from "./elapsed.ts";
import type { Seen } from "./seen.ts";
import { Signal } from "./signal.ts";

/** Why a pairing is over, or never began. */
export type PairingEnd =
  | "other-relay" // the link leads elsewhere
  | "answered" // somebody answered this request before
  | "not-agent" // it asks to be another thing than a machine
  | "changed" // it does not belong to the link
  | "revoked" // its device key was revoked
  | "wrong-reveal" // what it revealed is not what it committed to
  | "wrong-digits" // typed here
  | "refused" // ended at the terminal
  | "lost" // the relay knows nothing of it any more
  | "expired"
  | "stopped" // by the person, here
  | "not-confirmed"; // the relay refused the confirmation

export type PairingState =
  | { readonly step: "looking" }
  /** No such request: the terminal may be a moment later than the person with the link. */
  | { readonly step: "absent" }
  | { readonly step: "request"; readonly error: string | null; readonly busy: boolean }
  /** Answered; the machine reveals its part by itself, within seconds. */
  | { readonly step: "answered" }
  | { readonly step: "digits"; readonly forTerminal: readonly [string, string] }
  | { readonly step: "confirming"; readonly error: string | null }
  | { readonly step: "paired" }
  | { readonly step: "over"; readonly why: PairingEnd; readonly detail: string | null };

export interface PairingDeps {
  readonly api: Api;
  readonly book: DeviceBook;
  readonly seen: Seen;
  readonly keys: AccountKeys;
  readonly clock?: Clock;
  /** Between two looks. */
  readonly pollMs?: number;
}

/** From the answer; the terminal and the relay count it as well. */
export const pairingMs = 10 * 60_000;

export class PairingRun {
  /** Tells it from other runs of this page. */
  readonly id = toHex(randomBytes(8));
  readonly state = new Signal<PairingState>({ step: "looking" });
  /** Why the last look failed; null when the relay answered it. */
  readonly unreached = new Signal<string | null>(null);
  readonly #deps: PairingDeps;
  readonly #link;
  readonly #pollMs: number;
  #request: VerifiedRequest | null = null;
  /** Made once: repeated as it is when its way was lost, never made anew. */
  #answer: { readonly plaintext: Bytes; readonly response: string } | null = null;
  #code: PairingCode | null = null;
  #since: Elapsed | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #answered = false;
  #tried = false;
  #closed = false;

  /** Throws CryptoError for a bad link. */
  constructor(linkText: string, deps: PairingDeps) {
    this.#deps = deps;
    this.#pollMs = deps.pollMs ?? 1_000;
    this.#link = parsePairingLink(linkText);
    const { relay } = this.#link;
    if (relay !== null && new URL(relay).origin !== deps.api.origin) this.#over("other-relay", relay);
    else void this.#poll();
  }

  /** The name that the machine gives itself, once its request was verified. */
  get name(): string | null {
    return this.#request?.name ?? null;
  }

  get device(): Bytes | null {
    return this.#request?.device ?? null;
  }

  /** Milliseconds that are left. Null before the answer. */
  get left(): number | null {
    return this.#since === null ? null : Math.max(0, pairingMs - this.#since.ms);
  }

  get #publicKey(): string {
    return toBase64(this.#link.publicKey);
  }

  // --- Looking ------------------------------------------------------------------------------------------------

  async #poll(): Promise<void> {
    try {
      if (this.left === 0) return this.#end("expired");
      const status = await this.#deps.api.pairingStatus(this.#publicKey);
      this.unreached.set(null);
      if (!this.#closed) await this.#look(status);
    } catch (error) {
      // Not reached, or not the relay: looked at again. The ten minutes go on.
      if (!(error instanceof ApiError) && !(error instanceof CryptoError)) throw error;
      if (error instanceof CryptoError) return this.#over("changed");
      this.unreached.set(error.message);
    }
    const { step } = this.state.get();
    if (this.#closed || step === "over" || step === "paired" || step === "confirming") return;
    this.#timer = setTimeout(() => void this.#poll(), this.#pollMs);
  }

  async #look(status: PairingStatus): Promise<void> {
    switch (this.state.get().step) {
      case "looking":
      case "absent":
        return this.#first(status);
      case "request":
        if (status.status === "not_found" && !this.#answered) this.state.set({ step: "absent" });
        else if (status.status !== "pending" && this.#answer === null) this.#over("answered");
        return;
      case "answered":
        if (status.status === "revealed") return this.#revealed(status.nonce);
        return this.#ended(status);
      case "digits":
        return this.#ended(status);
      default:
        return;
    }
  }

  #ended({ status }: PairingStatus): void {
    if (status === "refused") this.#over("refused");
    else if (status === "not_found" || status === "pending") this.#over("lost");
    else if (status === "authorized") this.#over("answered");
  }

  async #first(status: PairingStatus): Promise<void> {
    if (status.status === "not_found") return this.state.set({ step: "absent" });
    if (status.status !== "pending") return this.#over("answered");
    const { device, commit, signature, mac } = status;
    if (device.kind !== "agent") return this.#over("not-agent");
    const request = await verifyPairingRequest(this.#link, { publicKey: this.#publicKey, device, commit, signature, mac });
    if (this.#deps.seen.devices.standingOf(request.device) === "revoked") return this.#over("revoked");
    this.#request = request;
    this.state.set({ step: "request", error: null, busy: false });
  }

  // --- What the person says -----------------------------------------------------------------------------------

  /** "I started this now, at a machine of mine." */
  async begin(): Promise<void> {
    const request = this.#request;
    const state = this.state.get();
    if (request === null || state.step !== "request" || state.busy) return;
    this.state.set({ step: "request", error: null, busy: true });
    try {
      const { api, book, keys, seen, clock } = this.#deps;
      if (this.#answer === null) {
        await book.read();
        const plaintext = await makePairingAnswer(request, keys, seen.accountId, book.chain, randomBytes(nonceBytes));
        this.#answer = { plaintext, response: sealPairingAnswer(plaintext, this.#link.publicKey) };
        this.#since = new Elapsed(clock ?? browserClock);
      }
      await api.answerPairing(this.#publicKey, this.#answer.response);
      this.#answered = true;
      if (!this.#closed) this.state.set({ step: "answered" });
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof CryptoError)) throw error;
      if (this.#closed) return;
      if (error instanceof ApiError && error.code === "conflict") return this.#over("answered");
      if (error instanceof ApiError && error.code === "not-found") return this.#over("lost");
      this.state.set({ step: "request", error: error.message, busy: false });
    }
  }

  async #revealed(text: string): Promise<void> {
    const request = this.#request as VerifiedRequest;
    let nonce: Bytes;
    try {
      nonce = fromBase64(text);
    } catch {
      return this.#end("wrong-reveal");
    }
    if (!isRevealed(request, nonce)) return this.#end("wrong-reveal");
    this.#code = await pairingCode(request, (this.#answer as { plaintext: Bytes }).plaintext, nonce);
    this.state.set({ step: "digits", forTerminal: this.#code.forTerminal });
  }

  /** The digits that stand on the terminal. One try: right confirms, wrong is the end. */
  async type(digits: string): Promise<void> {
    if (this.state.get().step !== "digits" || this.#code === null || this.#tried) return;
    if (this.left === 0) return this.#end("expired");
    this.#tried = true;
    if (digits.replace(/\s/g, "") !== this.#code.fromTerminal.join("")) return this.#end("wrong-digits");
    this.#stopTimer();
    this.state.set({ step: "confirming", error: null });
    await this.#confirm();
  }

  /** Only now the device is signed into the chain. */
  async #confirm(): Promise<void> {
    const { api, book, keys, seen } = this.#deps;
    const { device, name } = this.#request as VerifiedRequest;
    let taken = false;
    try {
      const sealedName = sealDeviceName(name, keys.content.publicKey);
      await book.appendBy({ action: "add", device, kind: "agent", sealedName }, async (statement) => {
        await api.confirmPairing(this.#publicKey, statement);
        taken = true;
      });
      // The chain had it: a device that was good before may be used again.
      if (!taken) await api.confirmPairing(this.#publicKey, null);
      this.state.set({ step: "paired" });
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof CryptoError)) throw error;
      const again = error instanceof ApiError && (error.unreachable || error.code === "bad-answer" || error.retry !== false);
      if (again && (this.left ?? 0) > 0 && !this.#closed) {
        this.state.set({ step: "confirming", error: error.message });
        this.#timer = setTimeout(() => void this.#confirm(), 2 * this.#pollMs);
        return;
      }
      this.#over("not-confirmed", error.message);
      // What was signed is out: it is taken back for good, so that nobody can use it later.
      if (seen.devices.standingOf(device) === "good") await book.disown(device).catch(() => undefined);
    }
  }

  /** The person stops, or leaves. */
  stop(): void {
    const { step } = this.state.get();
    if (step === "over" || step === "paired" || step === "confirming") return this.close();
    this.#end("stopped");
    this.close();
  }

  /** The page forgets it. A confirmation that is on its way goes on. */
  close(): void {
    this.#closed = true;
    this.#stopTimer();
  }

  /** Over, and the other end is told. */
  #end(why: PairingEnd): void {
    if (this.#answer !== null) void this.#deps.api.refusePairing(this.#publicKey).catch(() => undefined);
    this.#over(why);
  }

  #over(why: PairingEnd, detail: string | null = null): void {
    this.#stopTimer();
    this.#code = null;
    this.state.set({ step: "over", why, detail });
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
