/// The cast of the vectors: fixed keys and ids.

import { accountOf } from '../../support/independent/account.ts';
import { base64, hex, run, sha256, utf8 } from '../../support/independent/bytes.ts';
import { SigningKey } from '../../support/independent/ed25519.ts';
import { openDeviceName, sealDeviceName, parseStatement, statementHash } from '../../support/independent/statement.ts';

/** 32 bytes that belong to a name. */
export const bytesOf = (name: string) => sha256(utf8(`vector ${name}`));

export const secret = run(0x00);
export const account = accountOf(secret);
export const accountId = '01a00000-0000-7000-8000-0000000000a1';
export const otherSecret = run(0x20);
export const otherAccount = accountOf(otherSecret);
export const otherAccountId = '01a00000-0000-7000-8000-0000000000b2';
export const sessionId = '01a00000-0000-7000-8000-0000000005e1';
export const otherSessionId = '01a00000-0000-7000-8000-0000000005e2';

/** Of a device, from its name. */
export const device = (name: string) => new SigningKey(bytesOf(`device ${name}`));

export const box = (name: string) => ({ secret: bytesOf(`${name} ephemeral`), nonce: bytesOf(`${name} nonce`).subarray(0, 24) });

export const sealedName = (name: string, contentKey = account.content.publicKey) => sealDeviceName(name, contentKey, box(`name ${name}`));

export const describedAccount = (seed: Uint8Array, id: string) => {
  const { key, content } = accountOf(seed);
  return { seed: base64(seed), publicKey: key.base64, id, contentPublicKey: base64(content.publicKey), contentSecretKey: base64(content.secretKey) };
};

export const describedDevice = (name: string, kind: string) => ({ seed: base64(device(name).seed), publicKey: device(name).base64, kind });

export function described(statement: Uint8Array) {
  const s = parseStatement(statement);
  return {
    bytes: base64(statement),
    hash: hex(statementHash(statement)),
    n: Number(s.n),
    previous: hex(s.previous),
    action: s.action === 1 ? 'add' : 'revoke',
    device: base64(s.device),
    kind: s.kind === 1 ? 'agent' : 'browser',
    time: Number(s.time),
    sealedName: base64(s.sealedName),
    ...(s.action === 1 ? { name: openDeviceName(s.sealedName, account.content.secretKey) } : {}),
  };
}
