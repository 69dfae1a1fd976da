/// The working session: an agent's end that writes, a browser's that reads, each on a connection of its own. A process of
/// its own, so that nobody else's events are in what it measures.
///
/// Told `mark`, it says how long acknowledgements and deliveries took since the last mark; told `end`, it looks whether
/// everything that was acknowledged is there, once and in order.

import { setTimeout as pause } from 'node:timers/promises';
import { Person, type Conversation } from '../support/e2ee.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

export interface Times {
  count: number;
  p50: number;
  p99: number;
  longest: number;
}

export interface Mark {
  /** Milliseconds from sending a message to its acknowledgement. */
  acknowledged: Times;
  /** From sending to its being read at the other end. */
  delivered: Times;
}

export interface Ending {
  messages: number;
  prompts: number;
  /** What is wrong, in words; nothing is. */
  faults: string[];
}

export function timesOf(taken: number[]): Times {
  const sorted = taken.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), longest: sorted.at(-1) ?? 0 };
}

const everyMs = 15;
const promptEvery = 20; // messages

class Work {
  readonly #person: Person;
  readonly #owner: SessionOwner;
  readonly #reader: Conversation;
  readonly #faults: string[] = [];
  /** Ids in the order in which they were acknowledged. */
  readonly #said: string[] = [];
  readonly #prompted: string[] = [];
  readonly #sentAt = new Map<string, number>();
  #acknowledged: number[] = [];
  #delivered: number[] = [];
  #going = true;
  #ended: Promise<void>;

  private constructor(person: Person, owner: SessionOwner, reader: Conversation) {
    this.#person = person;
    this.#owner = owner;
    this.#reader = reader;
    reader.client.socket.on('update', ({ body }) => {
      if (body.t !== 'new-message') return;
      const at = this.#sentAt.get(body.message.localId);
      if (at !== undefined) this.#delivered.push(performance.now() - at);
      this.#sentAt.delete(body.message.localId);
    });
    this.#ended = this.#run();
  }

  static async begin(url: string): Promise<Work> {
    const person = await Person.signIn(url);
    const owner = await SessionOwner.start(person);
    return new Work(person, owner, await person.join());
  }

  async #run(): Promise<void> {
    const words = 'as an agent says it, '.repeat(40);
    for (let n = 1; this.#going; n += 1) {
      const began = performance.now();
      try {
        const { bundle, id } = this.#owner.seal(this.#owner.text(`${n}: ${words}`));
        const localId = crypto.randomUUID();
        this.#sentAt.set(localId, began);
        const ack = await this.#owner.client.ask('message', { sid: this.#owner.id, message: bundle, localId });
        this.#acknowledged.push(performance.now() - began);
        if (ack.result !== 'success') this.#faults.push(`message ${n} was answered ${JSON.stringify(ack)}`);
        else this.#said.push(id);
        if (n % promptEvery === 0) this.#prompted.push((await this.#reader.prompt(`and now ${n}`, {}, { seen: null })).id);
      } catch (error) {
        this.#faults.push(`message ${n}: ${(error as Error).message}`);
      }
      await pause(Math.max(0, everyMs - (performance.now() - began)));
    }
  }

  mark(): Mark {
    const mark = { acknowledged: timesOf(this.#acknowledged), delivered: timesOf(this.#delivered) };
    this.#acknowledged = [];
    this.#delivered = [];
    return mark;
  }

  async end(): Promise<Ending> {
    this.#going = false;
    await this.#ended;
    const faults = this.#faults;
    await waitFor('every message to have come to its reader', () => this.#sentAt.size === 0).catch((error: Error) => faults.push(error.message));
    const stored = (await this.#reader.history()).map(({ id }) => id);
    const own = new Set(this.#said);
    const prompts = new Set(this.#prompted);
    const same = (what: string, found: string[], wanted: string[]) => {
      if (JSON.stringify(found) !== JSON.stringify(wanted)) faults.push(`${found.length} ${what} are stored, ${wanted.length} were acknowledged, or in another order`);
    };
    same('messages', stored.filter((id) => own.has(id)), this.#said);
    same('prompts', stored.filter((id) => prompts.has(id)), this.#prompted);
    if (stored.length !== own.size + prompts.size) faults.push(`${stored.length} entries are stored, ${own.size + prompts.size} were acknowledged`);
    const read = (await this.#owner.prompts()).map(({ id }) => id);
    same('prompts that the agent can read', read, this.#prompted);
    for (const [who, client] of [['agent', this.#owner.client], ['reader', this.#reader.client]] as const) {
      if (client.disconnects.length > 0) faults.push(`the ${who} was disconnected: ${client.disconnects.join(', ')}`);
    }
    return { messages: this.#said.length, prompts: this.#prompted.length, faults };
  }

  /** Another account's right to be here. */
  invite(): Promise<string> {
    return this.#person.login.must('POST', '/v1/invitations', {}).then(({ code }) => code);
  }
}

let work: Work | undefined;
process.on('message', async ({ ask, url }: { ask: 'begin' | 'mark' | 'end' | 'invite'; url?: string }) => {
  try {
    if (ask === 'begin') work = await Work.begin(url!);
    const value = ask === 'mark' ? work!.mark() : ask === 'end' ? await work!.end() : ask === 'invite' ? await work!.invite() : {};
    process.send!({ value });
  } catch (error) {
    process.send!({ failure: (error as Error).stack });
  }
});
process.on('disconnect', () => process.exit(0));
