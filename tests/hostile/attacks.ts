/// What strangers and members of a relay can try to take it from others with. Every attack is bounded in count and in time,
/// goes to loopback alone, and says by `check` what would not hold if the relay's bound were missing.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { answerChallenge, newDevice, SigningKey } from '../support/client.ts';
import { Pairing } from '../support/e2ee.ts';
import { exchange, head, Wire, type Head, type WireAnswer } from './wire.ts';

/** An account that attacks from within. */
export interface Member {
  token: string;
  session: string;
  log: string;
}

export interface Order {
  attack: string;
  port: number;
  /** How long, at least as long as the attack needs for what it shows. */
  seconds: number;
  member: Member;
  /** The relay's times, for the attacks that outwait them. */
  headerMs: number;
  signInMs: number;
}

export interface Seen {
  /** How often each answer came: "429 rate-limited", "closed". */
  answers: Record<string, number>;
  figures: Record<string, number>;
}

export interface Attack {
  name: string;
  says: string;
  /** It shows nothing in less. */
  secondsMin?: (order: Order) => number;
  /** What it may add to the relay's memory while it lasts. */
  mebibytesMax: number;
  /**
   * What a member has a right to do has another bound than an attack: how long others may wait for an acknowledgement, in ms. Without it
   * the session may be twice as slow as it is while nobody attacks.
   */
  othersWaitMs?: { p50: number; p99: number };
  run(ground: Ground): Promise<void>;
  check(seen: Seen): void;
}

/** What an attack stands on: where the relay is, how long it goes on, and what came of it. */
export class Ground {
  readonly order: Order;
  until: number;
  readonly seen: Seen = { answers: {}, figures: {} };

  constructor(order: Order) {
    this.order = order;
    this.until = Date.now() + order.seconds * 1000;
  }

  /** What it needs is there: its time begins now, however long the machine took. */
  begin(): void {
    this.until = Date.now() + this.order.seconds * 1000;
  }

  get going(): boolean {
    return Date.now() < this.until;
  }

  get url(): string {
    return `http://127.0.0.1:${this.order.port}`;
  }

  count(word: string, by = 1): void {
    this.seen.answers[word] = (this.seen.answers[word] ?? 0) + by;
  }

  /** Counts an answer by its status and code. */
  took(answer: WireAnswer | undefined): void {
    this.count(answer ? [answer.status, answer.body?.code].filter((part) => part !== undefined).join(' ') : 'closed');
  }

  wire(from: string): Wire {
    return new Wire(this.order.port, from);
  }

  async ask(from: string, request: Head): Promise<WireAnswer | undefined> {
    const answer = await exchange(this.order.port, from, request);
    this.took(answer);
    return answer;
  }

  /** Does it again and again, so many at once and a second at most, to the end, and at least so often: a slow machine makes it longer. */
  async flood({ atOnce, perSecond, atLeast = 0 }: { atOnce: number; perSecond: number; atLeast?: number }, one: (n: number) => Promise<unknown>): Promise<void> {
    const began = performance.now();
    let n = 0;
    const line = async () => {
      while (this.going || n < atLeast) {
        const mine = n++;
        const early = (mine / perSecond) * 1000 - (performance.now() - began);
        if (early > 0) await pause(early);
        if (this.going || mine < atLeast) await one(mine);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, line));
  }

  /** Holds these until all were closed by the other side, or the end. How many stood at most, and stand at last. */
  async hold(wires: Wire[]): Promise<void> {
    const standing = () => wires.filter(({ connected, closed }) => connected && !closed).length;
    while (this.going && wires.some(({ connected, closed }) => !connected && !closed)) await pause(20);
    this.begin();
    await pause(500);
    const began = Date.now();
    this.seen.figures['held'] = standing();
    while (this.going && standing() > 0) await pause(50);
    this.seen.figures['left'] = standing();
    this.seen.figures['seconds'] = (Date.now() - began) / 1000;
    for (const wire of wires) for (const answer of wire.answers) this.took(answer);
    this.count('closed', wires.filter(({ answers, closed }) => closed && answers.length === 0).length);
    for (const wire of wires) wire.close();
  }

  done(): void {
    if (this.seen.answers['closed'] === 0) delete this.seen.answers['closed'];
  }
}

/** Loopback addresses of an attacker who has many. */
const many = (n: number, of = 60) => `127.0.${4 + Math.floor((n % of) / 250)}.${1 + ((n % of) % 250)}`;
const one = '127.0.3.1';

const connectionsBeforeSignInMax = 64;
const connectionsOfAddressMax = 256;
const pollingBeforeSignInMax = 64;
const pairingsOfAddressMax = 100;

const refusals = (seen: Seen) => Object.entries(seen.answers).reduce((sum, [word, n]) => sum + (/^(403|413|429|503)/.test(word) ? n : 0), 0);
const welcomes = (seen: Seen) => Object.entries(seen.answers).reduce((sum, [word, n]) => sum + (/^2/.test(word) ? n : 0), 0);
const holder = (order: Order) => order.headerMs / 1000 + 4;

const upgrade = (more = '') =>
  `GET /v1/updates/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${more}\r\n`;

/** A masked frame, with a mask of zeros; `declared` may be more than comes. */
export function frame(opcode: number, payload: Uint8Array, declared = payload.length): Buffer {
  const size = declared < 126 ? Buffer.from([0x80 | declared]) : declared < 65536 ? Buffer.from([0x80 | 126, declared >> 8, declared & 255]) : Buffer.alloc(9, 0);
  if (declared >= 65536) {
    size[0] = 0x80 | 127;
    size.writeBigUInt64BE(BigInt(declared), 1);
  }
  return Buffer.concat([Buffer.from([0x80 | opcode]), size, Buffer.alloc(4), payload]);
}

const bearer = ({ token }: Member) => ({ Authorization: `Bearer ${token}` });
const megabyte = 1 << 20;
const zeros = (bytes: number) => `[${'0,'.repeat(bytes / 2 - 1)}0]`;

/** A WebSocket that said nothing yet. */
async function webSocket(ground: Ground, from: string): Promise<Wire | undefined> {
  const wire = ground.wire(from);
  wire.write(upgrade());
  const answer = await wire.answer();
  if (answer?.status === 101) return wire;
  ground.took(answer);
  wire.close();
  return undefined;
}

/** One that has signed in as the member. */
async function signedIn(ground: Ground, from: string, more: Record<string, unknown> = {}): Promise<Wire | undefined> {
  const wire = await webSocket(ground, from);
  wire?.write(frame(1, Buffer.from(`40${JSON.stringify({ token: ground.order.member.token, ...more })}`)));
  return wire;
}

/** Connections of the member that ask for something large each, to the end, and read nothing of it. */
async function askAndTakeNothing(ground: Ground, count: number, path: (n: number) => string): Promise<void> {
  const wires = Array.from({ length: count }, (_, n) => ground.wire(many(n)));
  for (const [n, wire] of wires.entries()) {
    wire.tcp.pause();
    wire.write(head({ method: 'GET', path: path(n), headers: bearer(ground.order.member) }));
  }
  ground.begin();
  while (ground.going) await pause(100);
  for (const wire of wires) wire.close();
  ground.count('asked', wires.length);
}

/** WebSockets that send this again and again, as much as is taken, and read nothing. */
async function unread(ground: Ground, one: Buffer): Promise<void> {
  const lot = Buffer.concat(Array.from({ length: 500 }, () => one));
  const wires = (await Promise.all(Array.from({ length: 20 }, (_, n) => webSocket(ground, many(n))))).filter((wire) => wire !== undefined);
  ground.count('begun', wires.length);
  for (const wire of wires) wire.tcp.pause();
  let sent = 0;
  while (ground.going && sent < 400 * megabyte) {
    for (const wire of wires) {
      if (wire.tcp.destroyed || wire.tcp.writableLength > 4 * lot.length) continue;
      wire.write(lot);
      sent += lot.length;
    }
    await pause(5);
  }
  for (const wire of wires) wire.close();
}

export const attacks: Attack[] = [
  {
    name: 'silent, one address',
    says: '400 connections of one address that say nothing',
    secondsMin: holder,
    mebibytesMax: 32,
    async run(ground) {
      await ground.hold(Array.from({ length: 400 }, () => ground.wire(one)));
    },
    check({ figures }) {
      assert.ok(figures['held']! <= connectionsBeforeSignInMax, `${figures['held']} connections of one address stood before sign-in`);
      assert.equal(figures['left'], 0, 'connections that said nothing still stand');
    },
  },
  {
    name: 'silent, many addresses',
    says: '60 connections of each of 30 addresses that say nothing',
    secondsMin: holder,
    mebibytesMax: 48,
    async run(ground) {
      await ground.hold(Array.from({ length: 1800 }, (_, n) => ground.wire(many(n, 30))));
    },
    check({ figures }) {
      assert.equal(figures['left'], 0, 'connections that said nothing still stand');
    },
  },
  {
    name: 'half headers',
    says: '300 requests whose header comes a byte at a time and never ends',
    secondsMin: holder,
    mebibytesMax: 32,
    async run(ground) {
      const wires = Array.from({ length: 300 }, (_, n) => ground.wire(many(n)));
      for (const wire of wires) wire.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-More: ');
      const drip = setInterval(() => wires.forEach((wire) => wire.write('x')), 300);
      await ground.hold(wires);
      clearInterval(drip);
    },
    check({ figures }) {
      assert.equal(figures['left'], 0, 'headers are still being waited for');
    },
  },
  {
    name: 'half-open',
    says: 'connections that end, or are reset, in the middle of a request, a hundred a second',
    mebibytesMax: 32,
    async run(ground) {
      await ground.flood({ atOnce: 20, perSecond: 100 }, async (n) => {
        const wire = ground.wire(many(n));
        if (!(await wire.opened())) return ground.count('closed');
        wire.write(n % 3 === 0 ? 'GET /hea' : n % 3 === 1 ? head({ path: '/v1/auth', headers: { 'Content-Length': 9000 } }) : upgrade());
        await pause(20);
        if (n % 2) wire.reset();
        else wire.tcp.end();
        ground.count(n % 2 ? 'reset' : 'ended');
      });
    },
    check({ answers }) {
      assert.ok((answers['reset'] ?? 0) + (answers['ended'] ?? 0) > 0, JSON.stringify(answers));
    },
  },
  {
    name: 'unsigned sockets',
    says: '100 WebSockets of one address and 300 of many that never sign in',
    secondsMin: ({ signInMs }) => signInMs / 1000 + 4,
    mebibytesMax: 48,
    async run(ground) {
      const wires = Array.from({ length: 400 }, (_, n) => ground.wire(n < 100 ? one : many(n)));
      for (const wire of wires) wire.write(upgrade());
      await ground.hold(wires);
    },
    check({ figures }) {
      assert.ok(figures['held']! <= 300 + connectionsBeforeSignInMax, `${figures['held']} stood together`);
      assert.equal(figures['left'], 0, 'sockets that never signed in still stand');
    },
  },
  {
    name: 'withheld bodies',
    says: '60 sign-ins of 16 MiB each, of many addresses, of which all but the last byte comes',
    secondsMin: () => 8, // what is refused is read away for two seconds
    mebibytesMax: 80,
    async run(ground) {
      const bytes = Buffer.alloc(16 * megabyte - 1, 0x20);
      const wires = Array.from({ length: 60 }, (_, n) => ground.wire(many(n)));
      for (const wire of wires) {
        wire.write(head({ path: '/v1/auth', headers: { 'Content-Length': bytes.length + 1 } }));
        wire.write(bytes);
      }
      await ground.hold(wires);
    },
    check({ answers, figures }) {
      assert.equal(answers['413 too-large'], 60, `not refused for their size: ${JSON.stringify(answers)}`);
      assert.equal(figures['left'], 0);
    },
  },
  {
    name: 'withheld pages',
    says: "a member's 30 posts of 16 MiB each, of which all but the last byte comes",
    mebibytesMax: 112,
    async run(ground) {
      const bytes = Buffer.alloc(16 * megabyte - 1, 0x20);
      const { member } = ground.order;
      const wires = Array.from({ length: 30 }, (_, n) => ground.wire(many(n)));
      for (const wire of wires) {
        wire.write(head({ path: `/v3/sessions/${member.session}/messages`, headers: { ...bearer(member), 'Content-Length': bytes.length + 1 } }));
        wire.write(bytes);
      }
      await ground.hold(wires);
    },
    check(seen) {
      assert.ok(refusals(seen) > 0, `an account's bodies have no bound together: ${JSON.stringify(seen)}`);
    },
  },
  {
    name: 'trickled bodies',
    says: '120 sign-ins of 12 KB that come a byte at a time',
    secondsMin: () => 16,
    mebibytesMax: 32,
    async run(ground) {
      const wires = Array.from({ length: 120 }, (_, n) => ground.wire(many(n)));
      for (const wire of wires) wire.write(head({ path: '/v1/auth', headers: { 'Content-Length': 12_000 } }));
      const drip = setInterval(() => wires.forEach((wire) => wire.write(' ')), 250);
      await ground.hold(wires);
      clearInterval(drip);
    },
    check({ figures }) {
      assert.equal(figures['left'], 0, 'bodies that trickle are still being waited for');
    },
  },
  {
    name: 'logins',
    says: 'challenges and sign-ins with wrong signatures: 300 a second, half of them of one address that says it asks for many',
    mebibytesMax: 32,
    async run(ground) {
      const key = new SigningKey();
      await ground.flood({ atOnce: 30, perSecond: 300, atLeast: 900 }, async (n) => {
        const from = n % 2 ? one : many(n, 240);
        const headers = { 'X-Forwarded-For': `198.51.100.${n % 250}` };
        const asked = await ground.ask(from, { path: '/v1/auth/challenge', headers, body: JSON.stringify({ publicKey: key.base64, origin: ground.url }) });
        if (asked?.status !== 200) return;
        const body = { ...answerChallenge(asked.body.challenge, key, newDevice(), { create: true }), signature: randomBytes(64).toString('base64') };
        await ground.ask(from, { path: '/v1/auth', headers, body: JSON.stringify(body) });
      });
    },
    check({ answers }) {
      assert.ok(answers['429 rate-limited']! > 0, `one address is let on and on: ${JSON.stringify(answers)}`);
      assert.ok(answers['401 unauthorized']! > 0, JSON.stringify(answers));
    },
  },
  {
    name: 'registrations',
    says: 'new accounts without an invitation, or with one that was guessed, 100 a second, of many addresses',
    mebibytesMax: 32,
    async run(ground) {
      await ground.flood({ atOnce: 20, perSecond: 100 }, async (n) => {
        const key = new SigningKey();
        const from = many(n, 480);
        const asked = await exchange(ground.order.port, from, { path: '/v1/auth/challenge', body: JSON.stringify({ publicKey: key.base64, origin: ground.url }) });
        if (asked?.status !== 200) return ground.took(asked);
        const body = answerChallenge(asked.body.challenge, key, n % 2 ? newDevice() : undefined, { create: true });
        const guessed = () => Array.from(randomBytes(25), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte & 31]).join('');
        await ground.ask(from, { path: '/v1/auth', body: JSON.stringify({ ...body, ...(n % 3 ? {} : { invitation: guessed() }) }) });
      });
    },
    check(seen) {
      assert.ok(seen.answers['403 invitation-required']! > 0, `nobody was asked for an invitation: ${JSON.stringify(seen.answers)}`);
      assert.equal(welcomes(seen), 0, 'strangers made accounts');
      assert.equal(seen.answers['409 conflict'], undefined, 'strangers were asked for a statement');
    },
  },
  {
    name: 'pairings',
    says: 'agents that want to be paired, 400 a second: half of one address, half of many',
    mebibytesMax: 48,
    async run(ground) {
      const ofOne: string[] = [];
      await ground.flood({ atOnce: 20, perSecond: 400, atLeast: 600 }, (n) => {
        const { body, publicKey } = new Pairing(ground.url);
        if (n % 2) ofOne.push(publicKey);
        return ground.ask(n % 2 ? one : many(n, 480), { path: '/v1/auth/request', body: JSON.stringify(body) });
      });
      const ask = (key: string, n: number) => exchange(ground.order.port, many(n, 240), { method: 'GET', path: `/v1/auth/request/status?publicKey=${encodeURIComponent(key)}` });
      const statuses = await Promise.all(ofOne.slice(-300).map(ask));
      ground.seen.figures['pending'] = statuses.filter((answer) => answer?.body?.status === 'pending').length;
    },
    check({ answers, figures }) {
      assert.ok(answers['200']! > 0, JSON.stringify(answers));
      assert.ok(figures['pending']! <= pairingsOfAddressMax, `${figures['pending']} pairings of one address are pending`);
    },
  },
  {
    name: 'polling sessions',
    says: 'polling sessions that are opened and left, 1,500 a second: half of one address, half of many',
    mebibytesMax: 64,
    async run(ground) {
      const path = '/v1/updates/?EIO=4&transport=polling';
      const opened = /"sid":"([^"]+)"/;
      const ofOne: string[] = [];
      await ground.flood({ atOnce: 40, perSecond: 1500 }, async (n) => {
        const from = n % 2 ? one : many(n, 480);
        const answer = await ground.ask(from, { method: 'GET', path });
        const sid = opened.exec(answer?.text ?? '')?.[1];
        if (sid !== undefined && from === one) ofOne.push(sid);
      });
      const stands = await Promise.all(ofOne.slice(-400).map((sid) => exchange(ground.order.port, one, { path: `${path}&sid=${sid}`, body: '3' })));
      ground.seen.figures['opened'] = ofOne.length;
      ground.seen.figures['standing'] = stands.filter((answer) => answer?.status === 200).length;
    },
    check({ answers, figures }) {
      const { opened, standing } = figures;
      assert.ok(opened! > pollingBeforeSignInMax || answers['429 rate-limited']! > 0, JSON.stringify(answers));
      assert.ok(standing! <= pollingBeforeSignInMax, `${standing} polling sessions of one address stand before sign-in`);
    },
  },
  {
    name: 'slow readers of pages',
    says: 'a member asks for all kinds of pages of a session of 120 MB on 80 connections and reads none',
    mebibytesMax: 112,
    async run(ground) {
      const { member } = ground.order;
      const pages = [
        `/v3/sessions/${member.session}/messages?after_seq=0&limit=500`, `/v1/sessions/${member.session}/messages`,
        `/v1/changes?since=0&log=${member.log}&limit=500`, '/v1/log/proof?revision=1&count=100',
      ];
      await askAndTakeNothing(ground, 80, (n) => pages[n % pages.length]!);
    },
    check: ({ answers }) => assert.ok(answers['asked']! > 0),
  },
  {
    name: 'slow readers of lists',
    says: 'a member has 40 sessions with metadata of 1 MB, and asks for their list on 60 connections and reads none',
    mebibytesMax: 112,
    async run(ground) {
      const { member, port } = ground.order;
      for (let n = 0; n < 40; n += 1) {
        const body = JSON.stringify({ tag: `large ${n}`, metadata: randomBytes(780_000).toString('base64'), dataEncryptionKey: randomBytes(105).toString('base64') });
        const answer = await exchange(port, one, { path: '/v1/sessions', headers: bearer(member), body });
        ground.count(answer?.status === 200 ? 'made' : `not made: ${answer?.status}`);
      }
      await askAndTakeNothing(ground, 60, () => '/v1/sessions');
    },
    check: ({ answers }) => assert.ok(answers['asked']! > 0 && answers['made'] === 40, JSON.stringify(answers)),
  },
  {
    name: 'slow sockets',
    says: 'a member writes 1 MiB messages to 40 sockets of its own, half of them live and half catching up, that read nothing',
    mebibytesMax: 112,
    async run(ground) {
      const { member } = ground.order;
      const wires: Wire[] = [];
      for (let n = 0; n < 40; n += 1) {
        const wire = await signedIn(ground, many(n), n % 2 ? { clientType: 'user-scoped', since: { log: member.log, revision: 0 } } : { clientType: 'user-scoped' });
        if (!wire) continue;
        await pause(20);
        wire.tcp.pause();
        wires.push(wire);
      }
      ground.begin();
      await ground.flood({ atOnce: 2, perSecond: 8 }, async () => {
        const messages = [{ content: randomBytes(768 * 1024).toString('base64'), localId: crypto.randomUUID() }];
        await ground.ask(one, { path: `/v3/sessions/${member.session}/messages`, headers: bearer(member), body: JSON.stringify({ messages }) });
      });
      for (const wire of wires) wire.close();
    },
    check({ answers }) {
      assert.ok(Object.keys(answers).length > 0);
    },
  },
  {
    name: 'giant JSON of strangers',
    says: 'arrays of 16 MB of zeros as sign-ins, and as first word of WebSockets',
    mebibytesMax: 80,
    async run(ground) {
      const text = zeros(15 * megabyte);
      const body = `{"publicKey":${text}}`;
      const word = frame(1, Buffer.from(`40{"token":${text}}`));
      await ground.flood({ atOnce: 4, perSecond: 4 }, async (n) => {
        if (n % 2) return ground.ask(many(n), { path: '/v1/auth', body });
        const wire = await webSocket(ground, many(n));
        wire?.write(word);
        const until = Date.now() + 5000;
        while (wire && !wire.closed && Date.now() < until) await pause(20);
        if (wire) ground.count(wire.closed ? 'closed' : 'kept');
        wire?.close();
      });
    },
    check({ answers }) {
      assert.ok(answers['413 too-large']! > 0, JSON.stringify(answers));
      assert.equal(answers['400 bad-request'], undefined, 'a stranger had 16 MB parsed');
      assert.equal(answers['kept'], undefined, 'a stranger had 16 MB taken');
    },
  },
  {
    name: 'giant JSON of members',
    says: 'arrays of 16 MB of zeros as posts and as events',
    mebibytesMax: 112,
    async run(ground) {
      const { member } = ground.order;
      const text = zeros(15 * megabyte);
      const path = `/v3/sessions/${member.session}/messages`;
      const event = frame(1, Buffer.from(`421["message",${text}]`));
      await ground.flood({ atOnce: 4, perSecond: 4 }, async (n) => {
        if (n % 2) return ground.ask(many(n), { path, headers: bearer(member), body: `{"messages":${text}}` });
        const wire = await signedIn(ground, many(n));
        wire?.write(event);
        const until = Date.now() + 3000;
        while (wire && !wire.closed && Date.now() < until) await pause(20);
        ground.count(wire?.closed ? 'closed' : 'kept');
        wire?.close();
      });
    },
    check(seen) {
      assert.equal(welcomes(seen), 0);
      assert.ok((seen.answers['400 bad-request'] ?? 0) + refusals(seen) > 0, JSON.stringify(seen.answers));
    },
  },
  {
    name: 'deep JSON',
    says: 'arrays in arrays, thousands deep, of strangers and of members',
    mebibytesMax: 48,
    async run(ground) {
      const { member } = ground.order;
      const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
      await ground.flood({ atOnce: 10, perSecond: 60 }, (n) =>
        n % 2
          ? ground.ask(many(n, 480), { path: '/v1/auth', body: `{"publicKey":${nested(5_000)}}` })
          : ground.ask(one, { path: `/v3/sessions/${member.session}/messages`, headers: bearer(member), body: `{"messages":${nested(200_000)}}` }));
    },
    check(seen) {
      assert.equal(welcomes(seen), 0);
      assert.ok(seen.answers['400 bad-request']! > 0, JSON.stringify(seen.answers));
    },
  },
  {
    name: 'withheld frames',
    says: '60 WebSockets that begin a frame of 16 MiB before they sign in, and never end it',
    mebibytesMax: 80,
    async run(ground) {
      const begun = frame(1, Buffer.alloc(8 * megabyte, 0x61), 16 * megabyte);
      const wires = (await Promise.all(Array.from({ length: 60 }, (_, n) => webSocket(ground, many(n))))).filter((wire) => wire !== undefined);
      for (const wire of wires) wire.write(begun);
      ground.count('begun', wires.length);
      const until = Date.now() + 4000;
      while (Date.now() < until && wires.some(({ closed }) => !closed)) await pause(50);
      ground.seen.figures['left'] = wires.filter(({ closed }) => !closed).length;
      for (const wire of wires) wire.close();
    },
    check({ answers, figures }) {
      assert.ok(answers['begun']! > 0, JSON.stringify(answers));
      assert.equal(figures['left'], 0, 'frames of 16 MiB are waited for before sign-in');
    },
  },
  {
    name: 'pings nobody reads',
    says: '20 WebSockets that send pings without an end and take no answer',
    mebibytesMax: 48,
    run: (ground) => unread(ground, frame(9, Buffer.alloc(125, 0x61))),
    check({ answers }) {
      assert.ok(answers['begun']! > 0, JSON.stringify(answers));
    },
  },
  {
    name: 'refusals nobody reads',
    says: '20 WebSockets that ask for name spaces which are not there and take no answer',
    mebibytesMax: 48,
    run: (ground) => unread(ground, frame(1, Buffer.from('40/elsewhere,'))),
    check({ answers }) {
      assert.ok(answers['begun']! > 0, JSON.stringify(answers));
    },
  },
  {
    name: 'requests nobody reads',
    says: '40 connections with requests one behind the other that take no answer',
    mebibytesMax: 48,
    async run(ground) {
      const requests = head({ method: 'GET', path: '/v1/log/key' }).repeat(300);
      const wires = Array.from({ length: 40 }, (_, n) => ground.wire(many(n)));
      for (const wire of wires) wire.tcp.pause();
      while (ground.going) {
        for (const wire of wires) if (!wire.tcp.destroyed && wire.tcp.writableLength < 4 * requests.length) wire.write(requests);
        await pause(10);
      }
      ground.count('connections', wires.length);
      for (const wire of wires) wire.close();
    },
    check({ answers }) {
      assert.ok(answers['connections']! > 0);
    },
  },
  {
    name: 'foreign pages',
    says: "what a page of another origin can have a browser send: sign-ins, pairings, polls' bodies, WebSockets",
    mebibytesMax: 32,
    async run(ground) {
      const Origin = 'https://elsewhere.example';
      await ground.flood({ atOnce: 5, perSecond: 40 }, async (n) => {
        const from = many(n, 240);
        if (n % 4 === 0) return ground.ask(from, { path: '/v1/auth/challenge', headers: { Origin }, body: JSON.stringify({ publicKey: new SigningKey().base64 }) });
        if (n % 4 === 1) return ground.ask(from, { path: '/v1/auth/request', headers: { Origin }, body: JSON.stringify(new Pairing(ground.url).body) });
        if (n % 4 === 2) return ground.ask(from, { path: '/v1/auth', headers: { Origin, 'Content-Type': 'text/plain' }, body: '{}' });
        const wire = ground.wire(from);
        wire.write(upgrade(`Origin: ${Origin}\r\n`));
        ground.took(await wire.answer());
        wire.close();
      });
    },
    check(seen) {
      assert.equal(welcomes(seen), 0, JSON.stringify(seen.answers));
      assert.equal(seen.answers['101'], undefined, 'a foreign page has a WebSocket');
      assert.ok(seen.answers['403 forbidden']! > 0, JSON.stringify(seen.answers));
    },
  },
  {
    name: 'sockets of a member',
    says: 'a member opens 400 sockets from one address',
    mebibytesMax: 48,
    async run(ground) {
      const wires = (await Promise.all(Array.from({ length: 400 }, (_, n) => pause(n * 5).then(() => signedIn(ground, one))))).filter((wire) => wire !== undefined);
      await pause(500);
      ground.seen.figures['held'] = wires.filter(({ closed }) => !closed).length;
      for (const wire of wires) wire.close();
    },
    check({ figures }) {
      assert.ok(figures['held']! > 0 && figures['held']! <= connectionsOfAddressMax, `${figures['held']} sockets of one address`);
    },
  },
  {
    name: 'large writes of a member',
    says: 'a member writes messages of 6 MB as fast as they are taken, three at a time',
    mebibytesMax: 144,
    // A record is written and synced whole, and who comes meanwhile waits for it.
    othersWaitMs: { p50: 25, p99: 150 },
    async run(ground) {
      const { member } = ground.order;
      const content = randomBytes(4.5 * megabyte).toString('base64');
      await ground.flood({ atOnce: 3, perSecond: 20 }, () =>
        ground.ask(one, { path: `/v3/sessions/${member.session}/messages`, headers: bearer(member), body: JSON.stringify({ messages: [{ content, localId: crypto.randomUUID() }] }) }));
    },
    check(seen) {
      assert.ok(welcomes(seen) > 0, JSON.stringify(seen.answers));
    },
  },
];
