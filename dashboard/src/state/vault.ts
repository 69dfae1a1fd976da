// What this browser keeps: the account secret and its own device key, sealed under a key that cannot be exported.
import { type Bytes, fromUtf8, utf8 } from "../crypto/index.ts";
import type { Database } from "./database.ts";

export interface Identity {
  /** The account secret. */
  readonly secret: Bytes;
  /** Seed of this browser's own Ed25519 key. */
  readonly deviceSeed: Bytes;
  readonly deviceName: string;
  /** From the last login; null before the first. */
  readonly login: { readonly token: string; readonly accountId: string; readonly deviceId: string | null } | null;
  /** False while the person has not shown that the key is written down. */
  readonly keyConfirmed: boolean;
}

export interface Sealed {
  iv: Bytes;
  data: Bytes;
}

interface StoredIdentity {
  secret: number[];
  deviceSeed: number[];
  deviceName: string;
  login: Identity["login"];
  keyConfirmed: boolean;
}

export class Vault {
  #database: Database;
  #key: CryptoKey;

  private constructor(database: Database, key: CryptoKey) {
    this.#database = database;
    this.#key = key;
  }

  static async open(database: Database): Promise<Vault> {
    const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    // Two tabs may open at once: whoever stores first decides.
    const key = await database.update<CryptoKey>("vault", "key", (stored) => stored ?? fresh);
    // Nothing that this key seals may lie on disk without it.
    if (database.isUnsaved("vault", "key")) database.giveUp();
    return new Vault(database, key as CryptoKey);
  }

  async seal(text: string): Promise<Sealed> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, data: new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.#key, utf8(text))) };
  }

  /** Throws when the value was sealed under another key. */
  async open(sealed: Sealed): Promise<string> {
    return fromUtf8(new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: sealed.iv }, this.#key, sealed.data)));
  }

  async load(): Promise<Identity | null> {
    const sealed = await this.#database.get<Sealed>("vault", "identity");
    if (sealed === undefined) return null;
    const stored = JSON.parse(await this.open(sealed)) as StoredIdentity;
    return { ...stored, secret: Uint8Array.from(stored.secret), deviceSeed: Uint8Array.from(stored.deviceSeed) };
  }

  async save(identity: Identity): Promise<void> {
    const stored: StoredIdentity = { ...identity, secret: [...identity.secret], deviceSeed: [...identity.deviceSeed] };
    await this.#database.put("vault", "identity", await this.seal(JSON.stringify(stored)));
  }
}
