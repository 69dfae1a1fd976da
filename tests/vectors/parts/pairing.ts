import { base64, concat, fromBase64, hex, utf8, type Bytes } from '../../support/independent/bytes.ts';
import { plusOrder } from '../../support/independent/ed25519.ts';
import { boxKey } from '../../support/independent/box.ts';
import {
  answerPlaintext, checkRequest, commitOf, formatLink, makeRequest, openAnswer, pairingCode, parseLink, readAnswer, refusalText, requestText, sealAnswer,
  sealRequestName, type Answer, type Link, type RequestBody,
} from '../../support/independent/pairing.ts';
import { DeviceChain, statementHash } from '../../support/independent/statement.ts';
import { account, accountId, box, bytesOf, describedAccount, describedDevice, device, otherAccount, sealedName, secret, otherSecret, otherAccountId } from './given.ts';

const start = 1_750_000_000_000;
const parties = ['relay', 'dashboard'] as const;

export function pairing() {
  const requestKey = boxKey(bytesOf('pairing request key'));
  const link: Link = { relay: 'https://relay.example/prefix', publicKey: requestKey.publicKey, secret: bytesOf('pairing link secret') };
  const agent = device('paired agent');
  const nonceA = bytesOf('pairing nonce A');
  const name = sealRequestName('workstation', link.secret, bytesOf('pairing name nonce').subarray(0, 24));
  const commit = commitOf(link.publicKey, agent.publicKey, nonceA);
  const request = makeRequest(link, agent, 'agent', name, commit);

  // The account before the pairing: a browser, and an agent that was revoked.
  const chain = new DeviceChain(accountId, account.key.publicKey);
  const browser = device('pairing browser');
  chain.append(chain.next(account.key, 'add', browser.publicKey, 'browser', start, sealedName('pairing browser')));
  chain.append(chain.next(account.key, 'add', device('former agent').publicKey, 'agent', start + 1000, sealedName('former agent')));
  chain.append(chain.next(account.key, 'revoke', device('former agent').publicKey, 'agent', start + 2000));
  const before = [...chain.statements];

  const answer: Answer = {
    accountKey: account.key.publicKey, contentKey: account.content.publicKey, account: accountId, n: 3n, hash: chain.head, nonceD: bytesOf('pairing nonce D'),
  };
  const plaintext = answerPlaintext(link.secret, request.transcript, answer);
  const response = sealAnswer(plaintext, link.publicKey, box('pairing answer'));
  const code = pairingCode(link.secret, request.transcript, plaintext, nonceA);
  const confirmation = chain.next(account.key, 'add', agent.publicKey, 'agent', start + 3000, sealedName('workstation'));
  const signRefusal = (by: typeof agent, transcript: Bytes) => base64(by.sign(refusalText(transcript)));

  // ------------------------------------------------------------------------------------------------- another pairing
  const otherLink: Link = { ...link, publicKey: boxKey(bytesOf('other request key')).publicKey, secret: bytesOf('other link secret') };
  const otherAgent = device('other paired agent');
  const otherNonceA = bytesOf('other pairing nonce A');
  const otherRequest = makeRequest(
    otherLink, otherAgent, 'agent', sealRequestName('laptop', otherLink.secret, bytesOf('other name nonce').subarray(0, 24)),
    commitOf(otherLink.publicKey, otherAgent.publicKey, otherNonceA),
  );

  // ------------------------------------------------------------------------------------------------- bad requests
  const badRequests: Record<string, unknown>[] = [];
  const badRequest = (what: string, rule: string, body: RequestBody | Record<string, unknown>, refusedBy: readonly string[] = parties, note?: string) => {
    let taken = true;
    try {
      checkRequest(link, body as unknown as RequestBody);
    } catch {
      taken = false;
    }
    taken &&= body.publicKey === base64(link.publicKey);
    if (taken && refusedBy.includes('dashboard')) throw new Error(`${what}: taken`);
    badRequests.push({ name: what, rule, refusedBy, ...(note === undefined ? {} : { note }), request: body });
  };
  const remade = (changes: { kind?: 'agent' | 'browser'; device?: typeof agent; commit?: Bytes; name?: string; link?: Link }) =>
    makeRequest(changes.link ?? link, changes.device ?? agent, changes.kind ?? 'agent', changes.name ?? name, changes.commit ?? commit).body;
  const { body } = request;
  const signature = fromBase64(body.signature);

  badRequest('a browser', 'kind', remade({ kind: 'browser' }), parties, 'Signature and mac are right.');
  badRequest('signed as an agent, sent as a browser', 'kind', { ...body, device: { ...body.device, kind: 'browser' } });
  badRequest('no signature', 'signature', (({ signature: _, ...rest }) => rest)(body));
  badRequest('a signature of zeros', 'signature', { ...body, signature: base64(Buffer.alloc(64)) });
  badRequest('S + L', 'signature', (() => {
    const odd = plusOrder(signature);
    return { ...body, signature: base64(odd) };
  })());
  badRequest("another device's key under the own signature", 'signature', (() => {
    const made = remade({ device: otherAgent });
    const text = requestText(link.publicKey, otherAgent.publicKey, 1, commit, name);
    return { ...made, signature: base64(agent.sign(text)) };
  })());
  badRequest('the publicKey exchanged', 'signature', { ...body, publicKey: base64(otherLink.publicKey) }, parties, 'The signature is over the publicKey of the link.');
  badRequest('the commitment exchanged', 'signature', { ...body, commit: base64(bytesOf('another commit')) });
  badRequest('the name exchanged', 'signature', { ...body, device: { ...body.device, sealedName: otherRequest.body.device.sealedName } });
  badRequest('a wrong mac', 'mac', { ...body, mac: base64(bytesOf('a wrong mac')) }, ['dashboard'], 'The relay does not know the secret of the link.');
  badRequest('made without the secret of the link', 'mac', remade({ link: { ...link, secret: otherLink.secret } }), ['dashboard']);
  badRequest('a revoked device', 'revoked', remade({ device: device('former agent'), commit: commitOf(link.publicKey, device('former agent').publicKey, nonceA) }), [],
    'Right by itself; the dashboard refuses it because the chain revokes the key.');
  badRequest('a name of 1 025 bytes', 'name-length', remade({ name: 'A'.repeat(1025) }));
  badRequest('a commitment of 31 bytes', 'length', { ...body, commit: base64(commit.subarray(0, 31)) });
  badRequest('a mac of 31 bytes', 'length', { ...body, mac: base64(fromBase64(body.mac).subarray(0, 31)) });
  badRequest('a key in base64url', 'base64', { ...body, device: { ...body.device, publicKey: agent.publicKey.toString('base64url') } });

  // ------------------------------------------------------------------------------------------------- bad reveals
  const badReveals = [
    { name: 'another nonce', nonce: base64(bytesOf('another nonce')) },
    { name: 'the nonce of another pairing', nonce: base64(otherNonceA) },
    { name: '31 bytes', nonce: base64(nonceA.subarray(0, 31)) },
    { name: '33 bytes', nonce: base64(concat(nonceA, Buffer.of(0))) },
    { name: 'nothing', nonce: '' },
  ].map((bad) => ({ ...bad, rule: 'nonce' }));
  const copiedCommit = remade({ device: otherAgent });

  // ------------------------------------------------------------------------------------------------- bad answers
  const badAnswers: Record<string, unknown>[] = [];
  const badAnswer = (what: string, rule: string, bad: Bytes, recipient = link.publicKey) => {
    let taken = false;
    try {
      readAnswer(link.secret, request.transcript, openAnswer(sealAnswer(bad, recipient), requestKey.secretKey));
      taken = true;
    } catch {
      // As it must be.
    }
    if (taken) throw new Error(`${what}: taken`);
    badAnswers.push({ name: what, rule, plaintext: base64(bad), response: sealAnswer(bad, recipient, box(`answer ${what}`)) });
  };
  const flipped = (at: number) => Buffer.from(plaintext.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  badAnswer('184 bytes', 'length', plaintext.subarray(0, 184));
  badAnswer('186 bytes', 'length', concat(plaintext, Buffer.of(0)));
  badAnswer('nothing', 'length', Buffer.alloc(0));
  badAnswer('version 1', 'version', (() => {
    const changed = Buffer.from(plaintext);
    changed[0] = 1;
    return changed;
  })());
  for (const [what, at] of [['account key', 1], ['content key', 33], ['account id', 65], ['n', 88], ['hash', 89], ['nonce', 121], ['mac', 153]] as const) {
    badAnswer(`a bit of the ${what}`, 'mac', flipped(at));
  }
  badAnswer('made without the secret of the link', 'mac', answerPlaintext(otherLink.secret, request.transcript, answer));
  badAnswer('for another pairing of the same secret', 'mac', answerPlaintext(link.secret, otherRequest.transcript, answer));
  badAnswer('the answer of another pairing', 'mac', answerPlaintext(otherLink.secret, otherRequest.transcript, answer));
  badAnswer('sealed to another key', 'box', plaintext, otherLink.publicKey);

  // ------------------------------------------------------------------------------------------------- other codes
  const codes = {
    'another secret of the link': pairingCode(otherLink.secret, request.transcript, plaintext, nonceA),
    'another T': pairingCode(link.secret, otherRequest.transcript, plaintext, nonceA),
    'another answer (its nonce)': pairingCode(link.secret, request.transcript, answerPlaintext(link.secret, request.transcript, { ...answer, nonceD: bytesOf('another nonce D') }), nonceA),
    'another nonce of the agent': pairingCode(link.secret, request.transcript, plaintext, otherNonceA),
  };
  if (new Set([code, ...Object.values(codes)].map((c) => c.join(' '))).size !== 5) throw new Error('two codes are equal');
  // The digits keep their zeros in front.
  let small = 0;
  while (!pairingCode(link.secret, request.transcript, plaintext, bytesOf(`small code ${small}`))[0].startsWith('00')) ++small;

  // ------------------------------------------------------------------------------------------------- what is authorized
  const authorized = [...before, confirmation];
  const withOther = (steps: [action: 'add' | 'revoke', by: typeof agent, kind: 'agent' | 'browser'][], from: readonly Bytes[] = before) => {
    const next = DeviceChain.read(accountId, account.key.publicKey, from).chain;
    for (const [action, by, kind] of steps) {
      next.append(next.next(account.key, action, by.publicKey, kind, start + 5000, action === 'add' ? sealedName('workstation') : undefined));
    }
    return next.statements;
  };
  const foreign = new DeviceChain(otherAccountId, otherAccount.key.publicKey);
  foreign.append(foreign.next(otherAccount.key, 'add', browser.publicKey, 'browser', start, sealedName('pairing browser', otherAccount.content.publicKey)));
  foreign.append(foreign.next(otherAccount.key, 'add', agent.publicKey, 'agent', start, sealedName('workstation', otherAccount.content.publicKey)));
  const texts = (statements: readonly Bytes[]) => statements.map(base64);
  const badAuthorized = [
    { name: 'the chain without the own key', rule: 'own-key', statements: texts(before) },
    { name: 'another branch: the own key, not the statement of the answer', rule: 'floor', statements: texts(withOther([['add', agent, 'agent'], ['add', otherAgent, 'agent']], before.slice(0, 2))) },
    { name: 'shorter than the statement of the answer', rule: 'floor', statements: texts(withOther([['add', agent, 'agent']], before.slice(0, 1))) },
    { name: 'the own key as a browser', rule: 'own-kind', statements: texts(withOther([['add', agent, 'browser']])) },
    { name: 'the own key revoked', rule: 'own-revoked', statements: texts(withOther([['add', agent, 'agent'], ['revoke', agent, 'agent']])) },
    { name: 'of another account', rule: 'account', statements: texts(foreign.statements) },
    { name: 'an invalid statement at the end', rule: 'chain', statements: texts([...before, concat(confirmation.subarray(0, -64), plusOrder(confirmation.subarray(-64)))]) },
    { name: 'nothing', rule: 'floor', statements: [] },
  ];

  if (parseLink(formatLink(link)).relay !== link.relay) throw new Error('the link does not come out the same');
  return {
    about: 'Pairing, link version 2 (docs/protocol.md). Made by tests/vectors/make.ts. Bytes in base64, hashes in hex, ids as text.',
    notes: [
      'badRequests: `refusedBy` names who can see it; the relay knows neither the link nor its secret. In a case without the dashboard or the relay the other takes it.',
      'badAnswers: to the agent of `request`. badReveals: for the commitment of `request`, by relay and dashboard. badAuthorized: to that agent, after `answer`.',
      'copiedCommit: a request with the commitment of another device. It is right by itself; nothing that anybody knows opens it, for the commitment names the device: `nonce` is refused.',
      'The mac is HMAC(s, R ‖ signature); T = SHA-256(R ‖ signature ‖ mac). The answer is 1 + 32 + 32 + 16 + 8 + 32 + 32 + 32 = 185 bytes.',
      'An account without statements cannot answer: a browser that is signed in has one.',
    ],
    account: describedAccount(secret, accountId),
    otherAccount: describedAccount(otherSecret, otherAccountId),
    devices: {
      'paired agent': describedDevice('paired agent', 'agent'),
      'other paired agent': describedDevice('other paired agent', 'agent'),
      'former agent': describedDevice('former agent', 'agent'),
      'pairing browser': describedDevice('pairing browser', 'browser'),
    },
    link: { text: formatLink(link), relay: link.relay, publicKey: base64(link.publicKey), secretKey: base64(requestKey.secretKey), s: base64(link.secret) },
    badLinks: [
      { name: 'version 1', text: formatLink(link).replace('v=2', 'v=1') },
      { name: 'version 3', text: formatLink(link).replace('v=2', 'v=3') },
      { name: 'without a version', text: formatLink(link).replace('v=2&', '') },
      { name: 'a key cut short', text: formatLink({ ...link, publicKey: link.publicKey.subarray(0, 31) as Buffer }) },
      { name: 'a secret cut short', text: formatLink({ ...link, secret: link.secret.subarray(0, 31) as Buffer }) },
      { name: 'another page', text: formatLink(link).replace('/pair#', '/other#') },
    ],
    name: 'workstation',
    nonceA: base64(nonceA),
    commit: base64(commit),
    R: base64(request.text),
    request: body,
    T: hex(request.transcript),
    chain: texts(before),
    answer: {
      account: accountId, n: 3, hash: hex(chain.head), nonceD: base64(answer.nonceD), plaintext: base64(plaintext), response,
    },
    code: code.join(' '),
    dashboardShows: code.slice(2).join(' '),
    terminalShows: code.slice(0, 2).join(' '),
    codeWithZeros: { nonceA: base64(bytesOf(`small code ${small}`)), code: pairingCode(link.secret, request.transcript, plaintext, bytesOf(`small code ${small}`)).join(' ') },
    otherCodes: Object.entries(codes).map(([what, other]) => ({ name: what, code: other.join(' ') })),
    refusal: { signature: signRefusal(agent, request.transcript) },
    badRefusals: [
      { name: 'by another device', rule: 'signature', signature: signRefusal(otherAgent, request.transcript) },
      { name: 'of another pairing', rule: 'signature', signature: signRefusal(agent, otherRequest.transcript) },
      { name: 'the signature of the request', rule: 'signature', signature: body.signature },
      { name: 'S + L', rule: 'signature', signature: base64(plusOrder(fromBase64(signRefusal(agent, request.transcript)))) },
      { name: 'nothing', rule: 'signature', signature: '' },
    ],
    confirmation: { statement: base64(confirmation), hash: hex(statementHash(confirmation)) },
    authorized: texts(authorized),
    badRequests,
    copiedCommit: { request: copiedCommit, nonce: base64(nonceA) },
    badReveals,
    badAnswers,
    badAuthorized,
    otherPairing: {
      link: formatLink(otherLink), nonceA: base64(otherNonceA), request: otherRequest.body, T: hex(otherRequest.transcript),
    },
  };
}
