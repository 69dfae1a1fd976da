/// What every refusal has to look like.

import assert from 'node:assert/strict';
import type { Answer } from './client.ts';

/** An HTTP error: the status, a text for people, a stable word, and whether to try again. */
export function refused(answer: Answer, status: number | number[], code?: string, error?: string): void {
  const statuses = [status].flat();
  const seen = `${answer.status} ${JSON.stringify(answer.body)}`;
  assert.ok(statuses.includes(answer.status), `expected ${statuses.join(' or ')}, got ${seen}`);
  assert.equal(typeof answer.body.error, 'string', `no text: ${seen}`);
  assert.match(String(answer.body.code), /^[a-z][a-z0-9-]*$/, `no code: ${seen}`);
  assert.ok(answer.body.retry === false || Number.isInteger(answer.body.retry), `no retry: ${seen}`);
  if (code !== undefined) assert.equal(answer.body.code, code, seen);
  if (error !== undefined) assert.equal(answer.body.error, error, seen);
}

/** The same for an acknowledgement. */
export function refusedAck(ack: any, code?: string): void {
  const seen = JSON.stringify(ack);
  assert.equal(ack?.result, 'error', seen);
  assert.equal(typeof ack.message, 'string', seen);
  assert.match(String(ack.code), /^[a-z][a-z0-9-]*$/, seen);
  assert.ok(ack.retry === false || Number.isInteger(ack.retry), seen);
  if (code !== undefined) assert.equal(ack.code, code, seen);
}
