// What the clocks of machines show more than ours, as their agents told: how long a prompt is good is said by their clock.
import { type Bytes, toHex } from "../crypto/index.ts";
import type { Database } from "./database.ts";

export class Clocks {
  #database: Database;
  #at: string;
  #differences: Map<string, number>;

  private constructor(database: Database, at: string, stored: Readonly<Record<string, number>>) {
    this.#database = database;
    this.#at = at;
    this.#differences = new Map(Object.entries(stored));
  }

  static async open(database: Database, accountId: string): Promise<Clocks> {
    const at = `clocks:${accountId}`;
    return new Clocks(database, at, (await database.get<Record<string, number>>("notes", at)) ?? {});
  }

  /** Zero for a machine that was never asked. */
  get(device: Bytes | null): number {
    return device === null ? 0 : (this.#differences.get(toHex(device)) ?? 0);
  }

  set(device: Bytes | null, difference: number): void {
    if (device === null) return;
    this.#differences.set(toHex(device), difference);
    void this.#database.update<Record<string, number>>("notes", this.#at, (stored) => ({ ...stored, [toHex(device)]: difference })).catch(() => undefined);
  }
}
