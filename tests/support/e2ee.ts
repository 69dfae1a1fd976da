/// The two ends of a session, made of the dashboard's own cryptography: what only someone with the keys can do.

import {
  accountFromSecret, ChainChecker, formatSecret, parseSecret, answerPlaintext, approveRequest, boxKeyPair, comparisonCode, formatPairingLink, fromBase64, fromUtf8, openBox, openBundle,
  openMetadata, parseEnvelope, parsePairingLink, readAnswer, requestMac, sealBundle, SenderChain, newSenderId,
  sealBox, sealMetadata, sealName, sealRequestName, sealUnbound, signKeyPair, toBase64, unwrapDataKey, utf8, verifyRequest, wrapDataKey, bundleId,
  type AccountKeys, type BundleKind, type Envelope, type KeyPair, type PairingLink,
} from '../../dashboard/src/crypto/index.ts';
import { randomBytes } from 'node:crypto';
import { Client, Login, newDevice, request, SigningKey, type Device, type SocketOptions } from './client.ts';
import { waitFor } from './wait.ts';

export { accountFromSecret, ChainChecker, parseSecret, bundleId, fromBase64, newSenderId, openBundle, parseEnvelope, parsePairingLink, sealBundle, SenderChain, toBase64, utf8 };
export type { AccountKeys, Envelope };

// ------------------------------------------------------------------------------------------------------ pairing

/** What an agent holds while it asks to be paired. */
export interface Pairing {
  link: PairingLink;
  /** The link as the terminal shows it. */
  text: string;
  box: KeyPair;
  device: KeyPair;
  body: { publicKey: string; sealed: true; device: { publicKey: string; kind: 'agent' | 'browser'; sealedName: string }; mac: string };
}

/** Makes a request as the agent does. */
export async function newPairing(url: string, name = 'a machine', kind: 'agent' | 'browser' = 'agent'): Promise<Pairing> {
  const box = boxKeyPair();
  const device = signKeyPair();
  const secret = new Uint8Array(randomBytes(32));
  const sealedName = await sealRequestName(name, secret);
  const text = formatPairingLink(url, box.publicKey, secret);
  const mac = await requestMac(secret, box.publicKey, device.publicKey, kind, sealedName);
  return {
    link: parsePairingLink(text),
    text,
    box,
    device,
    body: { publicKey: toBase64(box.publicKey), sealed: true, device: { publicKey: toBase64(device.publicKey), kind, sealedName }, mac },
  };
}

export const pairingStatus = (url: string, publicKey: string) =>
  request(`${url}/v1/auth/request/status?publicKey=${encodeURIComponent(publicKey)}`, 'GET');

/** What the approved agent makes of the answer: token, who approved, and the code to compare. */
export async function readApproval(pairing: Pairing, status: { response: string; sealedToken: string }) {
  const plaintext = openBox(fromBase64(status.response), pairing.box.secretKey);
  const answer = await readAnswer(pairing.link, pairing.device.publicKey, plaintext);
  const token = fromUtf8(openBox(fromBase64(status.sealedToken), pairing.box.secretKey));
  return { answer, token, code: (await comparisonCode(pairing.link, plaintext)).groups.join(' ') };
}

// ------------------------------------------------------------------------------------------------- the dashboard

/** A person with the account's secret, in place of the dashboard. */
export class Person {
  readonly login: Login;
  readonly keys: AccountKeys;
  readonly device: Device;

  private constructor(login: Login, keys: AccountKeys, device: Device) {
    this.login = login;
    this.keys = keys;
    this.device = device;
  }

  static async signIn(url: string, secret: Uint8Array = new Uint8Array(randomBytes(32))): Promise<Person> {
    const keys = await accountFromSecret(secret);
    const device = newDevice('browser');
    device.sealedName = sealName(utf8('a test'), keys.content.publicKey);
    return new Person(await Login.in(url, new SigningKey(secret), device), keys, device);
  }

  /** Approves the request behind a link; returns the code that both ends show. */
  async approve(linkText: string): Promise<string> {
    const link = parsePairingLink(linkText);
    const publicKey = toBase64(link.publicKey);
    const { body } = await waitFor('the pairing request', async () => {
      const answer = await pairingStatus(this.login.url, publicKey);
      return answer.body.status === 'pending' ? answer : undefined;
    });
    const verified = await verifyRequest(link, body.device, body.mac);
    const approval = await approveRequest(verified, this.keys, new Uint8Array(this.device.key.publicKey), this.login.accountId);
    await this.login.must('POST', '/v1/auth/response', approval.body);
    return approval.code.groups.join(' ');
  }

  /** The account's sessions, opened. */
  async sessions(): Promise<{ id: string; key: Uint8Array; metadata: any; raw: any }[]> {
    const { sessions } = await this.login.must('GET', '/v1/sessions');
    return Promise.all(sessions.map((raw: any) => this.open(raw)));
  }

  async open(raw: any): Promise<{ id: string; key: Uint8Array; metadata: any; raw: any }> {
    const key = unwrapDataKey(raw.dataEncryptionKey, this.keys.content.secretKey);
    const metadata = JSON.parse(fromUtf8(await openMetadata(raw.metadata, key, 'session')));
    return { id: raw.id, key, metadata, raw };
  }

  /** Joins the one session that there is, or will be. */
  async join(options: SocketOptions = {}, matches: (metadata: any) => boolean = () => true): Promise<Conversation> {
    const session = await waitFor('a session', async () => (await this.sessions()).find(({ metadata }) => matches(metadata)), { ms: 30_000 });
    const conversation = new Conversation(this, session.id, session.key, this.login.socket({ reconnection: true, ...options }));
    await conversation.client.ready();
    return conversation;
  }
}

/** What the person sees of one session, and can do in it. */
export class Conversation {
  readonly person: Person;
  readonly id: string;
  readonly key: Uint8Array;
  readonly client: Client;
  readonly sender: SenderChain;

  constructor(person: Person, id: string, key: Uint8Array, client: Client) {
    this.person = person;
    this.id = id;
    this.key = key;
    this.client = client;
    this.sender = new SenderChain(newSenderId(), person.login.accountId, id);
  }

  place(kind: BundleKind) {
    return { accountId: this.person.login.accountId, scope: this.id, kind };
  }

  /** A prompt, sealed as the next of this sender, not yet sent. */
  sealPrompt(text: string, meta: Record<string, unknown> = {}): Promise<{ bundle: string; id: string; n: number }> {
    return this.sender.seal('prompt', { role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'web', ...meta } }, this.key, Date.now());
  }

  async send(bundle: string): Promise<any> {
    return this.client.ask('message', { sid: this.id, message: bundle, localId: crypto.randomUUID() });
  }

  async prompt(text: string): Promise<{ bundle: string; id: string; n: number }> {
    const sealed = await this.sealPrompt(text);
    await this.send(sealed.bundle);
    return sealed;
  }

  /** Every message stored so far, opened: what the agent said, and the prompts. */
  async history(): Promise<{ seq: number; id: string | null; kind: 'message' | 'prompt' | 'unreadable'; envelope?: Envelope }[]> {
    const stored = await this.person.login.allMessages(this.id);
    return Promise.all(stored.map(async ({ seq, content }) => ({ seq, id: bundleId(content.c), ...(await this.read(content.c)) })));
  }

  async read(bundle: string): Promise<{ kind: 'message' | 'prompt' | 'unreadable'; envelope?: Envelope }> {
    for (const kind of ['message', 'prompt'] as const) {
      try {
        const { plaintext } = await openBundle(bundle, this.key, this.place(kind));
        return { kind, envelope: parseEnvelope(plaintext) };
      } catch {
        // Perhaps it is of the other kind.
      }
    }
    return { kind: 'unreadable' };
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
    return JSON.parse(fromUtf8((await openBundle(raw.agentState, this.key, this.place('agentState'))).plaintext));
  }

  /** An open permission request. */
  async question(matches: (request: any) => boolean = () => true): Promise<{ id: string; request: any; instance: string }> {
    return waitFor('a permission request', async () => {
      const state = await this.state();
      const found = Object.entries(state?.requests ?? {}).find(([, asked]) => matches(asked));
      return found && { id: found[0], request: found[1], instance: state.instance as string };
    }, { ms: 30_000, every: 100 });
  }

  /** The sealed parameters of an RPC to the agent. */
  async sealCall(name: string, d: unknown, to?: string, at = Date.now()): Promise<string> {
    const instance = to ?? (await waitFor('the agent state', () => this.state())).instance;
    return sealBundle(utf8(JSON.stringify({ at, to: instance, d })), this.key, this.place(`rpc-request:${name}`));
  }

  /** Calls the agent with these parameters. */
  async callSealed(name: string, params: string): Promise<any> {
    const answer = await this.client.ask('rpc-call', { method: `${this.id}:${name}`, params });
    if (!answer.ok) return answer;
    const { plaintext } = await openBundle(answer.result, this.key, this.place(`rpc-response:${name}`));
    return { ok: true, result: plaintext.length === 0 ? undefined : JSON.parse(fromUtf8(plaintext)) };
  }

  async call(name: string, d: unknown): Promise<any> {
    return this.callSealed(name, await this.sealCall(name, d));
  }

  close(): void {
    this.client.close();
  }
}

/** Fields of a session that someone with an account can open. */
export async function sealedSession(keys: AccountKeys, metadata: unknown): Promise<{ key: Uint8Array; fields: Record<string, string> }> {
  const key = new Uint8Array(randomBytes(32));
  const sealed = await sealMetadata(utf8(JSON.stringify(metadata)), key, 'session');
  return { key, fields: { metadata: sealed, dataEncryptionKey: wrapDataKey(key, keys.content.publicKey) } };
}

/** The secret key as people write it down. */
export const base32Of = formatSecret;

// --------------------------------------------------------------------------------------------- what a liar can make

/** An answer to a request that its maker has no right to. */
export async function sealAnswer(linkText: string, person: Person, lie: { secret?: string; contentKeyOf?: Person }): Promise<string> {
  const link = parsePairingLink(linkText);
  const secret = lie.secret === undefined ? link.secret : new Uint8Array(randomBytes(32));
  const status = (await pairingStatus(person.login.url, toBase64(link.publicKey))).body;
  const device = status.device ? fromBase64(status.device.publicKey) : new Uint8Array(32);
  const plaintext = await answerPlaintext({ ...link, secret }, device, {
    publicKey: person.keys.publicKey,
    contentPublicKey: (lie.contentKeyOf ?? person).keys.content.publicKey,
    devicePublicKey: new Uint8Array(person.device.key.publicKey),
    accountId: person.login.accountId,
  });
  // Whoever does not hold the link's secret can change the fields, but not the seal over them.
  if (lie.contentKeyOf) plaintext[plaintext.length - 1]! ^= 1;
  return toBase64(sealBox(plaintext, link.publicKey));
}

export const sealToken = (linkText: string, token: string): string => toBase64(sealBox(utf8(token), parsePairingLink(linkText).publicKey));

export const sealUnboundText = (text: string, key: Uint8Array): Promise<string> => sealUnbound(utf8(text), key);
