// A session's messages are fetched in pages.
import type { WireMessage } from "../api/types.ts";

export interface MessagePage {
  readonly messages: readonly WireMessage[];
  readonly hasMore: boolean;
}

export type FetchMessages = (page: { after: number } | { before: number }, limit: number) => Promise<MessagePage>;

export const pageSize = 150;
/** No message has a number as high as this: what is before it is the newest. */
export const beyondEverything = 2_147_483_647;
