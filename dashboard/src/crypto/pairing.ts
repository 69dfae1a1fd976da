// Pairing (docs/protocol.md 2.2), link version 2: link, request, answer, reveal, code. Both sides, for clients of either end and for
// tests; vectors in tests/vectors/pairing.json.
import { type AccountKeys, type KeyPair, sign, verifySignature } from "./account.ts";
import { type BoxRandomness, openBox, openSecretbox, sealBox, sealSecretbox } from "./box.ts";
import { type Bytes, concat, equalBytes, fromBase64, fromBase64Url, fromUtf8, len16, toBase64, toBase64Url, u64be, utf8, uuidBytes, uuidText } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { hmacSha256, kdf, sha256, verifyHmacSha256 } from "./hash.ts";
import { type DeviceKind, kindByte } from "./statement.ts";

export interface PairingLink {
  /** Origin and path prefix of the relay the link names; null when only the fragment was given. */
  readonly relay: string | null;
  /** X25519 key of the request. */
  readonly publicKey: Bytes;
  /** The secret no relay sees. */
  readonly secret: Bytes;
}

export const linkVersion = "2";
const example = "https://relay/pair#v=2&pk=…&s=…";

export function formatPairingLink(relayUrl: string, publicKey: Uint8Array, secret: Uint8Array): string {
  return `${relayUrl.replace(/\/+$/, "")}/pair#v=${linkVersion}&pk=${toBase64Url(publicKey)}&s=${toBase64Url(secret)}`;
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
      throw new CryptoError("bad-format", `This is not a pairing link. It looks like ${example}`);
    }
    const path = url.pathname;
    if (!/^https?:$/.test(url.protocol) || !/\/pair\/?$/.test(path)) {
      throw new CryptoError("bad-format", "This link does not lead to a pairing page.");
    }
    relay = url.origin + path.replace(/\/pair\/?$/, "");
  }
  const fields = new URLSearchParams(hash >= 0 ? text.slice(hash + 1) : text);
  const version = fields.get("v");
  if (version === null) throw new CryptoError("bad-format", `This is not a pairing link. It looks like ${example}`);
  if (version === "1") throw new CryptoError("bad-version", "This link is of an older consortium. Update it on that machine and use the new link.");
  if (version !== linkVersion) throw new CryptoError("bad-version", "This link is for a newer version of the dashboard. Reload this page.");
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

// --- Request -------------------------------------------------------------------------------------------------

/** As it travels; bytes in base64. */
export interface PairingRequest {
  readonly publicKey: string;
  readonly device: { readonly publicKey: string; readonly kind: DeviceKind; readonly sealedName: string };
  readonly commit: string;
  readonly signature: string;
  readonly mac: string;
}

export const nonceBytes = 32;
const sealedNameTextMax = 1_024;

export function pairingCommit(publicKey: Uint8Array, device: Uint8Array, nonce: Uint8Array): Bytes {
  return sha256(utf8("consortium pairing commit 2\n"), publicKey, device, nonce);
}

function requestText(publicKey: Uint8Array, device: Uint8Array, kind: DeviceKind, commit: Uint8Array, sealedName: string): Bytes {
  return concat(utf8("consortium pairing request 2\n"), publicKey, device, Uint8Array.of(kindByte(kind)), commit, len16(utf8(sealedName)));
}

/** The requester's side. The nonce is what the commitment fixes, to be revealed later. */
export async function makePairingRequest(link: PairingLink, device: KeyPair, name: string, nonce: Uint8Array): Promise<PairingRequest> {
  const sealedName = toBase64(sealSecretbox(utf8(name), await kdf(link.secret, "name")));
  const commit = pairingCommit(link.publicKey, device.publicKey, nonce);
  const text = requestText(link.publicKey, device.publicKey, "agent", commit, sealedName);
  const signature = sign(text, device.secretKey);
  return {
    publicKey: toBase64(link.publicKey),
    device: { publicKey: toBase64(device.publicKey), kind: "agent", sealedName },
    commit: toBase64(commit),
    signature: toBase64(signature),
    mac: toBase64(await hmacSha256(link.secret, text, signature)),
  };
}

export interface VerifiedRequest {
  readonly link: PairingLink;
  readonly device: Bytes;
  /** As the machine calls itself. */
  readonly name: string;
  readonly commit: Bytes;
  /** What the whole pairing is bound to: T. */
  readonly transcript: Bytes;
}

/**
 * Proves that the request was made by whoever made the link and holds the device key, and reads its name. Throws not-authentic,
 * and bad-format for a request that asks to be another thing than an agent.
 */
export async function verifyPairingRequest(link: PairingLink, request: PairingRequest): Promise<VerifiedRequest> {
  const refused = new CryptoError("not-authentic", "The request was changed on its way, or belongs to another link.");
  if (request.device.kind !== "agent") throw new CryptoError("bad-format", "The request asks to be a browser. Only machines pair this way.");
  let publicKey: Bytes;
  let device: Bytes;
  let commit: Bytes;
  let signature: Bytes;
  let mac: Bytes;
  try {
    publicKey = fromBase64(request.publicKey);
    device = fromBase64(request.device.publicKey);
    commit = fromBase64(request.commit);
    signature = fromBase64(request.signature);
    mac = fromBase64(request.mac);
  } catch {
    throw refused;
  }
  const { sealedName } = request.device;
  if (!equalBytes(publicKey, link.publicKey) || device.length !== 32 || commit.length !== 32 || mac.length !== 32 || utf8(sealedName).length > sealedNameTextMax) throw refused;
  const text = requestText(publicKey, device, "agent", commit, sealedName);
  if (!verifySignature(signature, text, device) || !(await verifyHmacSha256(link.secret, mac, text, signature))) throw refused;
  const name = fromUtf8(openSecretbox(fromBase64(sealedName), await kdf(link.secret, "name")));
  return { link, device, name, commit, transcript: sha256(text, signature, mac) };
}

// --- Answer --------------------------------------------------------------------------------------------------

export interface PairingAnswer {
  readonly accountKey: Bytes;
  readonly contentKey: Bytes;
  readonly accountId: string;
  /** The last statement of the relay's chain, as the one who answered saw it. */
  readonly n: number;
  readonly hash: Bytes;
}

const answerVersion = 2;
const answerBytes = 185;

function answerMac(secret: Uint8Array, transcript: Uint8Array, body: Uint8Array): Promise<Bytes> {
  return hmacSha256(secret, utf8("consortium pairing answer 2\n"), transcript, body);
}

/** The plaintext of an answer. `nonce`: of this answer alone. */
export async function makePairingAnswer(request: VerifiedRequest, account: AccountKeys, accountId: string, chain: { readonly size: number; readonly head: Uint8Array }, nonce: Uint8Array): Promise<Bytes> {
  const body = concat(Uint8Array.of(answerVersion), account.publicKey, account.content.publicKey, uuidBytes(accountId), u64be(chain.size), chain.head, nonce);
  return concat(body, await answerMac(request.link.secret, request.transcript, body));
}

export function sealPairingAnswer(plaintext: Uint8Array, publicKey: Uint8Array, randomness?: BoxRandomness): string {
  return toBase64(sealBox(plaintext, publicKey, randomness));
}

/** The requester's side: opens, checks and reads an answer. Throws CryptoError. */
export async function openPairingAnswer(request: VerifiedRequest, response: string, secretKey: Uint8Array): Promise<{ answer: PairingAnswer; plaintext: Bytes }> {
  const plaintext = openBox(fromBase64(response), secretKey);
  if (plaintext.length !== answerBytes) throw new CryptoError("bad-format", "The answer has the wrong length.");
  if (plaintext[0] !== answerVersion) throw new CryptoError("bad-version", "The answer is of a version this client does not know.");
  const body = plaintext.subarray(0, answerBytes - 32);
  if (!equalBytes(await answerMac(request.link.secret, request.transcript, body), plaintext.subarray(answerBytes - 32))) {
    throw new CryptoError("not-authentic", "The answer was not made by someone who holds the link.");
  }
  const n = new DataView(plaintext.buffer).getBigUint64(81);
  if (n > BigInt(Number.MAX_SAFE_INTEGER)) throw new CryptoError("bad-format", "The answer names no statement.");
  return {
    plaintext,
    answer: { accountKey: plaintext.slice(1, 33), contentKey: plaintext.slice(33, 65), accountId: uuidText(plaintext.subarray(65, 81)), n: Number(n), hash: plaintext.slice(89, 121) },
  };
}

// --- Reveal and code -----------------------------------------------------------------------------------------

/** Whether `nonce` is what the request committed to. */
export function isRevealed(request: VerifiedRequest, nonce: Uint8Array): boolean {
  return nonce.length === nonceBytes && equalBytes(pairingCommit(request.link.publicKey, request.device, nonce), request.commit);
}

/** Twelve digits: the dashboard shows `forTerminal`, the terminal shows `fromTerminal`, and each asks for the other's. */
export interface PairingCode {
  readonly fromTerminal: readonly [string, string];
  readonly forTerminal: readonly [string, string];
}

export async function pairingCode(request: VerifiedRequest, plaintext: Uint8Array, nonce: Uint8Array): Promise<PairingCode> {
  const mac = await hmacSha256(request.link.secret, utf8("consortium pairing code 2\n"), request.transcript, sha256(plaintext), nonce);
  let value = 0n;
  for (const byte of mac.subarray(0, 6)) value = (value << 8n) | BigInt(byte);
  const digits = (value % 1_000_000_000_000n).toString().padStart(12, "0");
  const [a, b, c, d] = [digits.slice(0, 3), digits.slice(3, 6), digits.slice(6, 9), digits.slice(9)];
  return { fromTerminal: [a, b], forTerminal: [c, d] };
}

/** The requester's refusal: base64 of its device key's signature. */
export function signRefusal(transcript: Uint8Array, device: KeyPair): string {
  return toBase64(sign(concat(utf8("consortium pairing refusal 2\n"), transcript), device.secretKey));
}

export function isRefusal(transcript: Uint8Array, device: Uint8Array, signature: string): boolean {
  try {
    return verifySignature(fromBase64(signature), concat(utf8("consortium pairing refusal 2\n"), transcript), device);
  } catch {
    return false;
  }
}
