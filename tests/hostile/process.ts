/// What a process costs the machine, as Linux tells it.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Cost {
  rssBytes: number;
  /** Descriptors that are connections: a database opens and closes files as it likes. */
  sockets: number;
}

/** How long its threads were ready to run and had no core, since they began: what others took from it. */
export function waitedForCores(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}

function isSocket(descriptor: string): boolean {
  try {
    return readlinkSync(descriptor).startsWith('socket:');
  } catch {
    return false; // closed meanwhile
  }
}

export function costOf(pid: number): Cost {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];
  return { rssBytes: Number(kibibytes) * 1024, sockets: readdirSync(`/proc/${pid}/fd`).filter((name) => isSocket(`/proc/${pid}/fd/${name}`)).length };
}

/** Looks again and again, and keeps the highest of each. */
export class Peak {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #cost: Cost;

  constructor(pid: number, every = 50) {
    this.#pid = pid;
    this.#cost = costOf(pid);
    this.#timer = setInterval(() => this.#look(), every);
  }

  #look(): void {
    let now: Cost;
    try {
      now = costOf(this.#pid);
    } catch {
      return; // It has ended: whoever waits for an answer of it will say so.
    }
    this.#cost = { rssBytes: Math.max(this.#cost.rssBytes, now.rssBytes), sockets: Math.max(this.#cost.sockets, now.sockets) };
  }

  /** The highest so far; nothing is looked at any more. */
  end(): Cost {
    clearInterval(this.#timer);
    this.#look();
    return this.#cost;
  }
}

export const mebibytes = (bytes: number) => (bytes / 1048576).toFixed(1);
