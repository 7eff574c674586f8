import { call } from '../../api/http';
import type { Message } from '../messages/messageList';

export interface SearchHit {
  message: Message;
  snippet: string;
}

export interface SearchPage {
  hits: SearchHit[];
  /** What to ask for to get the page of older messages; null at the end. */
  nextBefore: string | null;
}

/** What the server takes at most. */
export const MAX_QUERY_LENGTH = 200;

const PAGE = 20;

/**
 * Search in the messages that the user may read.
 *
 * @param query - The words.
 * @param conversationId - Where; null for everywhere.
 * @param before - The `nextBefore` of the page before; null for the newest.
 */
export function searchMessages(query: string, conversationId: string | null, before: string | null): Promise<SearchPage> {
  const fields = new URLSearchParams({ q: query, limit: String(PAGE) });
  if (conversationId !== null) fields.set('conversationId', conversationId);
  if (before !== null) fields.set('before', before);
  return call<SearchPage>('GET', `/api/search?${fields}`);
}
