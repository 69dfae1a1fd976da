/// A relay with a working session and those who attack it, and what is looked at meanwhile and afterwards.

import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { base64, Login, newDevice, SigningKey } from '../support/client.ts';
import { endAtExit } from '../support/cleanup.ts';
import { Pairing } from '../support/e2ee.ts';
import { program } from '../support/places.ts';
import { Relay, run } from '../support/relay.ts';
import { within } from '../support/wait.ts';
import type { Attack, Member, Order, Seen } from './attacks.ts';
import { costOf, mebibytes, Peak, waitedForCores, type Cost } from './process.ts';
import { exchange, Wire, head } from './wire.ts';
import type { Ending, Mark } from './work.ts';

/** A process of ours that is asked and answers, one question at a time. */
class Helper {
  readonly #child: ChildProcess;
  readonly #forget: () => void;

  /** `last`: it gets only what nobody else wants of the machine (SCHED_IDLE, sched(7)). */
  constructor(file: string, last = false) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const [execPath, execArgv] = last ? ['chrt', ['--idle', '0', process.execPath, ...process.execArgv]] : [process.execPath, process.execArgv];
    this.#child = fork(path, { execPath, execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#forget = endAtExit(() => this.#child.kill('SIGKILL'));
  }

  async ask<T>(question: object, ms: number): Promise<T> {
    const over = new AbortController();
    const told = once(this.#child, 'message', { signal: over.signal }).then(([answer]) => answer);
    const ended = once(this.#child, 'exit', { signal: over.signal }).then(([code, signal]) => ({ failure: `it ended with ${code ?? signal}` }));
    this.#child.send(question);
    try {
      const { value, failure } = await within(JSON.stringify(question).slice(0, 200), Promise.race([told, ended]), ms);
      if (failure !== undefined) throw new Error(failure);
      return value;
    } finally {
      told.catch(() => {});
      ended.catch(() => {});
      over.abort();
    }
  }

  async end(): Promise<void> {
    this.#forget();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const over = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await over;
  }
}

/** Nobody attacks; `waited` as in Report. */
export interface Quiet extends Mark {
  waited: number;
}

export interface Report {
  attack: Attack;
  seen: Seen;
  quiet: Mark;
  during: Mark;
  before: Cost;
  peak: Cost;
  after: Cost;
  /** How often somebody new came in meanwhile, and how long the slowest waited. */
  newcomers: { count: number; slowestMs: number };
  /** Milliseconds a second that the relay was ready to run and had no core: what the machine took from it, not the attack. */
  waited: { quiet: number; during: number };
  /** What does not hold, in words. */
  faults: string[];
}

/** After an attack the relay is back to its connections and to this much memory more within this time. */
export const back = { ms: 30_000, mebibytes: 48, sockets: 2 };
/** Somebody new comes in within this time, whatever goes on. */
const patienceMs = 20_000;

export interface FieldOptions {
  /** For a whole header, and for a socket to sign in: by default those of the relay. */
  headerMs?: number;
  signInMs?: number;
  /**
   * The attackers get only what nobody else wants of the machine. What they take from the relay is judged, not what they take from
   * the cores that all share. On a machine with other work they hardly come to attack.
   */
  attackersLast?: boolean;
}

export class Field {
  readonly relay: Relay;
  readonly #work: Helper;
  readonly #member: Member;
  readonly #friend: Login;
  readonly #options: Required<FieldOptions>;

  private constructor(relay: Relay, work: Helper, member: Member, friend: Login, options: Required<FieldOptions>) {
    this.relay = relay;
    this.#work = work;
    this.#member = member;
    this.#friend = friend;
    this.#options = options;
  }

  /** The relay has no more descriptors than a system gives that was not told otherwise. */
  static async start({ headerMs = 10_000, signInMs = 20_000, attackersLast = false }: FieldOptions = {}): Promise<Field> {
    const relay = await Relay.start({
      descriptors: 1024,
      args: ['--header-timeout-ms', `${headerMs}`, '--connect-timeout-ms', `${signInMs}`],
      env: { CONSORTIUM_REGISTRATION: 'invite', CONSORTIUM_RATE_LIMITS: 'on' },
    });
    const work = new Helper('./work.ts');
    await work.ask({ ask: 'begin', url: relay.url }, 20_000);
    const invitation = await work.ask<string>({ ask: 'invite' }, 10_000);
    const friend = await Login.in(relay.url, new SigningKey(), newDevice(), invitation);
    const { id: session } = await friend.newSession();
    const { log } = await friend.must('GET', '/v1/sessions');
    // It has worked for a while: the database's own memory is full, and there is something to read.
    for (let n = 0; n < 60; n += 1) {
      const messages = [{ content: randomBytes(1.5 * 1048576).toString('base64'), localId: crypto.randomUUID() }];
      await friend.must('POST', `/v3/sessions/${session}/messages`, { messages });
    }
    await friend.allMessages(session);
    return new Field(relay, work, { token: friend.token, session, log }, friend, { headerMs, signInMs, attackersLast });
  }

  /** The session's times while nobody attacks. */
  async quiet(seconds: number): Promise<Quiet> {
    await this.mark();
    const waited = this.#waited();
    await pause(seconds * 1000);
    return { ...(await this.mark()), waited: waited() };
  }

  /** Begins to measure how much a second the relay waits for a core; called, it says. */
  #waited(): () => number {
    const [began, before] = [performance.now(), waitedForCores(this.relay.pid)];
    return () => (waitedForCores(this.relay.pid) - before) / ((performance.now() - began) / 1000);
  }

  mark(): Promise<Mark> {
    return this.#work.ask({ ask: 'mark' }, 60_000);
  }

  /** Makes the attack, at least as long as it needs, and looks at everything; `quiet`: with what to compare. */
  async attack(attack: Attack, seconds: number, quiet: Quiet): Promise<Report> {
    const { headerMs, signInMs, attackersLast } = this.#options;
    const order: Order = { attack: attack.name, port: this.relay.port, seconds, member: this.#member, headerMs, signInMs };
    order.seconds = Math.max(seconds, attack.secondsMin?.(order) ?? 0);
    const faults: string[] = [];
    const before = costOf(this.relay.pid);
    const attacker = new Helper('./attacker.ts', attackersLast);
    const peak = new Peak(this.relay.pid);
    await this.mark();
    const waited = this.#waited();
    let going = true;
    const visits = this.#visits(() => going, faults);
    let seen: Seen = { answers: {}, figures: {} };
    try {
      seen = await attacker.ask<Seen>(order, order.seconds * 1000 + 180_000);
    } catch (error) {
      faults.push(`the attacker failed: ${(error as Error).message}`);
    }
    going = false;
    const during = await this.mark();
    const waitedDuring = this.relay.running ? waited() : 0;
    await attacker.end();
    const newcomers = await visits;
    const highest = peak.end();
    const after = await this.#comesBack(before, faults);
    if (highest.rssBytes - before.rssBytes > attack.mebibytesMax * 1048576) {
      faults.push(`it took ${mebibytes(highest.rssBytes - before.rssBytes)} MiB of memory, ${attack.mebibytesMax} are its bound`);
    }
    try {
      attack.check(seen);
    } catch (error) {
      faults.push((error as Error).message);
    }
    return { attack, seen, quiet, during, before, peak: highest, after, newcomers, waited: { quiet: quiet.waited, during: waitedDuring }, faults };
  }

  async #comesBack(before: Cost, faults: string[]): Promise<Cost> {
    const until = Date.now() + back.ms;
    for (;;) {
      const now = costOf(this.relay.pid);
      const memory = now.rssBytes <= before.rssBytes + back.mebibytes * 1048576;
      const sockets = now.sockets <= before.sockets + back.sockets;
      if (memory && sockets) return now;
      if (Date.now() > until) {
        if (!memory) faults.push(`${mebibytes(now.rssBytes - before.rssBytes)} MiB of memory did not come back`);
        if (!sockets) faults.push(`${now.sockets - before.sockets} connections did not come back`);
        return now;
      }
      await pause(100);
    }
  }

  /** People who come while it goes on: each signs in, has an agent paired, and polls. */
  async #visits(going: () => boolean, faults: string[]): Promise<{ count: number; slowestMs: number }> {
    const result = { count: 0, slowestMs: 0 };
    while (going()) {
      const began = Date.now();
      const missing = await this.#visit(`127.0.99.${1 + (result.count % 200)}`);
      result.count += 1;
      result.slowestMs = Math.max(result.slowestMs, Date.now() - began);
      if (missing !== undefined) {
        faults.push(`somebody new is kept out: ${missing}`);
        break;
      }
      await pause(300);
    }
    return result;
  }

  async #visit(from: string): Promise<string | undefined> {
    const { port, url } = this.relay;
    const { device, accountId } = this.#friend;
    const until = Date.now() + patienceMs;
    const insist = async <T>(what: string, step: () => Promise<T | undefined>): Promise<T> => {
      for (;;) {
        const value = await step();
        if (value !== undefined) return value;
        if (Date.now() > until) throw new Error(what);
        await pause(200);
      }
    };
    const post = (path: string, body: unknown) => exchange(port, from, { path, body: JSON.stringify(body) }, 5_000);
    try {
      await insist('signing in', async () => {
        const asked = await post('/v1/auth/challenge', { publicKey: device.key.base64, origin: url });
        if (asked?.status !== 200) return undefined;
        const { challenge } = asked.body;
        const deviceSignature = base64(device.key.sign(Buffer.from(challenge, 'base64'), device.key.publicKey));
        const answer = await post('/v1/auth', { accountId, device: { publicKey: device.key.base64, kind: device.kind }, challenge, deviceSignature });
        return answer?.status === 200 ? answer : undefined;
      });
      const pairing = new Pairing(url);
      await insist('asking to be paired', async () => ((await post('/v1/auth/request', pairing.body))?.status === 200 ? true : undefined));
      const status = await insist('asking for a pairing', () => exchange(port, from, { method: 'GET', path: `/v1/auth/request/status?publicKey=${encodeURIComponent(pairing.publicKey)}` }, 5_000));
      if (status.body?.status !== 'pending') throw new Error(`a pairing that was begun: ${JSON.stringify(status)}`);
      await insist('polling', async () => {
        const wire = new Wire(port, from);
        wire.write(head({ method: 'GET', path: '/v1/updates/?EIO=4&transport=polling' }));
        const answer = await wire.answer(5_000);
        wire.close();
        return answer?.status === 200 ? true : undefined;
      });
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  }

  /** Ends the session and the relay: whether everything is there, the log verifies, and what the relay wrote of refusals. */
  async end(): Promise<Ending & { refusals: string[] }> {
    const ending = await this.#work.ask<Ending>({ ask: 'end' }, 60_000);
    await this.#work.end();
    const exit = await this.relay.stop();
    if (exit.code !== 0) ending.faults.push(`the relay ended with ${exit.code ?? exit.signal}`);
    const verified = await run(program('consortium-admin'), ['verify', '--data', this.relay.data]);
    if (verified.code !== 0) ending.faults.push(`the log does not verify: ${verified.stdout}${verified.stderr}`);
    const refusals = this.relay.output.split('\n').filter((line) => /refused [\d,]+ /.test(line));
    return { ...ending, refusals };
  }

  async close(): Promise<void> {
    await this.#work.end();
    await this.relay.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The same kinds of refusal more often than once a minute. */
export function repeated(refusals: string[], minutes: number): string[] {
  const kinds = Map.groupBy(refusals, (line) => line.replace(/^.*refused [\d,]+ /, '').replace(/(of (more than )?[\d,]+ address(es)? )?in the last (minute|\d+ s)/, ''));
  return [...kinds].filter(([, lines]) => lines.length > minutes + 2).map(([kind, lines]) => `${lines.length} times: ${kind}`);
}

assert.ok(process.platform === 'linux', 'loopback addresses and /proc as Linux has them are needed');
