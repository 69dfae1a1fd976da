import { actText, askHash, deletionText, readAct, signAct, type ActPlace } from '../../support/independent/act.ts';
import { sealBundle } from '../../support/independent/bundle.ts';
import { base64, fromBase64, hex, utf8 } from '../../support/independent/bytes.ts';
import { plusOrder, verify, type SigningKey } from '../../support/independent/ed25519.ts';
import { machineId } from '../../support/independent/signed_box.ts';
import { DeviceChain } from '../../support/independent/statement.ts';
import {
  account, accountId, bytesOf, describedAccount, describedDevice, device, otherAccountId, otherSessionId, sealedName, secret, sessionId,
} from './given.ts';

const start = 1_750_000_000_000;

export function acts() {
  const chain = new DeviceChain(accountId, account.key.publicKey);
  const add = (name: string, kind: 'agent' | 'browser') =>
    chain.append(chain.next(account.key, 'add', device(name).publicKey, kind, start, sealedName(name)));
  const browser = device('acting browser');
  const agent = device('acting agent');
  const former = device('former browser');
  const stranger = device('unknown browser');
  add('acting browser', 'browser');
  add('acting agent', 'agent');
  add('former browser', 'browser');
  chain.append(chain.next(account.key, 'revoke', former.publicKey, 'browser', start));

  const dataKey = bytesOf('acts data key');
  const machine = machineId(accountId, agent.publicKey);
  const bundleOf = (name: string) => bytesOf(`bundle ${name}`).subarray(0, 16);
  const sealed = (name: string, plaintext: string, place: ActPlace) =>
    sealBundle(utf8(plaintext), dataKey, { accountId: place.account, scope: place.scope, kind: place.kind }, { id: place.bundle, nonce: bytesOf(`bundle nonce ${name}`).subarray(0, 12) });

  // ------------------------------------------------------------------------------------------------- asks
  const ask = JSON.stringify({
    id: 'toolu_1', nonce: hex(bytesOf('ask nonce').subarray(0, 16)), tool: 'Bash', arguments: { command: 'ls -la', description: 'Lists' },
    grants: [
      { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'ls:*' }], behavior: 'allow', destination: 'session' },
      { type: 'addRules', rules: [{ toolName: 'Bash' }], behavior: 'allow', destination: 'localSettings' },
    ],
    toolUseId: 'toolu_1', cwd: '/home/someone',
  });
  const framed = (args: string) => `{"id":"toolu_2","nonce":"${hex(bytesOf('ask nonce two').subarray(0, 16))}","tool":"Write","arguments":${args},"grants":[],"toolUseId":"toolu_2","cwd":"/"}`;
  const asks = [
    { name: 'a command', ask, same: true },
    { name: 'doubled keys', ask: framed('{"path":"/tmp/a","path":"/etc/passwd"}'), same: false },
    { name: '2^53 + 1', ask: framed('{"count":9007199254740993}'), same: false },
    { name: '1.0', ask: framed('{"count":1.0}'), same: false },
    { name: 'spaces', ask: framed('{ "path": "/tmp/a" }'), same: false },
    { name: 'an escape where none is needed', ask: framed('{"path":"\\u0061"}'), same: false },
    { name: 'U+202E', ask: framed('{"path":"/tmp/\u202Egpj.exe"}'), same: true, marked: true },
    { name: '80 lines', ask: framed(JSON.stringify({ content: '\n'.repeat(80) + 'rm -rf ~' })), same: true },
    { name: 'a lone surrogate, replaced', ask: framed('{"path":"/tmp/\uFFFD"}'), same: true },
    { name: 'a lone surrogate, escaped', ask: framed('{"path":"/tmp/\\ud800"}'), same: true, note: 'The text is well-formed; the value is not. JSON.stringify writes it the same way.' },
    { name: 'characters beyond the first plane', ask: framed('{"path":"/tmp/\u{1F600}"}'), same: true },
    { name: 'an object with number-like keys out of order', ask: framed('{"2":1,"1":2}'), same: false },
  ].map((one) => {
    if ((JSON.stringify(JSON.parse(one.ask)) === one.ask) !== one.same) throw new Error(one.name);
    return { ...one, hash: askHash(one.ask) };
  });

  // ------------------------------------------------------------------------------------------------- acts
  const promptPlace: ActPlace = { account: accountId, scope: sessionId, kind: 'prompt', bundle: bundleOf('prompt') };
  const prompt = JSON.stringify({
    at: start, from: hex(bytesOf('sender').subarray(0, 16)), n: 1, prev: null, seen: null, until: start + 600_000,
    d: { role: 'user', content: { type: 'text', text: 'Grüße, please list the files \u{1F600}' }, meta: { sentFrom: 'web' } },
  });
  const challenge = hex(bytesOf('call challenge').subarray(0, 16));
  const callPlace = (method: string, scope = sessionId): ActPlace => ({ account: accountId, scope, kind: `rpc-request:${method}`, bundle: bundleOf(method) });
  const call = (d: unknown) => JSON.stringify({ challenge, d });
  const permission = call({ id: 'toolu_1', ask: askHash(ask), decision: 'approved', grants: [0] });
  const denial = call({ id: 'toolu_1', ask: askHash(ask), decision: 'denied', grants: [] });

  const good = [
    { name: 'a prompt', place: promptPlace, text: prompt },
    { name: 'permission', place: callPlace('permission'), text: permission },
    { name: 'abort', place: callPlace('abort'), text: call({}) },
    { name: 'set-mode', place: callPlace('set-mode'), text: call({ mode: 'plan' }) },
    { name: 'a call to a machine', place: callPlace('spawn-session', machine), text: call({ directory: '/home/someone' }) },
    { name: 'an empty text', place: promptPlace, text: '' },
    { name: 'a text of its own writing', place: promptPlace, text: '{ "d" : 1.0 }' },
  ].map(({ name, place, text }) => {
    const plaintext = signAct(text, place, browser);
    if (!readAct(plaintext, place).device.equals(browser.publicKey)) throw new Error(name);
    return {
      name, scope: place.scope, kind: place.kind, bundleId: base64(place.bundle), text, signed: base64(actText(place, text)), device: browser.base64,
      signature: base64(browser.sign(actText(place, text))), plaintext, bundle: sealed(name, plaintext, place),
    };
  });

  const bad: Record<string, unknown>[] = [];
  /** Read at `place`; signed for `signedFor`. */
  const put = (name: string, rule: string, outcome: string, plaintext: string, place: ActPlace) => {
    let by: Buffer | undefined;
    try {
      by = readAct(plaintext, place).device;
    } catch {
      // Perhaps as it must be.
    }
    const known = by && chain.find(by);
    if (by && known && known.kind === 2 && !known.revoked) throw new Error(`${name}: taken`);
    if ((by !== undefined) !== ['agent', 'revoked', 'unknown'].includes(rule)) throw new Error(`${name}: not the rule`);
    bad.push({ name, rule, outcome, scope: place.scope, kind: place.kind, bundleId: base64(place.bundle), plaintext, bundle: sealed(name, plaintext, place) });
  };
  const by = (key: SigningKey, place: ActPlace, text: string) => signAct(text, place, key);
  const setMode = call({ mode: 'bypassPermissions' });
  const setModePlace = callPlace('set-mode');
  put('a prompt by the agent', 'agent', 'refused', by(agent, promptPlace, prompt), promptPlace);
  put('a prompt by a revoked browser', 'revoked', 'refused', by(former, promptPlace, prompt), promptPlace);
  put('a prompt by an unknown device', 'unknown', 'held', by(stranger, promptPlace, prompt), promptPlace);
  put('set-mode by the agent', 'agent', 'refused', by(agent, setModePlace, setMode), setModePlace);
  put('set-mode by a revoked browser', 'revoked', 'refused', by(former, setModePlace, setMode), setModePlace);
  put('set-mode by an unknown device', 'unknown', 'refused', by(stranger, setModePlace, setMode), setModePlace);
  const permissionPlace = callPlace('permission');
  put('approval by the agent', 'agent', 'refused', by(agent, permissionPlace, permission), permissionPlace);
  put('approval by a revoked browser', 'revoked', 'refused', by(former, permissionPlace, permission), permissionPlace);
  put('approval by an unknown device', 'unknown', 'refused', by(stranger, permissionPlace, permission), permissionPlace);
  put('denial by a revoked browser', 'revoked', 'taken', by(former, permissionPlace, denial), permissionPlace);
  put('denial by an unknown device', 'unknown', 'taken', by(stranger, permissionPlace, denial), permissionPlace);
  put('abort by a revoked browser', 'revoked', 'taken', by(former, callPlace('abort'), call({})), callPlace('abort'));
  put('abort by an unknown device', 'unknown', 'taken', by(stranger, callPlace('abort'), call({})), callPlace('abort'));

  const elsewhere: [string, ActPlace][] = [
    ['for another account', { ...promptPlace, account: otherAccountId }],
    ['for another session', { ...promptPlace, scope: otherSessionId }],
    ['for another kind', { ...promptPlace, kind: 'message' }],
    ['for another bundle', { ...promptPlace, bundle: bundleOf('another') }],
  ];
  for (const [what, place] of elsewhere) put(`a prompt signed ${what}`, 'signature', 'refused', by(browser, place, prompt), promptPlace);
  put('an approval signed for another method', 'signature', 'refused', by(browser, callPlace('set-mode'), permission), { ...permissionPlace, bundle: bundleOf('set-mode') });
  put('an approval signed for another session', 'signature', 'refused', by(browser, { ...permissionPlace, scope: otherSessionId }, permission), permissionPlace);
  put('a call to a session signed for the machine', 'signature', 'refused', by(browser, { ...setModePlace, scope: machine }, setMode), setModePlace);
  const changed = (plaintext: string, changes: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(plaintext), ...changes });
  const approval = by(browser, permissionPlace, permission);
  put('another grant after signing', 'signature', 'refused', changed(approval, { text: permission.replace('[0]', '[1]') }), permissionPlace);
  put('a mode added after signing', 'signature', 'refused', changed(approval, { text: permission.replace('"grants"', '"mode":"bypassPermissions","grants"') }), permissionPlace);
  put('a space in the text after signing', 'signature', 'refused', changed(approval, { text: `${permission} ` }), permissionPlace);
  put("another device's name", 'signature', 'refused', changed(by(agent, permissionPlace, permission), { device: browser.base64 }), permissionPlace);
  put('S + L', 'signature', 'refused', changed(approval, { signature: base64(plusOrder(fromBase64(JSON.parse(approval).signature))) }), permissionPlace);
  put('a device of small order', 'signature', 'refused', changed(approval, { device: base64(Buffer.concat([Buffer.of(1), Buffer.alloc(31)])) }), permissionPlace);
  put('no signature', 'form', 'refused', JSON.stringify({ text: permission, device: browser.base64 }), permissionPlace);
  put('no device', 'form', 'refused', JSON.stringify({ text: permission, signature: JSON.parse(approval).signature }), permissionPlace);
  put('a text that is an object', 'form', 'refused', changed(approval, { text: JSON.parse(permission) }), permissionPlace);
  put('unsigned, as in the first edition', 'form', 'refused', permission, permissionPlace);
  put('no JSON', 'form', 'refused', 'permission', permissionPlace);
  put('an array', 'form', 'refused', '[]', permissionPlace);

  // ------------------------------------------------------------------------------------------------- deletions
  const text = deletionText(accountId, sessionId);
  const deletion = (key: SigningKey, signature: Uint8Array = key.sign(text)) => ({ device: key.base64, signature: base64(signature) });
  const good1 = { session: sessionId, ...deletion(browser), signed: base64(text) };
  if (!verify(fromBase64(good1.signature), text, browser.publicKey)) throw new Error('deletion');
  const badDeletions = [
    { name: 'by an agent', rule: 'agent', ...deletion(agent) },
    { name: 'by a revoked browser', rule: 'revoked', ...deletion(former) },
    { name: 'by an unknown device', rule: 'unknown', ...deletion(stranger) },
    { name: 'for another session', rule: 'signature', ...deletion(browser, browser.sign(deletionText(accountId, otherSessionId))) },
    { name: 'for another account', rule: 'signature', ...deletion(browser, browser.sign(deletionText(otherAccountId, sessionId))) },
    { name: 'account and session exchanged', rule: 'signature', ...deletion(browser, browser.sign(deletionText(sessionId, accountId))) },
    { name: "another device's name", rule: 'signature', ...deletion(browser, agent.sign(text)) },
    { name: 'S + L', rule: 'signature', ...deletion(browser, plusOrder(browser.sign(text))) },
    { name: 'a signature of zeros', rule: 'signature', ...deletion(browser, Buffer.alloc(64)) },
    { name: 'a signature of 63 bytes', rule: 'signature', ...deletion(browser, browser.sign(text).subarray(0, 63)) },
    { name: 'by the account key', rule: 'unknown', ...deletion(account.key) },
  ];

  return {
    about: 'Signed acts, asks and deletions (docs/protocol.md). Made by tests/vectors/make.ts. Bytes in base64, hashes in hex, ids as text.',
    notes: [
      'A reader that holds `chain` and the data key opens `bundle` (version 1, of the account, `scope` and `kind`) and gets `plaintext`; the bundle id is that of the bundle.',
      'bad: outcome refused = nothing is done; held = a prompt that waits for a person; taken = it only stops something, which whoever has the key may.',
      'rules of bad: form, signature, agent (signed by a device of kind 1), revoked, unknown. Where the rule is agent, revoked or unknown the signature is right.',
      'asks: `same` = JSON.stringify(JSON.parse(ask)) === ask in JavaScript; where it is false the text itself is shown. hash = SHA-256 of the UTF-8 text.',
      'The text of an act is whatever stands between the quotes: what is in it is checked after the signature.',
      'Deletions are by good browsers alone; the signature of a deletion is over the raw ids.',
    ],
    account: describedAccount(secret, accountId),
    session: sessionId,
    machine,
    dataKey: base64(dataKey),
    devices: {
      'acting browser': describedDevice('acting browser', 'browser'),
      'acting agent': describedDevice('acting agent', 'agent'),
      'former browser': describedDevice('former browser', 'browser'),
      'unknown browser': describedDevice('unknown browser', 'browser'),
    },
    chain: chain.statements.map(base64),
    asks,
    challenge,
    good,
    bad,
    deletion: good1,
    badDeletions,
  };
}
