// Calls to the agent that runs a session (docs/protocol.md 5.2). `begin` gets a challenge, good for one call within a minute; the call
// itself is signed. Only an answer that the agent sealed says anything: all else could come from whoever carries it.
import type { RelaySocket } from "../api/socket.ts";
import { actText, type Bytes, bundleId, CryptoError, fromBase64, fromUtf8, type KeyPair, openBundle, randomBytes, sealBundle, signAct, toBase64, utf8 } from "../crypto/index.ts";
import type { Seen } from "./seen.ts";
import type { SessionModel } from "./session.ts";
import { record, string } from "./values.ts";

/** Its message is for the person: what happened, and whether anything was done. */
export class RpcError extends Error {
  /** The agent's own word for it (docs/protocol.md 2), when the agent said it. */
  readonly code: string | null;

  constructor(message: string, code: string | null = null) {
    super(message);
    this.code = code;
  }
}

/** It may or may not have been done. */
export class NotKnown extends RpcError {
  /** Resolves once it cannot be done any more, with the agent's state of then read where it could be: what is open then was not answered. */
  readonly final: Promise<{ readonly reached: boolean }>;

  constructor(message: string, final: Promise<{ readonly reached: boolean }>) {
    super(message);
    this.final = final;
  }
}

export interface CallDeps {
  /** Null while there is no connection. */
  socket(): RelaySocket | null;
  readonly accountId: string;
  /** This browser's own key. */
  readonly device: KeyPair;
  readonly seen: Seen;
  /** Reads the relay's chain of devices. */
  readChain(): Promise<void>;
  /** The relay kept something of the chain from us or from an agent: in words. */
  heldBack(words: string): void;
  /** What the agent's clock shows more than ours, in ms. */
  clock(session: SessionModel, difference: number): void;
  now(): number;
  /** ms of a clock that is never set. */
  steady(): number;
  wait(ms: number): Promise<void>;
}

/** What the agent answered to `begin`. */
export interface Begun {
  readonly challenge: string;
  readonly devices: string;
  /** Of the state that holds all that happened so far. */
  readonly v: number;
  /** Base64 id of the agent's newest message; null for none. */
  readonly last: string | null;
  /** How many of its messages wait to be sent. */
  readonly unsent: number;
  /** When the answer came, by the steady clock. */
  readonly at: number;
}

/** Nothing can be done with a challenge that is older, by the agent's clock and so by ours. */
const challengeMs = 60_000;
/** How long a reader may be behind what the agent says that it has. */
const settleMs = 10_000;
/** Between two attempts to reach the agent after a call whose fate is not known. */
const lookAgainMs = 5_000;
const lookAgainMax = 6;

export class AgentCalls {
  #deps: CallDeps;

  constructor(deps: CallDeps) {
    this.#deps = deps;
  }

  /** Asks the agent to do what a person decided just now. Throws RpcError; NotKnown when it may have been done. */
  async call(session: SessionModel, name: string, d: unknown): Promise<unknown> {
    const { accountId, device } = this.#deps;
    const key = this.#keyOf(session);
    const begun = await this.begin(session);
    const raw = randomBytes(16);
    const place = { accountId, scope: session.id, kind: `rpc-request:${name}` } as const;
    const act = signAct(actText({ challenge: begun.challenge, d }), place, raw, device);
    let result: unknown;
    try {
      result = await this.#send(session, name, key, utf8(JSON.stringify(act)), raw);
    } catch (error) {
      if (!(error instanceof Unsealed)) throw error;
      throw new NotKnown(`${error.message} Whether it was done is not known yet; in a minute it will be.`, this.#final(session, begun));
    }
    const { error, code } = record(result);
    if (typeof error === "string") throw new RpcError(error, string(code));
    return result;
  }

  /**
   * Gets a challenge, and compares what the agent has with what is here: devices at once, state and history within ten seconds.
   * Nothing is done by it. Throws RpcError.
   */
  async begin(session: SessionModel): Promise<Begun> {
    const begun = await this.#begin(session);
    session.expect(begun, settleMs);
    return begun;
  }

  async #begin(session: SessionModel): Promise<Begun> {
    const { seen } = this.#deps;
    const first = await this.#askBegin(session);
    if (first.devices === seen.devices.digest()) return first;
    // The agent has read the relay's chain before it answered; now it is our turn.
    await this.#deps.readChain();
    if (first.devices === seen.devices.digest()) return first;
    await this.#compareDevices(session, first);
    return this.#askBegin(session);
  }

  async #askBegin(session: SessionModel): Promise<Begun> {
    const sentAt = this.#deps.now();
    let answer: Record<string, unknown>;
    try {
      answer = record(await this.#send(session, "begin", this.#keyOf(session), utf8(JSON.stringify({ devices: this.#deps.seen.devices.digest() }))));
    } catch (error) {
      if (error instanceof Unsealed) throw new RpcError(`${error.message} Nothing was done.`);
      throw error;
    }
    const { challenge, now, devices, v, last, unsent, error, code } = answer;
    if (typeof error === "string") throw new RpcError(`${error} Nothing was done.`, string(code));
    const sound = typeof challenge === "string" && typeof devices === "string" && Number.isSafeInteger(now) && Number.isSafeInteger(v) && Number.isSafeInteger(unsent) && (last === null || typeof last === "string");
    if (!sound) throw new RpcError("The agent answered in a form that this page does not know. Nothing was done.");
    // Half of the way there and back: nearer to when the agent looked at its clock than either end.
    this.#deps.clock(session, Math.round((now as number) - (sentAt + this.#deps.now()) / 2));
    return { challenge, devices, v: v as number, last, unsent: unsent as number, at: this.#deps.steady() };
  }

  /** Each tells the other what it knows of the account's devices: statements prove themselves. */
  async #compareDevices(session: SessionModel, { challenge }: Begun): Promise<void> {
    const { seen, heldBack } = this.#deps;
    const statements = seen.devices.statements().map(toBase64);
    let theirs: unknown;
    try {
      theirs = record(await this.#send(session, "devices", this.#keyOf(session), utf8(JSON.stringify({ challenge, d: { statements } }))))["statements"];
    } catch (error) {
      if (error instanceof Unsealed) return; // What they know stays unknown; the call itself may still go through.
      throw error;
    }
    const learned = await seen.learn(Array.isArray(theirs) ? theirs.flatMap((text) => statementBytes(text)) : []);
    const host = session.summary.get().host || "the machine";
    if (learned.length > 0) heldBack(`The relay held back from this browser what ${host} knows of your devices. It is counted now.`);
  }

  #keyOf(session: SessionModel): Bytes {
    const why = session.summary.get().readOnly;
    if (why !== null) throw new RpcError(`${why} Nothing was done.`);
    if (session.key === null) throw new RpcError("This session cannot be opened here. Nothing was done.");
    return session.key;
  }

  /** Throws Unsealed where nothing came that only the agent could have sealed for this very request. */
  async #send(session: SessionModel, name: string, key: Bytes, plaintext: Bytes, id: Bytes = randomBytes(16)): Promise<unknown> {
    const socket = this.#deps.socket();
    const place = { accountId: this.#deps.accountId, scope: session.id };
    const host = session.summary.get().host || "the machine";
    if (socket === null) throw new RpcError("Not connected to the relay. Nothing was done.");
    const params = await sealBundle(plaintext, key, { ...place, kind: `rpc-request:${name}` }, { id });
    let answer;
    try {
      answer = await socket.call(`${session.id}:${name}`, params);
    } catch {
      throw new Unsealed("The connection was lost on the way.");
    }
    if (!answer.ok) {
      throw new Unsealed(relaysWords(answer.code, host));
    }
    try {
      const opened = await openBundle(answer.result, key, { ...place, kind: `rpc-response:${name}` });
      if (opened.id !== bundleId(params)) throw new CryptoError("not-authentic", "An answer to something else.");
      return opened.plaintext.length === 0 ? {} : JSON.parse(fromUtf8(opened.plaintext));
    } catch (error) {
      if (!(error instanceof CryptoError) && !(error instanceof SyntaxError)) throw error;
      throw new Unsealed("No answer came that the agent sealed.");
    }
  }

  /** A minute after the agent gave the challenge nothing can be done with it; then its state says what was. */
  async #final(session: SessionModel, begun: Begun): Promise<{ reached: boolean }> {
    for (let left = challengeMs; left > 0; left = challengeMs - (this.#deps.steady() - begun.at)) await this.#deps.wait(Math.min(1_000, Math.ceil(left)));
    for (let attempt = 0; attempt < lookAgainMax; attempt += 1) {
      try {
        const now = await this.begin(session);
        return { reached: await session.reaches(now.v, settleMs) };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        await this.#deps.wait(lookAgainMs);
      }
    }
    return { reached: false };
  }
}

/** Why there is no answer, as the relay says. */
function relaysWords(code: string | undefined, host: string): string {
  switch (code) {
    case "not-found":
      return `${host} is not connected to the relay, as the relay says.`;
    case "timeout":
      return `${host} did not answer the relay in time, as the relay says.`;
    case "closed":
      return `${host} lost its connection on the way, as the relay says.`;
    default:
      return "The relay did not pass it on.";
  }
}

/** What came back is no word of the agent. */
class Unsealed extends Error {}

function statementBytes(text: unknown): Bytes[] {
  try {
    return typeof text === "string" ? [fromBase64(text)] : [];
  } catch (error) {
    if (error instanceof CryptoError) return [];
    throw error;
  }
}
