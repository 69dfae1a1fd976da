/// The real `consortium` in a terminal, driving the real Claude Code against the scripted API.

import { spawnSync } from 'node:child_process';
import { mkdirSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { claudeEnvironment, claudeProgram } from './claude.ts';
import { freshDirectory, program } from './places.ts';
import { Terminal } from './terminal.ts';

export interface AgentOptions {
  relay: string;
  api: string;
  args?: string[];
  env?: Record<string, string>;
  /** What gethostname() says there, where the system lets us choose: see `hostnameFor`. */
  hostname?: string;
  /** Name of the project folder. */
  folder?: string;
}

const unshare = ['unshare', '--uts', ...(process.getuid!() === 0 ? [] : ['--map-root-user'])];
const mayName = spawnSync(unshare[0]!, [...unshare.slice(1), 'hostname', 'a-name']).status === 0;

/** The name that a machine started with `hostname: wanted` has: some containers allow no other than their own. */
export const hostnameFor = (wanted: string) => (mayName ? wanted : hostname());

const underName = (name: string | undefined) => (name === undefined || !mayName ? [] : [...unshare, 'sh', '-c', 'hostname "$0" && exec "$@"', name]);

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

  constructor(options: AgentOptions) {
    this.#options = options;
    this.env = { ...options.env };
    this.work = join(this.#place.path, options.folder ?? 'project');
    mkdirSync(this.home);
    mkdirSync(this.work);
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
    const terminal = await Terminal.start([...underName(this.#options.hostname), program('consortium'), ...args], { env, cwd: this.work });
    this.#terminals.push(terminal);
    return terminal;
  }

  /** Everything it keeps: path and content. */
  stored(): [string, Buffer][] {
    if (!existsSync(this.state)) return [];
    return readdirSync(this.state, { recursive: true, encoding: 'utf8' })
      .map((name) => join(this.state, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => [path, readFileSync(path)]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#terminals.map((terminal) => terminal.close()));
    this.#place.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The pairing link in the terminal; chooses pairing where it asks how to begin. */
export async function linkIn(terminal: Terminal): Promise<string> {
  const link = /https?:\/\/[^\s]+\/pair#v=1&pk=[\w-]{43}&s=[\w-]{43}/;
  const choice = /\b1[).:\]]?\s+[^\n]*pair/i;
  const [text] = await terminal.shows(new RegExp(`${link.source}|${choice.source}`, 'i'));
  if (link.test(text)) return text;
  await terminal.type('1');
  await terminal.press('Enter');
  return (await terminal.shows(link))[0];
}

/** The comparison code in the terminal. */
export async function codeIn(terminal: Terminal): Promise<string> {
  return (await terminal.shows(/\b\d{3} \d{3} \d{3} \d{3}\b/))[0];
}

/** The person at the terminal says that the codes are equal, or that they are not. */
export async function answerCode(terminal: Terminal, equal: boolean): Promise<void> {
  await terminal.type(equal ? 'y' : 'n');
  await terminal.press('Enter');
}
