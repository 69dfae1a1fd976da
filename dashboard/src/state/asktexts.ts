// Texts of questions that are too long for the agent's state: they come as messages, before the state names them or long after.
import { bundleId, CryptoError } from "../crypto/index.ts";
import type { WireMessage } from "../api/types.ts";
import { beyondEverything, type FetchMessages, pageSize } from "./pages.ts";
import { type PermissionRequest, withText } from "./sessionfields.ts";

/** How far back a question is looked for that the state only names. */
const seekPagesMax = 8;
/** Texts that are kept without the state naming them. */
const keptMax = 16;

export class AskTexts {
  /** By bundle id. */
  #texts = new Map<string, string>();
  #seeking = false;

  /** A message with a text came. `requests` are those that are open now. */
  keep(bundle: string, text: string, requests: readonly PermissionRequest[]): void {
    this.#texts.set(bundle, text);
    const named = new Set(requests.map((request) => request.elsewhere?.bundle));
    for (const id of this.#texts.keys()) if (this.#texts.size > keptMax && id !== bundle && !named.has(id)) this.#texts.delete(id);
  }

  /** The requests with the texts that are here; the same array where there is nothing to add. */
  fill(requests: readonly PermissionRequest[]): readonly PermissionRequest[] {
    const waits = ({ ask, problem, elsewhere }: PermissionRequest) => ask === null && problem === null && elsewhere !== null && this.#texts.has(elsewhere.bundle);
    if (!requests.some(waits)) return requests;
    return requests.map((request) => (waits(request) ? withText(request, this.#texts.get(request.elsewhere?.bundle ?? "") ?? "") : request));
  }

  /** Looks for texts that the state names and that lie in messages this page does not have. `take` keeps what it finds in one. */
  seek(requests: () => readonly PermissionRequest[], fetch: FetchMessages, take: (message: WireMessage) => Promise<unknown>): void {
    const missing = () => requests().flatMap(({ elsewhere }) => (elsewhere === null || this.#texts.has(elsewhere.bundle) ? [] : [elsewhere.bundle]));
    if (this.#seeking || missing().length === 0) return;
    this.#seeking = true;
    const seek = async (): Promise<void> => {
      let before = beyondEverything;
      for (let pages = 0; pages < seekPagesMax && missing().length > 0; pages += 1) {
        const page = await fetch({ before }, pageSize);
        const wanted = new Set(missing());
        for (const message of page.messages) if (wanted.has(idOf(message.content.c) ?? "")) await take(message);
        before = Math.min(before, ...page.messages.map((message) => message.seq));
        if (!page.hasMore) return;
      }
    };
    // Not reachable now: the next state, or the message itself, asks again.
    void seek().catch(() => undefined).finally(() => (this.#seeking = false));
  }
}

/** Of what the relay sent: anything may stand there. */
function idOf(bundle: string): string | null {
  try {
    return bundleId(bundle);
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}
