// From a stored message to what it says, or to the reason why it cannot be believed.
import { askHash, type Bytes, CryptoError, fromBase64, fromUtf8, type Link, openBundle, type Opened, parseAct, parseEnvelope, utf8, verifyAct } from "../crypto/index.ts";

/** One line of Claude's stream-json output. Fields appear with every release: look before using. */
export interface ClaudeLine {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface PromptMeta {
  readonly permissionMode?: string;
  readonly model?: string | null;
}

export type Content =
  /** `until`: how long it is good, by the agent's clock; absent where it does not say. */
  | { readonly type: "prompt"; readonly text: string; readonly meta: PromptMeta; readonly until?: number }
  | { readonly type: "agent"; readonly line: ClaudeLine; readonly block: string | null }
  | { readonly type: "event"; readonly data: { readonly type: string; readonly [field: string]: unknown } }
  /** A question that was too large for the agent's state: its text. */
  | { readonly type: "ask"; readonly id: string; readonly ask: string }
  | { readonly type: "approval"; readonly approval: Approval }
  /** Authentic, but of a shape this version does not know. */
  | { readonly type: "unknown"; readonly value: unknown }
  | { readonly type: "unverified"; readonly reason: string };

/** What the agent keeps of an answer to a question. */
export interface Approval {
  /** The question's text; null where an `ask` message has it. */
  readonly ask: string | null;
  /** Hex SHA-256 of the question, as the answer names it. */
  readonly hash: string;
  /** Of the question. */
  readonly id: string;
  readonly decision: string;
  readonly grants: readonly number[];
  readonly mode: string | null;
  readonly reason: string | null;
  /** Base64 key of the device whose signature on the answer verifies here; null when none does. Whether it is a browser of ours is another question. */
  readonly device: string | null;
}

export interface Decoded {
  readonly content: Content;
  /** Of a prompt: base64 key of the device that signed it. */
  readonly device: string | null;
  /** The place in its sender's chain; null for bundles of version 0 and for what could not be opened. */
  readonly link: Link | null;
  /** When the sender says it was said. */
  readonly at: number | null;
  /** Version 0: nothing binds it to this session's order. */
  readonly unbound: boolean;
}

function unverified(reason: string): Decoded {
  return { content: { type: "unverified", reason }, device: null, link: null, at: null, unbound: false };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Opens one stored message. Never throws: what does not verify comes back as `unverified`. */
export async function decodeMessage(bundle: string, key: Bytes, accountId: string, scope: string): Promise<Decoded> {
  try {
    const { kind, opened } = await openEither(bundle, key, accountId, scope);
    if (opened.version === 0) return decodeUnbound(opened.plaintext);
    const id = opened.id as string;
    if (kind === "message") return decodeText(kind, fromUtf8(opened.plaintext), id, null, { accountId, scope });
    const act = parseAct(opened.plaintext);
    if (!verifyAct(act, { accountId, scope, kind }, fromBase64(id))) return unverified("its signature does not hold.");
    return decodeText(kind, act.text, id, act.device, { accountId, scope });
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return unverified(error.code === "not-authentic" ? "it was not sealed for this place in this session, or was altered." : error.message);
  }
}

async function openEither(bundle: string, key: Bytes, accountId: string, scope: string): Promise<{ kind: "message" | "prompt"; opened: Opened }> {
  try {
    return { kind: "message", opened: await openBundle(bundle, key, { accountId, scope, kind: "message" }, { acceptUnbound: true }) };
  } catch (error) {
    if (!(error instanceof CryptoError) || error.code !== "not-authentic") throw error;
    return { kind: "prompt", opened: await openBundle(bundle, key, { accountId, scope, kind: "prompt" }) };
  }
}

function decodeUnbound(plaintext: Uint8Array): Decoded {
  try {
    return { content: contentOf(JSON.parse(new TextDecoder().decode(plaintext))), device: null, link: null, at: null, unbound: true };
  } catch {
    return unverified("it holds no JSON.");
  }
}

function decodeText(kind: "message" | "prompt", text: string, id: string, device: string | null, place: { accountId: string; scope: string }): Decoded {
  const { at, from, n, prev, until, d } = parseEnvelope(text);
  const said = contentOf(d, place);
  const content = said.type === "prompt" && until !== undefined ? { ...said, until } : said;
  const claims = content.type === "prompt" ? "prompt" : content.type === "unknown" ? kind : "message";
  const reason = kind === "prompt" ? "it was sealed as a prompt but speaks as the agent." : "it was sealed by the agent but speaks as you.";
  return { content: claims === kind ? content : { type: "unverified", reason }, device, link: { from, n, prev, id }, at, unbound: false };
}

/** `place` only where the message is bound to it: what an approval's signature must be for. */
function contentOf(d: unknown, place?: { accountId: string; scope: string }): Content {
  const unknown: Content = { type: "unknown", value: d };
  if (!isRecord(d) || !isRecord(d["content"])) return unknown;
  const { role, content } = d as { role: unknown; content: Record<string, unknown> };
  const meta = isRecord(d["meta"]) ? d["meta"] : {};
  if (role === "user" && content["type"] === "text" && typeof content["text"] === "string") {
    const picked: { permissionMode?: string; model?: string | null } = {};
    if (typeof meta["permissionMode"] === "string") picked.permissionMode = meta["permissionMode"];
    if (typeof meta["model"] === "string") picked.model = meta["model"];
    return { type: "prompt", text: content["text"], meta: picked };
  }
  if (role !== "agent") return unknown;
  const data = content["data"];
  if (!isRecord(data) || typeof data["type"] !== "string") return unknown;
  if (content["type"] === "event") {
    if (data["type"] === "ask" && typeof data["id"] === "string" && typeof data["ask"] === "string") return { type: "ask", id: data["id"], ask: data["ask"] };
    const approval = data["type"] === "approval" && place !== undefined ? approvalOf(data, place) : null;
    return approval === null ? { type: "event", data: data as { type: string } } : { type: "approval", approval };
  }
  if (content["type"] === "output") {
    return { type: "agent", line: data as ClaudeLine, block: typeof meta["block"] === "string" ? meta["block"] : null };
  }
  return unknown;
}

/** Null when it is of no shape that this version knows. */
function approvalOf(data: Record<string, unknown>, place: { accountId: string; scope: string }): Approval | null {
  const { ask, id, text, device, signature } = data;
  if (!(ask === null || typeof ask === "string") || typeof text !== "string") return null;
  let verdict: unknown;
  try {
    verdict = (JSON.parse(text) as { d?: unknown }).d;
  } catch {
    return null;
  }
  if (!isRecord(verdict) || typeof verdict["id"] !== "string" || typeof verdict["ask"] !== "string" || typeof verdict["decision"] !== "string") return null;
  const { mode, reason, grants } = verdict;
  return {
    ask,
    hash: verdict["ask"],
    id: verdict["id"],
    decision: verdict["decision"],
    grants: Array.isArray(grants) ? grants.filter((index) => typeof index === "number") : [],
    mode: typeof mode === "string" ? mode : null,
    reason: typeof reason === "string" ? reason : null,
    device: isSigned({ id, text, device, signature }, place) && (ask === null || askHash(ask) === verdict["ask"]) ? (device as string) : null,
  };
}

function isSigned({ id, text, device, signature }: Record<"id" | "text" | "device" | "signature", unknown>, place: { accountId: string; scope: string }): boolean {
  try {
    const act = parseAct(utf8(JSON.stringify({ text, device, signature })));
    const call = fromBase64(typeof id === "string" ? id : "");
    return call.length === 16 && verifyAct(act, { ...place, kind: "rpc-request:permission" }, call);
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}
