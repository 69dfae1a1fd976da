// Whose key a session or machine has, and what it may be used for. The relay carries keys; who made one is signed inside it.
import { CryptoError, type Bytes, type DataKeyOf, type KeyPair, machineId, openDataKey, type OpenedDataKey } from "../crypto/index.ts";
import type { Seen } from "./seen.ts";

export interface KeyDeps {
  readonly accountId: string;
  readonly content: KeyPair;
  readonly seen: Seen;
  /** Reads the relay's chain of devices: nobody is called unknown before that. */
  readChain(): Promise<void>;
  /** The relay contradicts itself or what was seen: raises the alarm. */
  lies(words: string): void;
}

export interface HeldKey {
  readonly key: Bytes;
  /** The agent's device that made it. */
  readonly device: Bytes;
}

export interface KeyFinding {
  /** Null: it does not open here. */
  readonly held: HeldKey | null;
  /** Why not, in words. */
  readonly problem: string | null;
  /** The relay contradicts itself or what this browser saw: in words. What was pinned is used. */
  readonly alarm: string | null;
}

const nothing = (problem: string, alarm: string | null = null): KeyFinding => ({ held: null, problem, alarm });

/** Opens what the relay shows as the key of `id` and holds it to what was seen before. Throws nothing that the relay can bring about. */
export async function findKey(sealed: string | null, of: DataKeyOf, id: string, deps: KeyDeps): Promise<KeyFinding> {
  const found = await judge(sealed, of, id, deps);
  if (found.alarm !== null) deps.lies(`${found.alarm} (${of} ${id})`);
  return found;
}

async function judge(sealed: string | null, of: DataKeyOf, id: string, deps: KeyDeps): Promise<KeyFinding> {
  const { accountId, seen } = deps;
  const pinned = seen.pins.get(id);
  const opened = open(sealed, of, deps);
  if (opened !== null && seen.devices.standingOf(opened.device) === "unknown") await deps.readChain();
  const good = opened !== null && seen.devices.standingOf(opened.device) !== "unknown" && seen.devices.kindOf(opened.device) === "agent";
  if (opened === null || !good || (of === "machine" && id !== machineId(accountId, opened.device))) {
    const problem = opened === null ? "Its key does not open: it was not sealed for you by a device of yours." : "Its key was made by a device that is no agent of yours.";
    return pinned === undefined ? nothing(problem) : { ...fromPin(pinned.sealed, of, deps), alarm: `The relay shows another key for this ${of} than the one this browser has seen. The first one counts.` };
  }

  const verdict = await seen.pins.see(id, opened.device, opened.key, sealed as string);
  switch (verdict.verdict) {
    case "first":
    case "same":
      return { held: opened, problem: null, alarm: null };
    case "another":
      return { ...fromPin(verdict.pinned.sealed, of, deps), alarm: `The relay shows another key for this ${of} than the one this browser has seen. The first one counts.` };
    default:
      return nothing("Its key belongs to another session.", `The relay shows one key for two ${of}s, this one and ${verdict.at ?? "another"}. It is not used here.`);
  }
}

function open(sealed: string | null, of: DataKeyOf, { accountId, content }: KeyDeps): OpenedDataKey | null {
  if (sealed === null) return null;
  try {
    return openDataKey(sealed, of, accountId, content);
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

/** What was pinned is kept as it was sealed: it opens without the relay. */
function fromPin(sealed: string, of: DataKeyOf, deps: KeyDeps): Pick<KeyFinding, "held" | "problem"> {
  const held = open(sealed, of, deps);
  return { held, problem: held === null ? "Its key does not open with your identity." : null };
}
