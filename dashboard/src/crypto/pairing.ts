// Pairing (docs/protocol.md 2.2): link, request, answer, comparison code.
import type { AccountKeys } from "./account.ts";
import { type BoxRandomness, openSecretbox, sealBox, sealSecretbox } from "./box.ts";
import { type Bytes, concat, equalBytes, fromBase64, fromBase64Url, fromUtf8, toBase64, toBase64Url, toHex, utf8 } from "./bytes.ts";
import { sealName } from "./datakey.ts";
import { CryptoError } from "./errors.ts";
import { hmacSha256, kdf, verifyHmacSha256 } from "./hash.ts";
import type { DeviceKind } from "./statement.ts";

export interface PairingLink {
  /** Origin and path prefix of the relay the link names; null when only the fragment was given. */
  readonly relay: string | null;
  /** X25519 key of the request. */
  readonly publicKey: Bytes;
  /** The secret no relay sees. */
  readonly secret: Bytes;
}

export interface PairingDevice {
  readonly publicKey: string;
  readonly kind: DeviceKind;
  readonly sealedName: string;
}

const kindByte: Record<DeviceKind, number> = { agent: 1, browser: 2 };

export function formatPairingLink(relayUrl: string, publicKey: Uint8Array, secret: Uint8Array): string {
  return `${relayUrl.replace(/\/+$/, "")}/pair#v=1&pk=${toBase64Url(publicKey)}&s=${toBase64Url(secret)}`;
}

/** Accepts the whole link or its fragment. Throws bad-format with a message for the person who pasted it. */
export function parsePairingLink(input: string): PairingLink {
  const text = input.replace(/\s+/g, "");
  const hash = text.indexOf("#");
  let relay: string | null = null;
  if (hash > 0) {
    let url: URL;
    try {
      url = new URL(text);
    } catch {
      throw new CryptoError("bad-format", "This is not a pairing link. It looks like https://relay/pair#v=1&pk=…&s=…");
    }
    const path = url.pathname;
    if (!/^https?:$/.test(url.protocol) || !/\/pair\/?$/.test(path)) {
      throw new CryptoError("bad-format", "This link does not lead to a pairing page.");
    }
    relay = url.origin + path.replace(/\/pair\/?$/, "");
  }
  const fields = new URLSearchParams(hash >= 0 ? text.slice(hash + 1) : text);
  const version = fields.get("v");
  if (version === null) throw new CryptoError("bad-format", "This is not a pairing link. It looks like https://relay/pair#v=1&pk=…&s=…");
  if (version !== "1") throw new CryptoError("bad-version", "This link is for a newer version of the dashboard. Reload this page.");
  let publicKey: Bytes;
  let secret: Bytes;
  try {
    publicKey = fromBase64Url(fields.get("pk") ?? "");
    secret = fromBase64Url(fields.get("s") ?? "");
  } catch {
    throw new CryptoError("bad-format", "The link is damaged. Copy it again, from the first to the last character.");
  }
  if (publicKey.length !== 32 || secret.length !== 32) {
    throw new CryptoError("bad-format", "The link is not complete. Copy it again, from the first to the last character.");
  }
  return { relay, publicKey, secret };
}

function requestParts(publicKey: Uint8Array, devicePublicKey: Uint8Array, kind: DeviceKind, sealedName: string): Bytes[] {
  return [utf8("consortium pairing request 1"), concat(publicKey), concat(devicePublicKey), Uint8Array.of(kindByte[kind]), utf8(sealedName)];
}

/** base64 of the mac a requester sends. */
export async function requestMac(
  secret: Uint8Array,
  publicKey: Uint8Array,
  devicePublicKey: Uint8Array,
  kind: DeviceKind,
  sealedName: string,
): Promise<string> {
  return toBase64(await hmacSha256(secret, ...requestParts(publicKey, devicePublicKey, kind, sealedName)));
}

/** The name a requester sends: readable only with the link's secret. */
export async function sealRequestName(name: string, secret: Uint8Array): Promise<string> {
  return toBase64(sealSecretbox(utf8(name), await kdf(secret, "name")));
}

export interface VerifiedRequest {
  readonly link: PairingLink;
  readonly device: PairingDevice;
  readonly devicePublicKey: Bytes;
  readonly name: string;
}

/**
 * Proves that the request was made by whoever made the link, and reads its name.
 * Throws not-authentic when the relay (or someone) changed it.
 */
export async function verifyRequest(link: PairingLink, device: PairingDevice, mac: string): Promise<VerifiedRequest> {
  const refused = "The request was changed on its way: its seal does not match the link.";
  if (device.kind !== "agent" && device.kind !== "browser") throw new CryptoError("not-authentic", refused);
  let devicePublicKey: Bytes;
  let given: Bytes;
  try {
    devicePublicKey = fromBase64(device.publicKey);
    given = fromBase64(mac);
  } catch {
    throw new CryptoError("not-authentic", refused);
  }
  const parts = requestParts(link.publicKey, devicePublicKey, device.kind, device.sealedName);
  if (devicePublicKey.length !== 32 || !(await verifyHmacSha256(link.secret, given, ...parts))) throw new CryptoError("not-authentic", refused);
  const name = fromUtf8(openSecretbox(fromBase64(device.sealedName), await kdf(link.secret, "name")));
  return { link, device, devicePublicKey, name };
}

/** The plaintext of an answer; its last 32 bytes authenticate it under the link's secret. */
export async function answerPlaintext(
  link: PairingLink,
  requesterDevice: Uint8Array,
  approver: { readonly publicKey: Uint8Array; readonly contentPublicKey: Uint8Array; readonly devicePublicKey: Uint8Array; readonly accountId: string },
): Promise<Bytes> {
  const body = concat(Uint8Array.of(1), approver.publicKey, approver.contentPublicKey, approver.devicePublicKey, utf8(approver.accountId));
  return concat(body, await hmacSha256(link.secret, utf8("consortium pairing answer 1"), link.publicKey, requesterDevice, body));
}

export interface Comparison {
  /** Four groups of three digits. */
  readonly groups: readonly string[];
  /** 8 bytes of the same value, for the rosette. */
  readonly fingerprint: string;
}

/** What both ends show after the approval. */
export async function comparisonCode(link: PairingLink, plaintext: Uint8Array): Promise<Comparison> {
  const mac = await hmacSha256(link.secret, utf8("consortium pairing code 1"), link.publicKey, plaintext);
  let value = 0n;
  for (const byte of mac.subarray(0, 6)) value = (value << 8n) | BigInt(byte);
  const digits = (value % 1_000_000_000_000n).toString().padStart(12, "0");
  return { groups: digits.match(/.{3}/g) ?? [], fingerprint: toHex(mac.subarray(0, 8)) };
}

export interface Approval {
  /** The body of POST /v1/auth/response. */
  readonly body: { publicKey: string; response: string; sealedName: string };
  readonly code: Comparison;
}

export async function approveRequest(
  request: VerifiedRequest,
  account: AccountKeys,
  devicePublicKey: Uint8Array,
  accountId: string,
  randomness?: BoxRandomness,
): Promise<Approval> {
  const plaintext = await answerPlaintext(request.link, request.devicePublicKey, {
    publicKey: account.publicKey,
    contentPublicKey: account.content.publicKey,
    devicePublicKey,
    accountId,
  });
  return {
    body: {
      publicKey: toBase64(request.link.publicKey),
      response: toBase64(sealBox(plaintext, request.link.publicKey, randomness)),
      sealedName: sealName(utf8(request.name), account.content.publicKey),
    },
    code: await comparisonCode(request.link, plaintext),
  };
}

export interface Answer {
  readonly publicKey: Bytes;
  readonly contentPublicKey: Bytes;
  readonly approverDevice: Bytes;
  readonly accountId: string;
}

/** The requester's side: checks and reads an answer. Throws bad-version, bad-format, not-authentic. */
export async function readAnswer(link: PairingLink, requesterDevice: Uint8Array, plaintext: Uint8Array): Promise<Answer> {
  const fixed = 1 + 3 * 32;
  if (plaintext[0] !== 1) throw new CryptoError("bad-version", "The answer is of a version this client does not know.");
  if (plaintext.length <= fixed + 32) throw new CryptoError("bad-format", "The answer is too short.");
  const body = plaintext.subarray(0, plaintext.length - 32);
  const expected = await hmacSha256(link.secret, utf8("consortium pairing answer 1"), link.publicKey, requesterDevice, body);
  if (!equalBytes(expected, plaintext.subarray(plaintext.length - 32))) {
    throw new CryptoError("not-authentic", "The answer was not made by someone who holds the link.");
  }
  return {
    publicKey: concat(body.subarray(1, 33)),
    contentPublicKey: concat(body.subarray(33, 65)),
    approverDevice: concat(body.subarray(65, 97)),
    accountId: fromUtf8(body.subarray(97)),
  };
}
