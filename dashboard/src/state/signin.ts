// Signing in (docs/protocol.md 2.1, 2.3): with the account's key, which adds this browser to the chain of devices, and with the
// browser's own key from then on.
import { type Api } from "../api/http.ts";
import {
  type AccountKeys, checkChallenge, CryptoError, DeviceChain, deviceLoginBody, equalBytes, fromBase64, isUuid, type KeyPair, loginBody, parseStatement, readToken, toBase64,
} from "../crypto/index.ts";
import { ApiError } from "../api/http.ts";
import type { Database } from "./database.ts";
import { chainOf, conflictsMax, type DeviceBook, sealDeviceName } from "./devicebook.ts";
import { knownAccount, noteAccount, Seen } from "./seen.ts";
import type { Identity } from "./vault.ts";

/** Why a person must decide before this goes on. */
export type SignInProblem =
  | "no-account" // the relay has no account of this key
  | "other-account" // it answers with another account than the one this key opened here before
  | "deleted-account" // it answers with an account that was deleted from here
  | "uninvited" // the relay makes no account without another invitation than this, if there was one
  | "revoked";

export class SignInError extends Error {
  readonly problem: SignInProblem;

  constructor(problem: SignInProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

export interface SignInDeps {
  readonly api: Api;
  readonly database: Database;
  readonly keys: AccountKeys;
  /** This browser's own. */
  readonly device: KeyPair;
  readonly name: string;
  readonly now: () => number;
  /** Puts secret and device key on disk; awaited before anything is signed into the chain. */
  keep(): Promise<void>;
}

export interface SignInChoice {
  /** A new account may be made: the person wants one. */
  readonly create?: boolean;
  /** As it was typed or came in a link; the relay asks for one only where it makes an account. */
  readonly invitation?: string;
  /** The person knows that this is another account than before. */
  readonly acceptOther?: boolean;
  /** The key must open this account: nobody is there to decide. */
  readonly account?: string;
}

type Login = NonNullable<Identity["login"]>;

/** With the account's key. Throws SignInError, ApiError, CryptoError. */
export async function signInWithSecret(deps: SignInDeps, choice: SignInChoice): Promise<Login> {
  const { api, database, keys, device, name, now } = deps;
  const known = await knownAccount(database, keys.publicKey);
  const expected = choice.account ?? (choice.acceptOther === true ? null : known.accountId);
  const accept = (accountId: unknown): string => {
    if (typeof accountId !== "string" || !isUuid(accountId)) throw new CryptoError("bad-format", "The relay names no account.");
    if (known.deleted.includes(accountId)) {
      throw new SignInError("deleted-account", "The relay answers with the account that was deleted from this browser. It said that it destroyed it. Nothing was sent to it.");
    }
    if (expected !== null && accountId !== expected) {
      throw new SignInError("other-account", `With this key you had account ${expected} here; now the relay answers with ${accountId}. Whoever runs the relay can tell why. Nothing was sent to it.`);
    }
    return accountId;
  };

  let challenge = fromBase64(await api.challenge(toBase64(keys.publicKey)));
  let statement: Uint8Array | null = null;
  let seen: Seen | null = null;
  for (let attempt = 0; attempt <= conflictsMax; attempt += 1) {
    checkChallenge(challenge, api.origin, keys.publicKey);
    try {
      const { token } = await api.login({
        ...loginBody(challenge, keys, { keys: device, kind: "browser" }),
        ...(statement === null ? {} : { statement: toBase64(statement) }),
        ...(choice.create === true ? { create: true } : {}),
        ...(choice.invitation === undefined ? {} : { invitation: choice.invitation }),
        ...(choice.account === undefined ? {} : { account: choice.account }),
      });
      const login = { token, ...readToken(token) };
      accept(login.accountId);
      if (seen !== null && login.accountId !== seen.accountId) throw new CryptoError("wrong-identity", "The relay's token is of another account than the one that was signed for.");
      if (seen !== null && statement !== null) await seen.posted([statement]);
      await deps.keep();
      await noteAccount(database, keys.publicKey, (before) => ({ ...before, accountId: login.accountId }));
      return login;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not-found" && choice.account === undefined) {
        throw new SignInError("no-account", "The relay has no account of this key.");
      }
      if (error instanceof ApiError && error.code === "invitation-required") throw new SignInError("uninvited", "A new account on this relay needs an invitation.");
      if (error instanceof ApiError && error.code === "revoked") throw new SignInError("revoked", "The relay says that this browser was revoked.");
      const conflict = chainOf(error);
      if (conflict === null || conflict.challenge === undefined) throw error;
      const accountId = accept(conflict.accountId);
      if (seen !== null && seen.accountId !== accountId) throw new CryptoError("wrong-identity", "The relay named another account a moment ago.");
      seen ??= await Seen.open(database, accountId, keys.publicKey);
      const { chain, problem } = DeviceChain.read(accountId, keys.publicKey, conflict.bytes, seen.devices);
      // Nothing is signed behind what this key cannot have said.
      if (problem !== null) throw problem;
      if (seen.devices.standingOf(device.publicKey) === "revoked" || chain.find(device.publicKey)?.revokedAt != null) {
        throw new SignInError("revoked", "This browser was revoked.");
      }
      await deps.keep();
      await seen.learnChain(chain);
      challenge = fromBase64(conflict.challenge);
      // What was signed and never answered for is sent again, as long as it fits: one addition is enough.
      statement =
        seen.posting.find((bytes) => {
          const signed = parseStatement(bytes);
          return signed.action === "add" && equalBytes(signed.device, device.publicKey) && equalBytes(signed.previous, chain.head) && signed.n === chain.size + 1;
        }) ??
        (await seen.sign(chain, keys.secret, {
          action: "add",
          device: device.publicKey,
          kind: "browser",
          time: now(),
          sealedName: sealDeviceName(name, keys.content.publicKey),
        }));
    }
  }
  throw new ApiError(409, "conflict", "The list of devices kept changing meanwhile. Try again.", false);
}

/** With the browser's own key alone: what renews a token. Throws ApiError, CryptoError. */
export async function signInAlone(api: Api, accountId: string, device: KeyPair): Promise<Login> {
  const challenge = fromBase64(await api.challenge(toBase64(device.publicKey)));
  checkChallenge(challenge, api.origin, device.publicKey);
  const { token } = await api.login(deviceLoginBody(challenge, accountId, { keys: device, kind: "browser" }));
  const login = { token, ...readToken(token) };
  if (login.accountId !== accountId) throw new CryptoError("wrong-identity", "The relay's token is of another account.");
  return login;
}

/**
 * With the browser's own key alone. Where the relay's chain does not have this browser (a backup was restored), it gets back what it lost;
 * where it went on elsewhere meanwhile, the account's key adds this browser there. Throws ApiError, SignInError, CryptoError.
 */
export async function renewSignIn(deps: SignInDeps, seen: Seen, book: DeviceBook): Promise<Login> {
  const { api, device, keys } = deps;
  const { accountId } = seen;
  try {
    return await signInAlone(api, accountId, device);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "revoked") {
      // The token of a revoked device still reads the chain: without the statement, its word alone locks nothing.
      await book.read();
      throw new SignInError("revoked", "The relay says that this browser was revoked, but shows no statement of your key that says so.");
    }
    if (error.code !== "not-found") throw error;
  }
  const kept = seen.devices.rest(new DeviceChain(accountId, keys.publicKey));
  try {
    if (kept !== null) {
      await api.postStatements(kept);
      return await signInAlone(api, accountId, device);
    }
  } catch (error) {
    if (!(error instanceof ApiError) || (error.code !== "conflict" && error.code !== "not-found")) throw error;
  }
  return signInWithSecret(deps, { account: accountId });
}
