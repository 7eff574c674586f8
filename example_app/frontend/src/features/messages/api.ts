import { call } from '../../api/http';
import { RealtimeError } from '../../realtime/socket';
import type { Message, MessagePage } from './messageList';
import type { MessageStore, Place } from './useMessages';

const MOST_READ_IDS = 500;
// The first page is to be there quickly; who reads on reads more.
const EARLIER_PAGE = 100;

const messagesOf = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}/messages`;

const pathOf = (conversationId: string, messageId: string) => `${messagesOf(conversationId)}/${encodeURIComponent(messageId)}`;

function loadPage(conversationId: string, place: Place, limit?: number): Promise<MessagePage> {
  const { thread, ...beside } = place;
  const query = new URLSearchParams({ ...beside });
  if (thread) query.set('thread', thread);
  if (limit !== undefined) query.set('limit', String(limit));
  return call<MessagePage>('GET', `${messagesOf(conversationId)}?${query}`);
}

export const messageStore: MessageStore = {
  load: (conversationId, place) => loadPage(conversationId, place, place.before === undefined ? undefined : EARLIER_PAGE),
  find: (conversationId, messageId) =>
    call<Message>('GET', pathOf(conversationId, messageId)).catch((failure: unknown) => {
      if (failure instanceof RealtimeError && failure.code === 'not_found') return null;
      throw failure;
    }),
  markRead: async (conversationId, messageIds) => {
    const path = `/api/conversations/${encodeURIComponent(conversationId)}/read`;
    for (let start = 0; start < messageIds.length; start += MOST_READ_IDS) {
      await call('POST', path, { messageIds: messageIds.slice(start, start + MOST_READ_IDS) });
    }
  },
  remove: (conversationId, messageId) => call('DELETE', pathOf(conversationId, messageId)),
  edit: (conversationId, messageId, content) => call('PATCH', pathOf(conversationId, messageId), { content }),
};
