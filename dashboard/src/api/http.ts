// The relay's REST surface. Every failure is an ApiError with the relay's stable code.
import { type DeviceLoginBody, type LoginBody, type SignedDeletion, toBase64 } from "../crypto/index.ts";
import type { CheckpointAnswer, DeletionAnswer, DevicesAnswer, Invitation, LogKey, PairingStatus, Position, ProofAnswer, WireMachine, WireMessage, WireSession } from "./types.ts";

export class ApiError extends Error {
  /** HTTP status; 0 when the relay could not be reached. */
  readonly status: number;
  readonly code: string;
  /** Milliseconds after which trying again makes sense; false: it does not. */
  readonly retry: false | number;
  /** What the relay said beside it. */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, message: string, retry: false | number, body: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retry = retry;
    this.body = body;
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

interface Answer<T> {
  body: T;
  position: Position | null;
}

const timeoutMs = 30_000;
/** The words that the relay has for what went wrong (docs/protocol.md 2). */
const relayCodes: ReadonlySet<unknown> = new Set([
  "bad-request", "unauthorized", "forbidden", "revoked", "not-found", "conflict", "version-mismatch", "stale-epoch", "too-large", "rate-limited", "overloaded", "quota", "invitation-required", "registration-closed", "wrong-origin", "expired", "timeout", "closed", "unavailable", "internal",
]);

export class Api {
  readonly origin: string;
  token: string | null = null;
  #fetch: typeof fetch;

  constructor(origin: string, fetcher: typeof fetch = (...args) => globalThis.fetch(...args)) {
    this.origin = origin;
    this.#fetch = fetcher;
  }

  async #call<T>(method: string, path: string, body?: unknown, more: RequestInit = {}): Promise<Answer<T>> {
    const headers: Record<string, string> = { "X-Consortium-Client": "web/0.1.0" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (this.token !== null) headers["Authorization"] = `Bearer ${this.token}`;
    let response: Response;
    let text: string;
    try {
      response = await this.#fetch(this.origin + path, {
        method,
        headers,
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(timeoutMs),
        ...more,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch {
      throw new ApiError(0, "unreachable", `Could not reach ${this.origin}.`, 2_000);
    }
    let value: unknown = null;
    try {
      value = text === "" ? null : JSON.parse(text);
    } catch {
      throw new ApiError(response.status, "bad-answer", "What answered is not the relay.", 5_000);
    }
    if (!response.ok) {
      const said = (value ?? {}) as Record<string, unknown>;
      const { error, code, retry } = said;
      // Only the relay answers in this form. Whatever else stands in between has not spoken for it, whatever its status.
      if (typeof code !== "string" || !relayCodes.has(code) || typeof error !== "string") throw new ApiError(response.status, "bad-answer", "What answered is not the relay.", 5_000);
      throw new ApiError(response.status, code, error, typeof retry === "number" ? retry : response.status >= 500 ? 5_000 : false, said);
    }
    return { body: value as T, position: positionOf(response, value) };
  }

  async challenge(publicKey: string): Promise<string> {
    const { body } = await this.#call<{ challenge: string }>("POST", "/v1/auth/challenge", { publicKey, origin: this.origin });
    return body.challenge;
  }

  async login(login: (LoginBody & { readonly invitation?: string }) | DeviceLoginBody): Promise<{ token: string; accountId: string; deviceId: string }> {
    return (await this.#call<{ token: string; accountId: string; deviceId: string }>("POST", "/v1/auth", login)).body;
  }

  /** With which one person can make an account of their own, once. */
  async invite(): Promise<Invitation> {
    return (await this.#call<Invitation>("POST", "/v1/invitations", {})).body;
  }

  /** Voids every token of this device. */
  async logout(): Promise<void> {
    await this.#call("POST", "/v1/auth/logout", {});
  }

  /** The last updated. Only where the relay says so there are no others. */
  async sessions(): Promise<{ sessions: WireSession[]; hasMore: boolean; position: Position | null }> {
    const { body, position } = await this.#call<{ sessions: WireSession[]; hasMore?: boolean }>("GET", "/v1/sessions");
    return { sessions: body.sessions, hasMore: body.hasMore !== false, position };
  }

  async session(sid: string): Promise<{ session: WireSession; position: Position | null }> {
    const { body, position } = await this.#call<{ session: WireSession }>("GET", `/v1/sessions/${encodeURIComponent(sid)}`);
    return { session: body.session, position };
  }

  /** All of them, newest first: a page, and where the next begins. */
  async pageOfSessions(cursor: string | null): Promise<{ sessions: WireSession[]; nextCursor: string | null; position: Position | null }> {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { body, position } = await this.#call<{ sessions: WireSession[]; nextCursor: string | null }>("GET", `/v2/sessions?limit=100${after}`);
    return { ...body, position };
  }

  async machines(): Promise<{ machines: WireMachine[]; position: Position | null }> {
    const { body, position } = await this.#call<WireMachine[]>("GET", "/v1/machines");
    return { machines: body, position };
  }

  async messages(sid: string, page: { after: number } | { before: number }, limit: number): Promise<{ messages: WireMessage[]; hasMore: boolean }> {
    const query = "after" in page ? `after_seq=${page.after}` : `before_seq=${page.before}`;
    return (await this.#call<{ messages: WireMessage[]; hasMore: boolean }>("GET", `/v3/sessions/${encodeURIComponent(sid)}/messages?${query}&limit=${limit}`)).body;
  }

  async archiveSession(sid: string): Promise<void> {
    await this.#call("POST", `/v1/sessions/${encodeURIComponent(sid)}/archive`, {});
  }

  async deleteSession(sid: string, signed: SignedDeletion): Promise<DeletionAnswer> {
    return (await this.#call<DeletionAnswer>("DELETE", `/v1/sessions/${encodeURIComponent(sid)}`, signed)).body;
  }

  /** With a fresh login challenge, signed by the account key. */
  async deleteAccount(body: { challenge: string; signature: string }): Promise<DeletionAnswer> {
    return (await this.#call<DeletionAnswer>("DELETE", "/v1/account", body)).body;
  }

  async logKey(): Promise<LogKey> {
    return (await this.#call<LogKey>("GET", "/v1/log/key")).body;
  }

  /** The newest checkpoint, with what proves that it extends the tree of `from` records. */
  async checkpoint(from: number | null): Promise<CheckpointAnswer> {
    return (await this.#call<CheckpointAnswer>("GET", `/v1/log/checkpoint${from === null ? "" : `?from=${from}`}`)).body;
  }

  /** The account's records from `revision` on, at most 100, with what proves each. */
  async proof(revision: number, count: number, from: number | null): Promise<ProofAnswer> {
    return (await this.#call<ProofAnswer>("GET", `/v1/log/proof?revision=${revision}&count=${count}${from === null ? "" : `&from=${from}`}`)).body;
  }

  async devices(): Promise<DevicesAnswer> {
    return (await this.#call<DevicesAnswer>("GET", "/v1/devices")).body;
  }

  /** They prove themselves. Throws ApiError `conflict` with the relay's chain when they do not follow it. */
  async postStatements(statements: readonly Uint8Array[]): Promise<void> {
    await this.#call("POST", "/v1/devices/statements", { statements: statements.map(toBase64) });
  }

  async pairingStatus(publicKey: string): Promise<PairingStatus> {
    return (await this.#call<PairingStatus>("GET", `/v1/auth/request/status?publicKey=${encodeURIComponent(publicKey)}`)).body;
  }

  /** The first answer of a request stays: `conflict` when somebody else's is there. */
  async answerPairing(publicKey: string, response: string): Promise<void> {
    await this.#call("POST", "/v1/auth/response", { publicKey, response });
  }

  /** Without a statement where the chain names the device already. */
  async confirmPairing(publicKey: string, statement: Uint8Array | null): Promise<void> {
    await this.#call("POST", "/v1/auth/confirm", { publicKey, ...(statement === null ? {} : { statement: toBase64(statement) }) });
  }

  /** Also from a page that is being closed. */
  async refusePairing(publicKey: string): Promise<void> {
    await this.#call("POST", "/v1/auth/refuse", { publicKey }, { keepalive: true });
  }
}

function positionOf(response: Response, value: unknown): Position | null {
  const { log, revision } = (value ?? {}) as { log?: unknown; revision?: unknown };
  if (typeof log === "string" && typeof revision === "number") return { log, revision };
  const header = response.headers.get("X-Consortium-Log");
  const number = Number(response.headers.get("X-Consortium-Revision") ?? Number.NaN);
  return header !== null && Number.isSafeInteger(number) ? { log: header, revision: number } : null;
}
