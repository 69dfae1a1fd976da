// From a stored message to what it says, or to the reason why it cannot be believed.
import { type Bytes, CryptoError, type Link, openBundle, type Opened, parseEnvelope } from "../crypto/index.ts";

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
  | { readonly type: "prompt"; readonly text: string; readonly meta: PromptMeta }
  | { readonly type: "agent"; readonly line: ClaudeLine; readonly block: string | null }
  | { readonly type: "event"; readonly data: { readonly type: string; readonly [field: string]: unknown } }
  /** Authentic, but of a shape this version does not know. */
  | { readonly type: "unknown"; readonly value: unknown }
  | { readonly type: "unverified"; readonly reason: string };

export interface Decoded {
  readonly content: Content;
  /** The place in its sender's chain; null for bundles of version 0 and for what could not be opened. */
  readonly link: Link | null;
  /** When the sender says it was said. */
  readonly at: number | null;
  /** Version 0: nothing binds it to this session's order. */
  readonly unbound: boolean;
}

function unverified(reason: string): Decoded {
  return { content: { type: "unverified", reason }, link: null, at: null, unbound: false };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Opens one stored message. Never throws: what does not verify comes back as `unverified`. */
export async function decodeMessage(bundle: string, key: Bytes, accountId: string, scope: string): Promise<Decoded> {
  let opened: Opened;
  let kind: "message" | "prompt" = "message";
  try {
    try {
      opened = await openBundle(bundle, key, { accountId, scope, kind }, { acceptUnbound: true });
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== "not-authentic") throw error;
      kind = "prompt";
      opened = await openBundle(bundle, key, { accountId, scope, kind });
    }
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return unverified(error.code === "not-authentic" ? "it was not sealed for this place in this session, or was altered." : error.message);
  }

  if (opened.version === 0) {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(opened.plaintext));
    } catch {
      return unverified("it holds no JSON.");
    }
    return { content: contentOf(value), link: null, at: null, unbound: true };
  }

  try {
    const { at, from, n, prev, d } = parseEnvelope(opened.plaintext);
    const link: Link = { from, n, prev, id: opened.id as string };
    const content = contentOf(d);
    const claims = content.type === "prompt" ? "prompt" : content.type === "unknown" ? kind : "message";
    if (claims !== kind) {
      return {
        content: {
          type: "unverified",
          reason: kind === "prompt" ? "it was sealed as a prompt but speaks as the agent." : "it was sealed by the agent but speaks as you.",
        },
        link,
        at,
        unbound: false,
      };
    }
    return { content, link, at, unbound: false };
  } catch (error) {
    if (error instanceof CryptoError) return unverified(error.message);
    throw error;
  }
}

function contentOf(d: unknown): Content {
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
  if (content["type"] === "event") return { type: "event", data: data as { type: string } };
  if (content["type"] === "output") {
    return { type: "agent", line: data as ClaudeLine, block: typeof meta["block"] === "string" ? meta["block"] : null };
  }
  return unknown;
}
