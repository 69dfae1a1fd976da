/// The hostile hour: every attack of attacks.ts, one after the other, beside a working session.
/// usage: node hostile/hour.ts [--minutes N] [--only NAME] [--judge]     --judge also fails where the session became slower than it
/// may, three times one after the other: what the relay does to it, it does each time; what the machine does, it does once

import { getPriority, setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { attacks, type Seen } from './attacks.ts';
import { Field, repeated, type Report } from './field.ts';
import { mebibytes } from './process.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, only: { type: 'string', default: '' }, judge: { type: 'boolean', default: false } },
});
const minutes = Number(values.minutes);
const chosen = attacks.filter(({ name }) => name.includes(values.only));
if (!(minutes > 0) || chosen.length === 0) {
  console.error('usage: node hostile/hour.ts [--minutes N] [--only NAME] [--judge]');
  process.exit(2);
}
const seconds = Math.max(3, (minutes * 60) / chosen.length);
/** The session's slowest in a hundred may take so many times what it takes while nobody attacks, or this many milliseconds. */
const slower = { times: 2, ms: 5, attempts: 3 };
function tooSlow({ attack: { othersWaitMs: allowed }, quiet, during }: Report): boolean {
  if (allowed) return during.acknowledged.p50 > allowed.p50 || during.acknowledged.p99 > allowed.p99;
  return during.acknowledged.p99 > Math.max(slower.times * quiet.acknowledged.p99, slower.ms);
}

const ms = (value: number) => value.toFixed(1);
const words = (seen: Seen) => Object.entries(seen.answers).map(([word, n]) => `${n} × ${word}`).join(', ');

const field = await Field.start({ attackersLast: values.judge });
// Looking takes nothing from those who are looked at.
setPriority(Math.min(19, getPriority() + 5));
const faults: string[] = [];
const began = Date.now();
console.log(`${chosen.length} attacks, ${seconds.toFixed(0)} s each or as long as they need\n`);
console.log('| attack | answers | ack p50 quiet / during | ack p99 quiet / during | delivered p99 quiet / during | RSS before, peak, after MiB | connections | newcomers, slowest ms | relay waited for a core, ms/s, quiet / during |');
console.log('|---|---|---|---|---|---|---|---|---|');
function tell({ attack, seen, quiet, during, before, peak, after, newcomers, waited }: Report): void {
  console.log(
    `| ${attack.name} | ${words(seen)} | ${ms(quiet.acknowledged.p50)} / ${ms(during.acknowledged.p50)} | ${ms(quiet.acknowledged.p99)} / ${ms(during.acknowledged.p99)} | ` +
      `${ms(quiet.delivered.p99)} / ${ms(during.delivered.p99)} | ${mebibytes(before.rssBytes)}, ${mebibytes(peak.rssBytes)}, ${mebibytes(after.rssBytes)} | ` +
      `${before.sockets}, ${peak.sockets}, ${after.sockets} | ${newcomers.count}, ${newcomers.slowestMs} | ${ms(waited.quiet)} / ${ms(waited.during)} |`,
  );
}

for (const attack of chosen) {
  const slow: string[] = [];
  let report: Report;
  do {
    const quiet = await field.quiet(Math.min(20, Math.max(5, seconds / 2)));
    report = await field.attack(attack, seconds, quiet);
    tell(report);
    if (!tooSlow(report)) slow.length = 0;
    else slow.push(`${ms(report.quiet.acknowledged.p99)} to ${ms(report.during.acknowledged.p99)} ms`);
  } while (values.judge && slow.length > 0 && slow.length < slower.attempts && report.faults.length === 0 && field.relay.running);
  for (const fault of report.faults) {
    faults.push(`${attack.name}: ${fault}`);
    console.error(faults.at(-1));
  }
  if (values.judge && slow.length > 0) faults.push(`${attack.name}: the session's p99 went from ${slow.join(', then from ')}`);
  if (!field.relay.running) {
    faults.push(`${attack.name}: the relay has ended: ${field.relay.output.slice(-2000)}`);
    break;
  }
}
if (field.relay.running) {
  const { messages, prompts, refusals, faults: more } = await field.end();
  faults.push(...more, ...repeated(refusals, (Date.now() - began) / 60_000));
  console.log(`\n${messages} messages and ${prompts} prompts, each there once and in order${more.length ? ': no' : ''}\n\nWhat the relay wrote of refusals:`);
  for (const line of refusals) console.log(line);
}
await field.close();
console.log(faults.length ? `\nWhat does not hold:\n${faults.join('\n')}` : '\nEverything holds.');
process.exit(faults.length ? 1 : 0);
