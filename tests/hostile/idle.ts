/// Memory of an idle connection: user-scoped sockets that have signed in and say nothing, and what each adds to the relay's RSS.
/// usage: node hostile/idle.ts [SOCKETS]

import { setTimeout as pause } from 'node:timers/promises';
import { Login } from '../support/client.ts';
import { RawSocket } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { costOf, mebibytes } from './process.ts';

const count = Number(process.argv[2] ?? 1000);
const addresses = 50;

await using relay = await Relay.start({ env: { CONSORTIUM_RATE_LIMITS: 'off' } });
const login = await Login.in(relay.url);
const before = costOf(relay.pid);
for (let n = 0; n < count; n += addresses) {
  const batch = Array.from({ length: Math.min(addresses, count - n) }, (_, at) => `127.0.0.${2 + at}`);
  await Promise.all(batch.map((from) => RawSocket.signedIn(relay.port, { token: login.token, clientType: 'user-scoped' }, { from })));
}
await pause(1000);
const during = costOf(relay.pid);
if (during.sockets < before.sockets + count) throw new Error(`${during.sockets - before.sockets} of ${count} sockets stand`);
const each = (during.rssBytes - before.rssBytes) / count / 1024;
console.log(`${count} idle sockets: RSS from ${mebibytes(before.rssBytes)} to ${mebibytes(during.rssBytes)} MiB, ${each.toFixed(1)} KiB each`);
await relay.close();
process.exit(0);
