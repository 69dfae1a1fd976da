/// The real `consortium` in a terminal, driving the real Claude Code against the scripted API.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { claudeEnvironment, claudeProgram } from './claude.ts';
import type { Person } from './e2ee.ts';
import { filesBelow, type StoredFile } from './files.ts';
import { freshDirectory, program } from './places.ts';
import { Terminal } from './terminal.ts';
import { waitFor } from './wait.ts';

export interface AgentOptions {
  relay: string;
  api: string;
  args?: string[];
  env?: Record<string, string>;
  /** What gethostname() says there, where the system lets us choose: see `hostnameFor`. */
  hostname?: string;
  /** A file that stands in the place of /etc/hosts there, where the system lets us choose: see `mayResolve`. */
  hosts?: string;
  /** Columns of its terminals. */
  columns?: number;
  /** Name of the project folder. */
  folder?: string;
  /** It can be sent to sleep: see `sleep`. */
  sleeps?: boolean;
}

const unshare = ['unshare', '--uts', ...(process.getuid!() === 0 ? [] : ['--map-root-user'])];
const mayName = spawnSync(unshare[0]!, [...unshare.slice(1), 'hostname', 'a-name']).status === 0;
const unshareFiles = ['unshare', '--mount', ...(process.getuid!() === 0 ? [] : ['--map-root-user'])];

/** Whether a machine can be given other addresses for names than this one has: some containers allow no mounts. */
export const mayResolve = spawnSync(unshareFiles[0]!, [...unshareFiles.slice(1), 'mount', '--bind', '/etc/hosts', '/etc/hosts']).status === 0;

/** The name that a machine started with `hostname: wanted` has: some containers allow no other than their own. */
export const hostnameFor = (wanted: string) => (mayName ? wanted : hostname());

const underName = (name: string | undefined) => (name === undefined || !mayName ? [] : [...unshare, 'sh', '-c', 'hostname "$0" && exec "$@"', name]);

const withHosts = (file: string | undefined) =>
  file === undefined || !mayResolve ? [] : [...unshareFiles, 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', file];

/** A person's machine: a home and a project folder, in which `consortium` can be started again and again. */
export class Machine {
  readonly #place = freshDirectory('machine');
  readonly home = join(this.#place.path, 'home');
  readonly work: string;
  readonly state = join(this.#place.path, 'home', '.consortium');
  readonly #terminals: Terminal[] = [];
  /** Added to the environment of what is started from now on. */
  readonly env: Record<string, string>;
  readonly #options: AgentOptions;
  readonly #slept = join(this.#place.path, 'slept');
  #sleptMs = 0;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.env = { ...options.env };
    this.work = join(this.#place.path, options.folder ?? 'project');
    mkdirSync(this.home);
    mkdirSync(this.work);
    if (!options.sleeps) return;
    this.sleep(0);
    Object.assign(this.env, { LD_PRELOAD: program('asleep.so'), CONSORTIUM_SLEPT: this.#slept });
  }

  /** It slept for so long, and wakes up: what runs on it finds clocks that ran on meanwhile, and connections as they were. */
  sleep(ms: number): void {
    this.#sleptMs += ms;
    const nanoseconds = Buffer.alloc(8);
    nanoseconds.writeBigInt64LE(BigInt(this.#sleptMs) * 1_000_000n);
    // In place: the program has it mapped.
    writeFileSync(this.#slept, nanoseconds, { flag: existsSync(this.#slept) ? 'r+' : 'w' });
  }

  /** Starts `consortium`. */
  async start(args = this.#options.args ?? []): Promise<Terminal> {
    const env = {
      ...claudeEnvironment(this.#options.api, this.home),
      CONSORTIUM_SERVER_URL: this.#options.relay,
      CONSORTIUM_HOME: this.state,
      CONSORTIUM_CLAUDE: claudeProgram,
      ...this.env,
    };
    const terminal = await Terminal.start([...underName(this.#options.hostname), ...withHosts(this.#options.hosts), program('consortium'), ...args], {
      env, cwd: this.work, ...(this.#options.columns === undefined ? {} : { columns: this.#options.columns }),
    });
    this.#terminals.push(terminal);
    return terminal;
  }

  /** Everything it keeps. */
  stored(): StoredFile[] {
    return filesBelow(this.state);
  }

  async close(): Promise<void> {
    await Promise.all(this.#terminals.map((terminal) => terminal.close()));
    this.#place.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * The pairing link in the terminal that is shown last, other than `not`; chooses pairing where it asks how to begin.
 * Behind an earlier link that choice was made, though it still stands on the screen.
 */
export async function linkIn(terminal: Terminal, { not }: { not?: string } = {}): Promise<string> {
  const link = /https?:\/\/[^\s]+\/pair#v=2&pk=[\w-]{43}&s=[\w-]{43}/g;
  const choice = /\b1[).:\]]?\s+[^\n]*pair/i;
  let chosen = not !== undefined;
  let screen = '';
  return waitFor('a pairing link', async () => {
    screen = await terminal.screen();
    const found = screen.match(link)?.filter((text) => text !== not).at(-1);
    if (found === undefined && !chosen && choice.test(screen)) {
      chosen = true;
      await terminal.type('1');
      await terminal.press('Enter');
    }
    return found;
  }, { ms: 20_000, every: 50, last: () => screen.trimEnd() });
}

/** The terminal asks for the digits of the dashboard. */
export const digitsAsked = /The six digits on the page:/;

/** It shows its own, for the dashboard. */
const digitsShown = /into the page:\s+(\d{3} \d{3})\b/;

/** A pairing that has ended at the terminal, with nothing kept. */
export const pairingOver = /This pairing is over\. /;

/** Types digits at the terminal, as the dashboard shows them. */
export async function typeCode(terminal: Terminal, digits: string): Promise<void> {
  await terminal.shows(digitsAsked);
  await terminal.type(digits);
  await terminal.press('Enter');
}

/** The digits that the terminal shows once the right ones were typed. */
export async function codeIn(terminal: Terminal): Promise<string> {
  return (await terminal.shows(digitsShown))[1]!;
}

/** Whether the terminal has shown any digits of its own. */
export const showsDigits = async (terminal: Terminal): Promise<boolean> => digitsShown.test(await terminal.screen());

/** Pairs what waits in the terminal with this person, who does all as it should be. */
export async function pair(terminal: Terminal, person: Person): Promise<void> {
  const answered = await person.answer(await linkIn(terminal));
  await answered.revealed();
  await typeCode(terminal, answered.shown);
  assert.equal(await codeIn(terminal), answered.asked);
  await answered.confirm();
}

/** Says yes where it asks whether the folder is trusted. */
export async function trustFolder(terminal: Terminal): Promise<void> {
  await terminal.shows(/Trust it\?/, 60_000);
  await terminal.type('y');
  await terminal.press('Enter');
}
