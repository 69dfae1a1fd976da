// A browser whose storage fails as those of people do.
import { IDBObjectStore } from "fake-indexeddb";
import { vi } from "vitest";

/** What the disk does not do any more. */
export interface Fault {
  readonly puts?: "full" | "broken";
  readonly deletes?: boolean;
  readonly reads?: boolean;
}

const error = (name: string) => new DOMException("The disk says no.", name);

const spies: { mockRestore(): void }[] = [];

/** Makes every IndexedDB of this process fail so, until it is called with nothing. */
export function failStorage(fault: Fault = {}): void {
  for (const spy of spies.splice(0)) spy.mockRestore();
  const failing = (name: "put" | "delete" | "clear" | "get" | "openCursor", as: string) => {
    const spy = vi.spyOn(IDBObjectStore.prototype, name);
    spy.mockImplementation(() => {
      throw error(as);
    });
    spies.push(spy);
  };
  if (fault.puts !== undefined) failing("put", fault.puts === "full" ? "QuotaExceededError" : "UnknownError");
  if (fault.deletes === true) for (const name of ["delete", "clear"] as const) failing(name, "UnknownError");
  if (fault.reads === true) for (const name of ["get", "openCursor"] as const) failing(name, "UnknownError");
}

/** A browser that opens no database at all. */
export const noStorage = {
  open: () => {
    throw error("SecurityError");
  },
} as unknown as IDBFactory;
