import { sealBox } from '../../support/independent/box.ts';
import { base64, concat, fromBase64, hex, sha256, utf8, type Bytes } from '../../support/independent/bytes.ts';
import { plusOrder, type SigningKey } from '../../support/independent/ed25519.ts';
import { boxText, labels, machineId, openSigned, sealSigned, type BoxPlace } from '../../support/independent/signed_box.ts';
import { DeviceChain } from '../../support/independent/statement.ts';
import { account, accountId, box, bytesOf, describedAccount, describedDevice, device, otherAccount, otherAccountId, otherSecret, sealedName, secret } from './given.ts';

const start = 1_750_000_000_000;

export function signedBox() {
  const chain = new DeviceChain(accountId, account.key.publicKey);
  const add = (name: string, kind: 'agent' | 'browser') =>
    chain.append(chain.next(account.key, 'add', device(name).publicKey, kind, start, sealedName(name)));
  add('box browser', 'browser');
  add('box agent', 'agent');
  add('box agent two', 'agent');
  add('box former agent', 'agent');
  chain.append(chain.next(account.key, 'revoke', device('box former agent').publicKey, 'agent', start));

  const place: BoxPlace = { label: labels.dataKey, account: accountId, contentKey: account.content.publicKey, scope: 'session' };
  const dataKey = bytesOf('a data key');
  const agent = device('box agent');
  const noticeId = hex(bytesOf('a notice').subarray(0, 16));
  const noticePlace: BoxPlace = { ...place, label: labels.notice, scope: noticeId };
  const notice = utf8(JSON.stringify({ at: start, title: 'A question waits', session: '01a00000-0000-7000-8000-0000000005e1' }));

  const describe = (what: string, at: BoxPlace, payload: Bytes, by: SigningKey) => {
    const sealed = sealSigned(payload, at, by, box(`box ${what}`));
    const opened = openSigned(sealed, at, account.content.secretKey);
    if (!opened.device.equals(by.publicKey) || !opened.payload.equals(payload)) throw new Error(what);
    return {
      name: what, label: at.label, scope: at.scope, device: by.base64, signed: base64(boxText(at, payload)), signature: base64(by.sign(boxText(at, payload))),
      payload: base64(payload), payloadHash: hex(sha256(payload)), box: sealed,
    };
  };

  const good = [
    { ...describe('the key of a session', place, dataKey, agent), standing: 'good' },
    { ...describe('the key of a machine', { ...place, scope: 'machine' }, bytesOf('a machine key'), agent), standing: 'good' },
    { ...describe('a notice', noticePlace, notice, agent), standing: 'good' },
    { ...describe('by an agent that was revoked', place, bytesOf('an old data key'), device('box former agent')), standing: 'revoked', note: 'Opens, for reading only: nothing is sealed under this key.' },
  ];

  /** By hand, where the honest way would not make it. */
  const sealed = (what: string, inside: Bytes, version = 1, recipient = account.content.publicKey) =>
    base64(concat(Buffer.of(version), sealBox(inside, recipient, box(`bad box ${what}`))));
  const inside = (by: SigningKey, at: BoxPlace, payload: Bytes, names: SigningKey = by) => concat(names.publicKey, by.sign(boxText(at, payload)), payload);
  const proper = inside(agent, place, dataKey);
  const stranger = device('box stranger');

  const bad: Record<string, unknown>[] = [];
  const put = (name: string, rule: string, text: string, at: BoxPlace = place) => {
    let opened: { device: Buffer } | undefined;
    try {
      opened = openSigned(text, at, account.content.secretKey);
    } catch {
      // As it must be.
    }
    const maker = opened && chain.find(opened.device);
    if (opened && maker?.kind === 1) throw new Error(`${name}: opens`);
    bad.push({ name, rule, label: at.label, scope: at.scope, box: text });
  };
  put('by a device that the chain does not name', 'unknown', sealed('unknown', inside(stranger, place, dataKey)));
  put('by a browser', 'kind', sealed('kind', inside(device('box browser'), place, dataKey)));
  put('a notice by a browser', 'kind', sealed('notice kind', inside(device('box browser'), noticePlace, notice)), noticePlace);
  put('for another account', 'signature', sealed('account', inside(agent, { ...place, account: otherAccountId }, dataKey)));
  put('passed on: made for another content key', 'signature', sealed('content', inside(agent, { ...place, contentKey: otherAccount.content.publicKey }, dataKey)));
  put('sealed to another content key', 'box', sealed('recipient', proper, 1, otherAccount.content.publicKey));
  put('under the label of a notice', 'signature', sealed('label', inside(agent, { ...place, label: labels.notice }, dataKey)));
  put('a label without its end of line', 'signature', sealed('label end', inside(agent, { ...place, label: 'consortium data key 1' }, dataKey)));
  put("a machine's as a session's", 'signature', sealed('scope', inside(agent, { ...place, scope: 'machine' }, dataKey)));
  put("a session's as a machine's", 'signature', sealed('scope two', proper), { ...place, scope: 'machine' });
  put('the id of a session as scope', 'signature', sealed('scope three', inside(agent, { ...place, scope: '01a00000-0000-7000-8000-0000000005e1' }, dataKey)));
  put('a notice under another id', 'signature', sealed('notice id', inside(agent, noticePlace, notice)), { ...noticePlace, scope: hex(bytesOf('another notice').subarray(0, 16)) });
  put("another agent's signature under the own name", 'signature', sealed('name', inside(device('box agent two'), place, dataKey, agent)));
  put("the signature of another agent's box", 'signature', sealed('signature', concat(device('box agent two').publicKey, proper.subarray(32))));
  put('another payload', 'signature', sealed('payload', concat(proper.subarray(0, 96), bytesOf('another data key'))));
  put('S + L', 'signature', sealed('order', concat(proper.subarray(0, 32), plusOrder(proper.subarray(32, 96)), proper.subarray(96))));
  put('a payload of 31 bytes', 'payload', sealed('31', inside(agent, place, dataKey.subarray(0, 31))));
  put('a payload of 33 bytes', 'payload', sealed('33', inside(agent, place, concat(dataKey, Buffer.of(0)))));
  put('no payload', 'payload', sealed('empty', inside(agent, place, Buffer.alloc(0))));
  put('95 bytes inside', 'length', sealed('95', proper.subarray(0, 95)));
  put('nothing inside', 'length', sealed('nothing', Buffer.alloc(0)));
  put('version 0', 'version', sealed('version 0', proper, 0));
  put('version 2', 'version', sealed('version 2', proper, 2));
  put('the first edition: a key without a name', 'version', sealed('wrapped', dataKey, 0));
  const whole = good[0]!.box;
  put('a bit of the box', 'box', base64(fromBase64(whole).map((byte, i) => (i === 100 ? byte ^ 1 : byte))));
  put('cut short', 'box', base64(fromBase64(whole).subarray(0, -1)));
  put('only the version', 'length', base64(Buffer.of(1)));
  put('no bytes', 'version', '');
  put('in base64 without its padding', 'base64', good[2]!.box.replace(/=*$/, '') + (good[2]!.box.endsWith('=') ? '' : '='), noticePlace);

  return {
    about: 'Signed boxes (docs/protocol.md). Made by tests/vectors/make.ts. Bytes in base64, hashes in hex, ids as text.',
    notes: [
      'The scope of a data key is the word `session` or `machine`, not an id; that of a notice is its id, as text.',
      'The reader holds the content secret key of `account` and the chain `chain`; `label` and `scope` say where it found the box.',
      'rules: base64, version, length, box (does not open), signature, payload (a data key has 32 bytes), unknown (device not in the chain), kind (not an agent).',
      '`device` of machines is the key of the agent.',
    ],
    account: describedAccount(secret, accountId),
    otherAccount: describedAccount(otherSecret, otherAccountId),
    devices: Object.fromEntries([
      ['box browser', 'browser'], ['box agent', 'agent'], ['box agent two', 'agent'], ['box former agent', 'agent'], ['box stranger', 'agent'],
    ].map(([name, kind]) => [name, describedDevice(name!, kind!)])),
    chain: chain.statements.map(base64),
    good: good.map((one) => ({ ...one, ephemeralSecret: base64(box(`box ${one.name}`).secret), nonce: base64(box(`box ${one.name}`).nonce) })),
    bad,
    machines: [
      { account: accountId, device: agent.base64, id: machineId(accountId, agent.publicKey) },
      { account: accountId, device: device('box agent two').base64, id: machineId(accountId, device('box agent two').publicKey) },
      { account: otherAccountId, device: agent.base64, id: machineId(otherAccountId, agent.publicKey) },
    ],
  };
}
