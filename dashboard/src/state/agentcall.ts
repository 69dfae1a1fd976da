// Calls to the agent that runs a session: sealed, bound to its process, and answered by it or not at all.
import type { RelaySocket } from "../api/socket.ts";
import { bundleId, CryptoError, fromUtf8, openBundle, sealBundle, utf8 } from "../crypto/index.ts";
import type { SessionModel } from "./session.ts";
import { record, string } from "./transcript.ts";

/** Its message is for the person: what happened, and whether anything was done. */
export class RpcError extends Error {}

export interface AgentLine {
  /** Null while there is no connection. */
  readonly socket: RelaySocket | null;
  readonly session: SessionModel | undefined;
  readonly accountId: string;
  now(): number;
}

/** Calls a method of the agent. Throws RpcError. */
export async function callAgent({ socket, session, accountId, now }: AgentLine, name: string, d: unknown): Promise<unknown> {
  const key = session?.key;
  const instance = session?.agent.instance;
  if (session === undefined || key == null) throw new RpcError("This session cannot be opened here.");
  if (instance == null) throw new RpcError("The agent has not said yet that it is there. Nothing was done.");
  if (socket === null) throw new RpcError("Not connected to the relay. Nothing was done.");
  const place = { accountId: accountId, scope: session.id };
  const params = await sealBundle(utf8(JSON.stringify({ at: now(), to: instance, d })), key, { ...place, kind: `rpc-request:${name}` });
  const host = session.summary.get().host || "the machine";
  let answer;
  try {
    answer = await socket.call(`${session.id}:${name}`, params);
  } catch {
    throw new RpcError("The connection was lost on the way. Whether it was done is not known yet.");
  }
  if (!answer.ok) {
    if (/not available/.test(answer.error)) throw new RpcError(`${host} is not connected to the relay. Nothing was done.`);
    if (/timed out/.test(answer.error)) throw new RpcError(`Could not reach ${host} in 30 s. Whether it was done is not known.`);
    if (/disconnected/.test(answer.error)) throw new RpcError(`${host} lost its connection on the way. Whether it was done is not known.`);
    throw new RpcError(answer.error);
  }
  let result: unknown;
  try {
    const opened = await openBundle(answer.result, key, { ...place, kind: `rpc-response:${name}` });
    if (opened.id !== bundleId(params)) throw new CryptoError("not-authentic", "An answer to something else.");
    result = opened.plaintext.length === 0 ? undefined : JSON.parse(fromUtf8(opened.plaintext));
  } catch {
    throw new RpcError("The answer could not be verified. Whether it was done is not known.");
  }
  const error = string(record(result)["error"]);
  if (error !== null) throw new RpcError(error);
  return result;
}
