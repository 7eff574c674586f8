import { call } from '../../api/http';
import type { MessagePage } from './messageList';
import type { MessageStore } from './useMessages';

const MOST_READ_IDS = 500;

const messagesOf = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}/messages`;

export const messageStore: MessageStore = {
  load: (conversationId, before) =>
    call<MessagePage>('GET', messagesOf(conversationId) + (before === null ? '' : `?before=${before}`)),
  markRead: async (conversationId, messageIds) => {
    const path = `/api/conversations/${encodeURIComponent(conversationId)}/read`;
    for (let start = 0; start < messageIds.length; start += MOST_READ_IDS) {
      await call('POST', path, { messageIds: messageIds.slice(start, start + MOST_READ_IDS) });
    }
  },
  remove: (conversationId, messageId) => call('DELETE', `${messagesOf(conversationId)}/${messageId}`),
};
