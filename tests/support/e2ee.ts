/// A person and what is said in a session, by cryptography of the tests' own (`independent/`): what only someone with
/// the keys can do, and what somebody without them can try.

import { createCipheriv, randomBytes } from 'node:crypto';
import { askHash, deletionText, readAct, signAct, type ActPlace } from './independent/act.ts';
import { accountOf, metadataKey, type Account } from './independent/account.ts';
import { boxKey, openSecretbox, sealSecretbox, type BoxKey } from './independent/box.ts';
import { bundleId, openBundle, sealBundle, type Place } from './independent/bundle.ts';
import { base64, fromBase64, utf8 } from './independent/bytes.ts';
import { SigningKey } from './independent/ed25519.ts';
import {
  answerPlaintext, checkRequest, commitOf, formatLink, makeRequest, openAnswer, pairingCode, parseLink, readAnswer, refusalText, sealAnswer, sealRequestName,
  type Answer, type Link, type Request,
} from './independent/pairing.ts';
import { labels, openSigned, sealSigned } from './independent/signed_box.ts';
import { DeviceChain, DeviceSet } from './independent/statement.ts';
import { formatSecret, newSenderId, parseEnvelope, parseSecret, Sender, SenderOrder, type Envelope } from './independent/text.ts';
import { chainOf, Client, Login, newDevice, nextStatement, request, type Answer as HttpAnswer, type Device, type SocketOptions } from './client.ts';
import { waitFor } from './wait.ts';

export { accountOf, askHash, bundleId, fromBase64, newSenderId, openBundle, parseEnvelope, parseLink, parseSecret, sealBundle, SenderOrder, base64 as toBase64, utf8 };
export type { Account, Envelope };

/** The secret as people write it down. */
export const base32Of = formatSecret;

// ------------------------------------------------------------------------------------------------------ pairing

export const pairingStatus = (url: string, publicKey: string) =>
  request(`${url}/v1/auth/request/status?publicKey=${encodeURIComponent(publicKey)}`, 'GET');

/** Waits for one of these statuses. */
export async function statusOf(url: string, publicKey: string, ...statuses: string[]): Promise<any> {
  let last: any;
  return waitFor(`the pairing to be ${statuses.join(' or ')}`, async () => {
    last = (await pairingStatus(url, publicKey)).body;
    return statuses.includes(last.status) && last;
  }, { ms: 20_000, last: () => last });
}

/** An agent that asks to be paired, step by step. */
export class Pairing {
  readonly url: string;
  readonly link: Link;
  /** The link as the terminal shows it. */
  readonly text: string;
  readonly box: BoxKey;
  readonly device: Device;
  readonly nonce: Buffer;
  readonly request: Request;

  constructor(url: string, name = 'a machine', { device = newDevice('agent', name), kind = 'agent' as 'agent' | 'browser', commit = undefined as Buffer | undefined } = {}) {
    this.url = url;
    this.box = boxKey();
    this.device = device;
    this.nonce = randomBytes(32);
    this.link = { relay: url, publicKey: this.box.publicKey, secret: randomBytes(32) };
    this.text = formatLink(this.link);
    this.request = makeRequest(
      this.link, device.key, kind, sealRequestName(name, this.link.secret), commit ?? commitOf(this.box.publicKey, device.key.publicKey, this.nonce),
    );
  }

  get body() {
    return this.request.body;
  }

  get publicKey(): string {
    return this.body.publicKey;
  }

  ask(body: unknown = this.body): Promise<HttpAnswer> {
    return request(`${this.url}/v1/auth/request`, 'POST', body);
  }

  status(...statuses: string[]): Promise<any> {
    return statusOf(this.url, this.publicKey, ...statuses);
  }

  /** What the agent makes of an answer; a wrong one is an error. */
  read(response: string): { answer: Answer; code: string[] } {
    const plaintext = openAnswer(response, this.box.secretKey);
    const answer = readAnswer(this.link.secret, this.request.transcript, plaintext);
    return { answer, code: pairingCode(this.link.secret, this.request.transcript, plaintext, this.nonce) };
  }

  reveal(nonce: Buffer = this.nonce): Promise<HttpAnswer> {
    return request(`${this.url}/v1/auth/reveal`, 'POST', { publicKey: this.publicKey, nonce: base64(nonce) });
  }

  refuse(signature = base64(this.device.key.sign(refusalText(this.request.transcript)))): Promise<HttpAnswer> {
    return request(`${this.url}/v1/auth/refuse`, 'POST', { publicKey: this.publicKey, signature });
  }

  /** What the agent requires before it stores anything. */
  accept(answer: Answer, statements: readonly string[]): DeviceChain {
    const chain = chainOf(answer.account, answer.accountKey, statements);
    if (answer.n > 0n && !DeviceChain.read(answer.account, answer.accountKey, statements.slice(0, Number(answer.n))).chain.head.equals(answer.hash)) {
      throw new Error('the chain lacks the statement of the answer');
    }
    const own = chain.find(this.device.key.publicKey);
    if (own?.kind !== 1 || own.revoked) throw new Error('the chain does not name this agent');
    return chain;
  }

  /** The whole of the agent's part, with a person who types what is right. */
  async complete(person: Person): Promise<Login> {
    await this.ask();
    const answered = await person.answer(this.text);
    const { answer, code } = this.read((await this.status('answered')).response);
    await this.reveal();
    await answered.revealed();
    if (answered.code!.join(' ') !== code.join(' ')) throw new Error('the codes differ');
    await answered.confirm();
    this.accept(answer, (await this.status('authorized')).statements);
    return Login.alone(this.url, person.login.account, answer.account, this.device);
  }
}

/** The dashboard's side of one pairing, from its answer on. */
export class Answered {
  readonly person: Person;
  readonly link: Link;
  readonly name: string;
  readonly device: Buffer;
  readonly commit: Buffer;
  readonly transcript: Buffer;
  readonly answer: Answer;
  readonly plaintext: Buffer;
  readonly response: string;
  /** a b c d, once the agent has revealed its nonce. */
  code: string[] | undefined;

  constructor(person: Person, link: Link, checked: ReturnType<typeof checkRequest>, answer: Answer, response?: string) {
    this.person = person;
    this.link = link;
    this.name = checked.name;
    this.device = checked.device;
    this.commit = checked.commit;
    this.transcript = checked.transcript;
    this.answer = answer;
    this.plaintext = answerPlaintext(link.secret, this.transcript, answer);
    this.response = response ?? sealAnswer(this.plaintext, link.publicKey);
  }

  get publicKey(): string {
    return base64(this.link.publicKey);
  }

  post(): Promise<HttpAnswer> {
    return this.person.login.post('/v1/auth/response', { publicKey: this.publicKey, response: this.response });
  }

  /** Waits for the nonce, checks it, and knows the code. */
  async revealed(): Promise<string[]> {
    const { nonce } = await statusOf(this.person.login.url, this.publicKey, 'revealed');
    if (!commitOf(this.link.publicKey, this.device, fromBase64(nonce)).equals(this.commit)) throw new Error('the nonce does not fit');
    this.code = pairingCode(this.link.secret, this.transcript, this.plaintext, fromBase64(nonce));
    return this.code;
  }

  /** What the dashboard shows, for the person to type in the terminal. */
  get shown(): string {
    return this.code!.slice(2).join(' ');
  }

  /** What the terminal shows, for the person to type here. */
  get asked(): string {
    return this.code!.slice(0, 2).join(' ');
  }

  async statement(): Promise<string> {
    return nextStatement(await this.person.login.chain(), this.person.login.account, 'add', { key: { publicKey: this.device }, kind: 'agent', name: this.name });
  }

  confirmWith(statement: string | undefined): Promise<HttpAnswer> {
    return this.person.login.post('/v1/auth/confirm', { publicKey: this.publicKey, ...(statement === undefined ? {} : { statement }) });
  }

  async confirm(): Promise<void> {
    for (let tries = 0; ; ++tries) {
      const answer = await this.confirmWith(await this.statement());
      if (answer.status === 200) return;
      if (answer.body.statements === undefined || tries === 3) throw new Error(`confirm: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
  }

  refuse(): Promise<HttpAnswer> {
    return this.person.login.post('/v1/auth/refuse', { publicKey: this.publicKey });
  }
}

// ------------------------------------------------------------------------------------------------- the dashboard

export interface Opened {
  id: string;
  key: Buffer;
  /** The agent that made the session. */
  device: Buffer;
  metadata: any;
  raw: any;
}

/** A person with the account's secret, in place of the dashboard. */
export class Person {
  readonly login: Login;
  readonly keys: Account;
  /** Every chain that was seen. */
  readonly seen = new DeviceSet();

  constructor(login: Login) {
    this.login = login;
    this.keys = accountOf(login.account.seed);
  }

  static async signIn(url: string, secret: Uint8Array = randomBytes(32), device = newDevice('browser', 'a test')): Promise<Person> {
    return new Person(await Login.in(url, new SigningKey(secret), device));
  }

  get device(): Device {
    return this.login.device;
  }

  get secret(): Buffer {
    return this.login.account.seed;
  }

  /** The relay's chain; what it says is kept. */
  async chain(): Promise<DeviceChain> {
    const chain = await this.login.chain();
    this.seen.learn(chain);
    return chain;
  }

  /** The answer to a request, not yet posted. */
  async prepareAnswer(linkText: string): Promise<Answered> {
    const link = parseLink(linkText);
    const checked = checkRequest(link, await statusOf(this.login.url, base64(link.publicKey), 'pending'));
    const chain = await this.chain();
    return new Answered(this, link, checked, {
      accountKey: this.keys.key.publicKey, contentKey: this.keys.content.publicKey, account: this.login.accountId,
      n: BigInt(chain.statements.length), hash: chain.head, nonceD: randomBytes(32),
    });
  }

  /** "I started this now": answers the request behind a link. */
  async answer(linkText: string): Promise<Answered> {
    const answered = await this.prepareAnswer(linkText);
    const { status, body } = await answered.post();
    if (status !== 200) throw new Error(`answer: ${status} ${JSON.stringify(body)}`);
    return answered;
  }

  /** The account's sessions, opened. */
  async sessions(): Promise<Opened[]> {
    const { sessions } = await this.login.must('GET', '/v1/sessions');
    const chain = await this.chain();
    return sessions.map((raw: any) => this.open(raw, chain));
  }

  open(raw: any, chain: DeviceChain): Opened {
    const place = { label: labels.dataKey, account: this.login.accountId, contentKey: this.keys.content.publicKey, scope: 'session' };
    const { device, payload: key } = openSigned(raw.dataEncryptionKey, place, this.keys.content.secretKey);
    if (chain.find(device)?.kind !== 1) throw new Error('the maker of a session is no agent of the account');
    return { id: raw.id, key, device, metadata: JSON.parse(openMetadata(raw.metadata, key)), raw };
  }

  /** Joins the one session that there is, or will be. */
  async join(options: SocketOptions = {}, matches: (metadata: any) => boolean = () => true): Promise<Conversation> {
    const session = await waitFor('a session', async () => (await this.sessions()).find(({ metadata }) => matches(metadata)), { ms: 30_000 });
    const conversation = new Conversation(this, session.id, session.key, this.login.socket({ reconnection: true, ...options }));
    await conversation.client.ready();
    return conversation;
  }

  /** What deletes a session for good. */
  deletion(sid: string, device = this.device): { device: string; signature: string } {
    return { device: device.key.base64, signature: base64(device.key.sign(deletionText(this.login.accountId, sid))) };
  }
}

const metadataOf = (of: 'session' | 'machine', key: Uint8Array) => metadataKey(key, of);
export const openMetadata = (sealed: string, key: Uint8Array, of: 'session' | 'machine' = 'session'): string =>
  openSecretbox(fromBase64(sealed), metadataOf(of, key)).toString('utf8');
export const sealMetadata = (metadata: unknown, key: Uint8Array, of: 'session' | 'machine' = 'session'): string =>
  base64(sealSecretbox(utf8(JSON.stringify(metadata)), metadataOf(of, key)));

/** The data key of a session or machine as its agent hands it to the account. */
export const sealDataKey = (key: Uint8Array, account: Account, accountId: string, device: SigningKey, scope: 'session' | 'machine' = 'session'): string =>
  sealSigned(key, { label: labels.dataKey, account: accountId, contentKey: account.content.publicKey, scope }, device);

/** Fields of a session that someone with an account can open. */
export function sealedSession(account: Account, accountId: string, device: SigningKey, metadata: unknown, key: Uint8Array = randomBytes(32)): { key: Uint8Array; fields: Record<string, string> } {
  return { key, fields: { metadata: sealMetadata(metadata, key), dataEncryptionKey: sealDataKey(key, account, accountId, device) } };
}

// ------------------------------------------------------------------------------------------------- a session

export interface Prompt {
  bundle: string;
  /** Base64 id of the bundle. */
  id: string;
  from: string;
  n: number;
}

/** What `begin` answers. */
export interface Begun {
  challenge: string;
  now: number;
  devices: string;
  v: number;
  last: string | null;
  unsent: number;
}

/** What came of a call: a sealed answer, an unsealed refusal (nobody knows whether), or the relay's own error. */
export type Outcome = { ok: true; result: any } | { ok: false; unsealed: true } | { ok: false; unsealed: false; error: string; code?: string };

/** What the person sees of one session, and can do in it: one page. */
export class Conversation {
  readonly person: Person;
  readonly id: string;
  readonly key: Uint8Array;
  readonly client: Client;
  readonly sender = new Sender();
  /** Whose signature is under what is done here. */
  device: Device;
  /** How far the agent's clock is ahead of ours, as the last `begin` showed. */
  ahead = 0;
  #newest: string | null = null;

  constructor(person: Person, id: string, key: Uint8Array, client: Client, device: Device = person.device) {
    this.person = person;
    this.id = id;
    this.key = key;
    this.client = client;
    this.device = device;
  }

  /** Another page of the same person: another sender. */
  another(device: Device = this.device): Conversation {
    return Object.assign(new Conversation(this.person, this.id, this.key, this.client, device), { ahead: this.ahead });
  }

  place(kind: string): Place {
    return { accountId: this.person.login.accountId, scope: this.id, kind };
  }

  actPlace(kind: string, bundle: Uint8Array): ActPlace {
    return { account: this.person.login.accountId, scope: this.id, kind, bundle };
  }

  /** A bundle of this text, signed for its place. */
  sealAct(kind: string, text: string, id: Uint8Array = randomBytes(16), device: Device = this.device): string {
    return sealBundle(utf8(signAct(text, this.actPlace(kind, id), device.key)), this.key, this.place(kind), { id });
  }

  /** Base64 id of the newest bundle of the agent that is stored; where the relay cannot be asked, the newest known. */
  async newest(): Promise<string | null> {
    try {
      const { messages } = await this.person.login.must('GET', `/v1/sessions/${this.id}/messages`);
      const newest = messages.find(({ content }: any) => this.read(content.c).kind === 'message');
      if (newest) this.#newest = idOf(newest.content.c);
    } catch {
      // It is down for a while.
    }
    return this.#newest;
  }

  /** A prompt, sealed as the next of this sender, not yet sent. `also` replaces fields of its text. */
  async sealPrompt(text: string, meta: Record<string, unknown> = {}, also: Partial<Envelope> = {}): Promise<Prompt> {
    const { id, envelope } = this.sender.next({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'web', ...meta } }, Date.now());
    const seen = 'seen' in also ? also.seen : await this.newest();
    const full = { ...envelope, seen, until: Date.now() + this.ahead + 600_000, ...also };
    return { bundle: this.sealAct('prompt', JSON.stringify(full), id), id: base64(id), from: envelope.from, n: envelope.n };
  }

  async send(bundle: string): Promise<any> {
    return this.client.ask('message', { sid: this.id, message: bundle, localId: crypto.randomUUID() });
  }

  async prompt(text: string, meta: Record<string, unknown> = {}, also: Partial<Envelope> = {}): Promise<Prompt> {
    const sealed = await this.sealPrompt(text, meta, also);
    await this.send(sealed.bundle);
    return sealed;
  }

  /** Every message stored so far, opened: what the agent said, and the prompts. */
  async history(): Promise<{ seq: number; id: string; kind: 'message' | 'prompt' | 'unreadable'; envelope?: Envelope; device?: string }[]> {
    const stored = await this.person.login.allMessages(this.id);
    return stored.map(({ seq, content }) => ({ seq, id: idOf(content.c), ...this.read(content.c) }));
  }

  read(bundle: string): { kind: 'message' | 'prompt' | 'unreadable'; envelope?: Envelope; device?: string } {
    try {
      return { kind: 'message', envelope: parseEnvelope(openBundle(bundle, this.key, this.place('message')).plaintext) };
    } catch {
      // Perhaps it is a prompt.
    }
    try {
      const { id, plaintext } = openBundle(bundle, this.key, this.place('prompt'));
      const { device, text } = readAct(plaintext.toString('utf8'), this.actPlace('prompt', id));
      return { kind: 'prompt', envelope: parseEnvelope(text), device: base64(device) };
    } catch {
      return { kind: 'unreadable' };
    }
  }

  /** Waits for something the agent said: `d` is the value of the envelope. */
  said(what: string, matches: (d: any) => boolean, ms = 30_000): Promise<any> {
    let seen: any[] = [];
    return waitFor(what, async () => {
      seen = (await this.history()).filter(({ kind }) => kind === 'message').map(({ envelope }) => envelope!.d);
      return seen.find(matches);
    }, { ms, every: 100, last: () => seen.slice(-6) });
  }

  /** Waits for a special event of the agent. */
  told(type: string, matches: (data: any) => boolean = () => true, ms?: number): Promise<any> {
    return this.said(`the event ${type}`, (d) => d?.content?.type === 'event' && d.content.data?.type === type && matches(d.content.data), ms).then((d) => d.content.data);
  }

  /** Waits for a finished turn with this text as its result. */
  answered(text: string | RegExp, ms?: number): Promise<any> {
    const fits = (result: unknown) => typeof result === 'string' && (typeof text === 'string' ? result.includes(text) : text.test(result));
    return this.said(`the answer ${text}`, (d) => d?.content?.data?.type === 'result' && fits(d.content.data.result), ms);
  }

  /** The agent's state as the relay stores it. */
  async state(): Promise<any> {
    const raw = (await this.person.login.must('GET', '/v1/sessions')).sessions.find(({ id }: any) => id === this.id);
    if (!raw?.agentState) return undefined;
    return JSON.parse(openBundle(raw.agentState, this.key, this.place('agentState')).plaintext.toString('utf8'));
  }

  /** An open question, its text found wherever it is. */
  async question(matches: (asked: any) => boolean = () => true): Promise<{ id: string; ask: string; asked: any }> {
    return waitFor('a permission request', async () => {
      for (const [id, request] of Object.entries<any>((await this.state())?.requests ?? {})) {
        const ask = request.ask ?? (await this.told('ask', (data) => data.id === id)).ask;
        if (request.hash !== undefined && request.hash !== askHash(ask)) throw new Error('the state names another ask');
        const asked = JSON.parse(ask);
        if (matches(asked)) return { id, ask, asked };
      }
      return undefined;
    }, { ms: 30_000, every: 100 });
  }

  /** Waits until a prompt is held. */
  held(id: string, why?: string): Promise<any> {
    let state: any;
    return waitFor(`a prompt held${why ? ` for ${why}` : ''}`, async () => {
      state = await this.state();
      return state?.held?.find((one: any) => one.id === id && (why === undefined || one.why === why));
    }, { ms: 30_000, every: 100, last: () => state });
  }

  /** Calls the agent with these sealed parameters. */
  async callSealed(name: string, params: string): Promise<Outcome> {
    const answer = await this.client.ask('rpc-call', { method: `${this.id}:${name}`, params });
    if (answer.ok !== true) return { ok: false, unsealed: false, error: answer.error, code: answer.code };
    if (answer.result === '') return { ok: false, unsealed: true };
    const { id, plaintext } = openBundle(answer.result, this.key, this.place(`rpc-response:${name}`));
    if (!id.equals(bundleId(params))) throw new Error('an answer to another call');
    const result = JSON.parse(plaintext.toString('utf8'));
    return result.error === undefined ? { ok: true, result } : { ok: false, unsealed: false, error: result.error, code: result.code };
  }

  async begin(devices = this.person.seen.digest()): Promise<Begun> {
    const outcome = await this.callSealed('begin', sealBundle(utf8(JSON.stringify({ devices })), this.key, this.place('rpc-request:begin')));
    if (!outcome.ok) throw new Error(`begin: ${JSON.stringify(outcome)}`);
    this.ahead = outcome.result.now - Date.now();
    return outcome.result;
  }

  /** The sealed parameters of a call, under a challenge of the agent. */
  async sealCall(name: string, d: unknown, challenge?: string): Promise<string> {
    return this.sealAct(`rpc-request:${name}`, JSON.stringify({ challenge: challenge ?? (await this.begin()).challenge, d }));
  }

  async call(name: string, d: unknown): Promise<Outcome> {
    return this.callSealed(name, await this.sealCall(name, d));
  }

  /** Hands the agent statements, which prove themselves. */
  async devices(statements: readonly string[]): Promise<Outcome> {
    const { challenge } = await this.begin();
    return this.callSealed('devices', sealBundle(utf8(JSON.stringify({ challenge, d: { statements } })), this.key, this.place('rpc-request:devices')));
  }

  /** The answer to a question. */
  verdict({ id, ask }: { id: string; ask: string }, decision: 'approved' | 'denied' | 'abort', more: Record<string, unknown> = {}): Record<string, unknown> {
    return { id, ask: askHash(ask), decision, grants: [], ...more };
  }

  decide(question: { id: string; ask: string }, decision: 'approved' | 'denied' | 'abort', more: Record<string, unknown> = {}): Promise<Outcome> {
    return this.call('permission', this.verdict(question, decision, more));
  }

  close(): void {
    this.client.close();
  }
}

function idOf(bundle: string): string {
  try {
    return base64(bundleId(bundle));
  } catch {
    return '';
  }
}

// --------------------------------------------------------------------------------------------- what a liar can make

/** Version 0: 0x00 ‖ nonce[12] ‖ AES-256-GCM. It binds no place. */
export function sealUnbound(text: string, key: Uint8Array): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return base64(Buffer.concat([Buffer.of(0), nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]));
}
