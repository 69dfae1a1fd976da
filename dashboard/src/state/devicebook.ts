// The devices of the account: reads the relay's chain, holds it against what was seen, gives back what it lost, appends to it.
import { type Api, ApiError } from "../api/http.ts";
import type { ChainConflict, WireDevice } from "../api/types.ts";
import {
  type AccountKeys, type Bytes, CryptoError, DeviceChain, type DeviceKind, type DeviceStatement, equalBytes, fromBase64, fromUtf8, openBox, parseStatement, sealBox, type StatedDevice, type StatementError,
  toHex, utf8, deviceNameBytesMax,
} from "../crypto/index.ts";
import type { Seen } from "./seen.ts";
import { Signal } from "./signal.ts";

export interface Device {
  /** Hex of its key; the relay's id for one that no statement names. */
  readonly id: string;
  readonly kind: DeviceKind | "unnamed";
  /** Null when the name does not open. */
  readonly name: string | null;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly isThis: boolean;
  /** The account's key says that it belongs to the account. */
  readonly stated: boolean;
}

/** What a statement does, for a person. */
export interface Change {
  readonly action: DeviceStatement["action"];
  readonly kind: DeviceKind;
  readonly name: string | null;
  readonly at: number;
}

export interface BookDeps {
  readonly api: Api;
  readonly seen: Seen;
  readonly keys: AccountKeys;
  /** This browser's own device. */
  readonly own: Bytes;
  readonly ownName: string;
  readonly now: () => number;
  /** The relay contradicts what was seen: raises the alarm. */
  contradicts(text: string, evidence: unknown): Promise<void>;
}

/** How often a statement is signed anew because the chain went on meanwhile. */
export const conflictsMax = 3;

/** Sealed to the account, cut to the length that statements allow. */
export function sealDeviceName(name: string, contentPublicKey: Uint8Array): Bytes {
  let cut = [...name];
  while (utf8(cut.join("")).length > deviceNameBytesMax) cut = cut.slice(0, -1);
  return sealBox(utf8(cut.join("") || "?"), contentPublicKey);
}

/** The chain beside a `conflict`, or null when this is another error. Throws CryptoError when it cannot be read. */
export function chainOf(error: unknown): (ChainConflict & { readonly bytes: readonly Bytes[] }) | null {
  if (!(error instanceof ApiError) || error.code !== "conflict" || !Array.isArray(error.body["statements"])) return null;
  const conflict = error.body as unknown as ChainConflict;
  return { ...conflict, bytes: conflict.statements.map((text) => fromBase64(String(text))) };
}

export class DeviceBook {
  /** What the relay's chain leaves out although this browser has seen it: an alarm until it is there again. */
  readonly lacking = new Signal<readonly Change[]>([]);
  /** How many statements this browser gave back to a relay that had lost them, until a person has read it. */
  readonly returned = new Signal<number>(0);
  #deps: BookDeps;
  #chain: DeviceChain;
  #listed: readonly WireDevice[] = [];
  #reading: Promise<void> | null = null;

  constructor(deps: BookDeps) {
    this.#deps = deps;
    this.#chain = new DeviceChain(deps.seen.accountId, deps.keys.publicKey);
  }

  /** The relay's, as it was last read. */
  get chain(): DeviceChain {
    return this.#chain;
  }

  // --- Reading and judging ------------------------------------------------------------------------------------

  /** Reads the relay's chain and judges it. Throws ApiError, CryptoError. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    await this.#fetch();
    const { seen } = this.#deps;
    await this.#postOpen();
    if (seen.devices.standingOf(this.#deps.own) === "unknown") {
      // Only with a statement does this browser exist for the account's other devices.
      await this.append(this.#addition());
    }
    let lacking = seen.lacking(this.#chain);
    const rest = lacking.length === 0 ? null : seen.devices.rest(this.#chain);
    if (rest !== null) {
      // A backup was restored: what it lost goes back.
      const conflict = await this.#post(rest);
      if (conflict === null) await this.#fetch();
      lacking = seen.lacking(this.#chain);
      if (lacking.length === 0) this.returned.set(this.returned.get() + rest.length);
    }
    await this.#judge(lacking);
  }

  async #fetch(): Promise<void> {
    const { devices, statements } = await this.#deps.api.devices();
    this.#listed = devices;
    await this.#take(statements.map(fromBase64));
  }

  /** What the relay shows as its chain, now: learned as far as it is valid. */
  async #take(statements: readonly Uint8Array[]): Promise<void> {
    const { seen, keys } = this.#deps;
    const { chain, problem } = DeviceChain.read(seen.accountId, keys.publicKey, statements, seen.devices);
    this.#chain = chain;
    await seen.learnChain(chain);
    if (problem !== null) await this.#invalid(problem, statements);
  }

  async #invalid(problem: StatementError, statements: readonly Uint8Array[]): Promise<void> {
    await this.#deps.contradicts(`The relay's list of devices holds what your key cannot have said. ${problem.message} It counts up to there.`, {
      rule: problem.rule,
      statements: statements.map(toHex),
    });
  }

  /** Posts what was signed here and never answered for. It is out: it is not forgotten. */
  async #postOpen(): Promise<void> {
    const { seen } = this.#deps;
    const done = () => seen.posting.filter((statement) => this.#chain.does(parseStatement(statement)));
    await seen.posted(done());
    for (const statement of seen.posting) {
      try {
        await this.append(parseStatement(statement));
      } catch (error) {
        if (!(error instanceof ApiError) || error.retry !== false || error.code === "unauthorized" || error.code === "revoked") throw error;
        // Refused for good: from now on it is what the relay lacks.
        await seen.posted([statement]);
      }
    }
    await seen.posted(done());
  }

  async #judge(lacking: readonly Bytes[]): Promise<void> {
    const changes = lacking.map((bytes) => this.#change(parseStatement(bytes)));
    this.lacking.set(changes);
    if (changes.length === 0) return;
    await this.#deps.contradicts(`The relay's list of devices leaves out what this browser has seen: ${changes.map(changeInWords).join("; ")}. It counts here all the same.`, {
      kept: this.#deps.seen.devices.statements().map(toHex),
      shown: this.#chain.statements.map(toHex),
    });
  }

  #change({ action, kind, device, time }: DeviceStatement): Change {
    return { action, kind, name: this.nameOf(device), at: time };
  }

  /** A statement that the relay announces. */
  async apply(text: unknown): Promise<void> {
    const { seen, keys } = this.#deps;
    let statement: Bytes;
    try {
      statement = fromBase64(String(text));
      if (this.#chain.does(parseStatement(statement))) return;
    } catch (error) {
      if (error instanceof CryptoError) return this.read();
      throw error;
    }
    const { chain, problem } = DeviceChain.read(seen.accountId, keys.publicKey, [...this.#chain.statements, statement], seen.devices);
    // Not the next: something is missing in between, or it is another branch.
    if (problem !== null) return this.read();
    this.#chain = chain;
    await seen.learnChain(chain);
  }

  // --- Appending ----------------------------------------------------------------------------------------------

  /** Null: taken, or there already. Otherwise the relay's chain, which is learned, went on elsewhere. Throws ApiError, CryptoError. */
  async #post(statements: readonly Uint8Array[]): Promise<DeviceChain | null> {
    try {
      await this.#deps.api.postStatements(statements);
      return null;
    } catch (error) {
      const conflict = chainOf(error);
      if (conflict === null) throw error;
      await this.#take(conflict.bytes);
      return this.#chain;
    }
  }

  #addition(): Pick<DeviceStatement, "action" | "device" | "kind" | "sealedName"> {
    return { action: "add", device: this.#deps.own, kind: "browser", sealedName: sealDeviceName(this.#deps.ownName, this.#deps.keys.content.publicKey) };
  }

  /** Signs what follows the relay's chain and appends it; again when the chain went on meanwhile. Throws ApiError, CryptoError. */
  async append(what: Pick<DeviceStatement, "action" | "device" | "kind" | "sealedName">): Promise<void> {
    const found = this.#deps.seen.devices.find(what.device);
    if (what.action === "revoke" && found !== undefined && this.#chain.find(what.device) === undefined) {
      // Where the relay's chain lacks the device, it is named there first: only what was added can be revoked.
      await this.append({ action: "add", device: found.key, kind: found.kind, sealedName: found.sealedName });
    }
    await this.#settle(what, (statement) => this.#post([statement]));
  }

  /**
   * As append(), sent otherwise: `send` resolves with null once the relay took it, and throws its `conflict` as the relay answers it. For
   * the confirmation of a pairing.
   */
  async appendBy(what: Pick<DeviceStatement, "action" | "device" | "kind" | "sealedName">, send: (statement: Bytes) => Promise<void>): Promise<void> {
    await this.#settle(what, async (statement) => {
      try {
        await send(statement);
        return null;
      } catch (error) {
        const conflict = chainOf(error);
        if (conflict === null) throw error;
        await this.#take(conflict.bytes);
        return this.#chain;
      }
    });
  }

  async #settle(what: Pick<DeviceStatement, "action" | "device" | "kind" | "sealedName">, send: (statement: Bytes) => Promise<DeviceChain | null>): Promise<void> {
    const { seen, keys, now } = this.#deps;
    for (let attempt = 0; attempt < conflictsMax && !this.#does(what); attempt += 1) {
      const before = this.#chain;
      const statement = this.#signed(what, before) ?? (await seen.sign(before, keys.secret, { ...what, time: now() }));
      // An update may have told of it already.
      if ((await send(statement)) === null && this.#chain === before) {
        this.#chain = DeviceChain.read(seen.accountId, keys.publicKey, [...before.statements, statement], seen.devices).chain;
      }
    }
    const done = seen.posting.filter((statement) => this.#chain.does(parseStatement(statement)));
    await seen.posted(done);
    if (!this.#does(what)) throw new ApiError(409, "conflict", "The list of devices kept changing meanwhile. Try again.", false);
  }

  #does({ action, device }: Pick<DeviceStatement, "action" | "device">): boolean {
    const found = this.#chain.find(device);
    return found !== undefined && (action === "add" || found.revokedAt !== null);
  }

  /** What was signed before and still fits: the same again is no second statement. */
  #signed({ action, device }: Pick<DeviceStatement, "action" | "device">, chain: DeviceChain): Bytes | undefined {
    return this.#deps.seen.posting.find((bytes) => {
      const statement = parseStatement(bytes);
      return statement.action === action && equalBytes(statement.device, device) && equalBytes(statement.previous, chain.head) && statement.n === chain.size + 1;
    });
  }

  async revoke(key: Uint8Array): Promise<void> {
    const found = this.#deps.seen.devices.find(key);
    if (found === undefined) throw new Error("No such device.");
    await this.append({ action: "revoke", device: found.key, kind: found.kind, sealedName: new Uint8Array() });
  }

  /** Revokes a device that was signed for and then not taken: both statements are on disk before either is sent. Throws ApiError, CryptoError. */
  async disown(key: Uint8Array): Promise<void> {
    const { seen, keys, now } = this.#deps;
    const found = seen.devices.find(key);
    if (found === undefined || found.revokedAt !== null) return;
    const branch = DeviceChain.read(seen.accountId, keys.publicKey, this.#chain.statements, seen.devices).chain;
    const { kind, sealedName } = found;
    if (branch.find(key) === undefined) branch.append(await seen.sign(branch, keys.secret, { action: "add", device: found.key, kind, time: now(), sealedName }));
    await seen.sign(branch, keys.secret, { action: "revoke", device: found.key, kind, time: now(), sealedName: new Uint8Array() });
    await this.read();
  }

  /** On a person's word: appends to the relay's chain what it lacks, the additions first. */
  async takeOver(): Promise<void> {
    for (const bytes of this.#deps.seen.lacking(this.#chain)) {
      const statement = parseStatement(bytes);
      if (!this.#chain.does(statement)) await this.append(statement);
    }
    await this.read();
  }

  // --- What a person sees -------------------------------------------------------------------------------------

  /** The name that the account gave this device. Null when nothing names it, or the name does not open. */
  nameOf(key: Uint8Array): string | null {
    const found = this.#deps.seen.devices.find(key);
    return found === undefined ? null : this.#open(found);
  }

  #open({ sealedName }: StatedDevice): string | null {
    try {
      return fromUtf8(openBox(sealedName, this.#deps.keys.content.secretKey));
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      return null;
    }
  }

  #device(device: StatedDevice): Device {
    const { key, kind, addedAt, revokedAt } = device;
    return { id: toHex(key), kind, name: this.#open(device), createdAt: addedAt, revokedAt, isThis: equalBytes(key, this.#deps.own), stated: true };
  }

  /** All that the account's key ever named, and what the relay alone knows of. */
  get devices(): readonly Device[] {
    const { seen } = this.#deps;
    const unstated = this.#listed.flatMap((device): Device[] => {
      if (device.publicKey !== null && seen.devices.find(fromBase64(device.publicKey)) !== undefined) return [];
      return [{ id: device.id, kind: device.kind, name: null, createdAt: device.createdAt, revokedAt: device.revokedAt, isThis: false, stated: false }];
    });
    return [...seen.devices.devices.map((device) => this.#device(device)), ...unstated];
  }

  /** Devices that somebody else added, until a person acknowledges them here. */
  get unannounced(): readonly Device[] {
    return this.#deps.seen.unannounced.map((device) => this.#device(device));
  }

  /** The latest time at which a device was added or revoked, as the statements say. */
  get changedAt(): number {
    return Math.max(0, ...this.#deps.seen.devices.devices.map((device) => Math.max(device.addedAt, device.revokedAt ?? 0)));
  }
}

export function changeInWords({ action, kind, name }: Change): string {
  const which = `${kind === "agent" ? "machine" : "browser"} ${name ?? "whose name does not open"}`;
  return action === "add" ? `that the ${which} was added` : `that the ${which} was revoked`;
}
