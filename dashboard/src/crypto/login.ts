// Login by challenge (docs/protocol.md 2.1).
import { type AccountKeys, type KeyPair, sign } from "./account.ts";
import { concat, fromBase64, fromUtf8, isUuid, toBase64 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import type { DeviceKind } from "./statement.ts";

export interface LoginDevice {
  publicKey: string;
  kind: DeviceKind;
}

/** The body of POST /v1/auth, with the account's key. */
export interface LoginBody {
  publicKey: string;
  challenge: string;
  signature: string;
  device?: LoginDevice;
  deviceSignature?: string;
  /** The statement that adds the device; base64. */
  statement?: string;
  /** An account may be made: only where a person wants a new one. */
  create?: boolean;
  /** The account that the key must open: none is made. */
  account?: string;
}

/** The body of POST /v1/auth, with the key of a device that the chain names. */
export interface DeviceLoginBody {
  accountId: string;
  device: LoginDevice;
  challenge: string;
  deviceSignature: string;
}

/**
 * Refuses a challenge that is not for this origin and key: signing it would log somebody else in elsewhere. Whether it is out of date
 * only the relay judges, which made it: this device's clock may be wrong by days. Throws bad-format, wrong-origin, wrong-identity.
 */
export function checkChallenge(challenge: Uint8Array, origin: string, publicKey: Uint8Array): void {
  const lines = fromUtf8(challenge).split("\n");
  if (lines.length !== 5 || lines[0] !== "consortium-login-1") {
    throw new CryptoError("bad-format", "The relay asked to sign something that is not a login.");
  }
  if (lines[1] !== origin) throw new CryptoError("wrong-origin", `The relay asked to sign a login for ${lines[1]}, not for ${origin}.`);
  if (lines[2] !== toBase64(publicKey)) throw new CryptoError("wrong-identity", "The relay asked to sign a login for another identity.");
  const expires = lines[3] ?? "";
  if (!/^[0-9]{1,16}$/.test(expires)) throw new CryptoError("bad-format", "The login challenge has no valid time.");
  if (fromBase64(lines[4] ?? "").length !== 32) throw new CryptoError("bad-format", "The login challenge is not complete.");
}

export function loginBody(challenge: Uint8Array, account: AccountKeys, device?: { keys: KeyPair; kind: DeviceKind }): LoginBody {
  if (device === undefined) {
    return { publicKey: toBase64(account.publicKey), challenge: toBase64(challenge), signature: toBase64(sign(challenge, account.secret)) };
  }
  const signed = concat(challenge, device.keys.publicKey);
  return {
    publicKey: toBase64(account.publicKey),
    challenge: toBase64(challenge),
    signature: toBase64(sign(signed, account.secret)),
    device: { publicKey: toBase64(device.keys.publicKey), kind: device.kind },
    deviceSignature: toBase64(sign(signed, device.keys.secretKey)),
  };
}

/** The challenge must have been made for the device's key. */
export function deviceLoginBody(challenge: Uint8Array, accountId: string, device: { keys: KeyPair; kind: DeviceKind }): DeviceLoginBody {
  return {
    accountId,
    device: { publicKey: toBase64(device.keys.publicKey), kind: device.kind },
    challenge: toBase64(challenge),
    deviceSignature: toBase64(sign(concat(challenge, device.keys.publicKey), device.keys.secretKey)),
  };
}

/** `sub` and `jti` of a token. The relay checks the signature; we only need to know who it says we are. */
export function readToken(token: string): { accountId: string; deviceId: string | null } {
  const payload = token.split(".")[1];
  if (token.split(".").length !== 3 || payload === undefined) throw new CryptoError("bad-format", "The relay's token is not a JWT.");
  let claims: unknown;
  try {
    const standard = payload.replaceAll("-", "+").replaceAll("_", "/");
    claims = JSON.parse(atob(standard + "=".repeat((4 - (standard.length % 4)) % 4)));
  } catch {
    throw new CryptoError("bad-format", "The relay's token cannot be read.");
  }
  const { sub, jti } = claims as { sub?: unknown; jti?: unknown };
  if (typeof sub !== "string" || !isUuid(sub)) throw new CryptoError("bad-format", "The relay's token names no account.");
  return { accountId: sub, deviceId: typeof jti === "string" ? jti : null };
}
