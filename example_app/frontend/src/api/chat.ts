import type { Message, MessagePage, MessageStore } from '../realtime/useConversation';
import type { NotificationItem, NotificationStore } from '../realtime/useNotifications';
import type { TokenSource } from '../realtime/useRealtime';
import { currentSession, setSession, type Session, type User } from '../session/session';
import { call, callOpenly, renewAccessToken, renewalTime } from './http';

export interface Person extends User {
  status: 'online' | 'offline';
}

export interface Conversation {
  id: string;
  title: string | null;
  participants: User[];
  unreadCount: number;
}

const NOTIFICATION_PAGE = 30;
const CONVERSATION_PAGE = 50;
const PEOPLE_PAGE = 100;
const MOST_PEOPLE_PAGES = 10;
const MOST_READ_IDS = 500;

export const tokens: TokenSource = {
  current: () => currentSession()?.accessToken ?? null,
  renew: renewAccessToken,
};

export async function logIn(username: string, password: string): Promise<void> {
  const session = await callOpenly<Omit<Session, 'renewAt'>>('/api/auth/login', { username, password });
  setSession({ ...session, renewAt: renewalTime(session.accessToken) });
}

export async function logOut(): Promise<void> {
  try {
    await call('POST', '/api/auth/logout');
  } catch {
    // Without the server the tokens cannot be revoked; forgetting them is what is left.
  } finally {
    setSession(null);
  }
}

/** Fetch pages until the last one, or until there are so many. */
async function fetchPages<Row extends { id: string }>(path: string, size: number, cursor: 'before' | 'after', most: number) {
  const rows: Row[] = [];
  for (let pages = 0; pages < most; pages += 1) {
    const last = rows.at(-1)?.id;
    const page = await call<Row[]>('GET', `${path}?limit=${size}${last === undefined ? '' : `&${cursor}=${last}`}`);
    rows.push(...page);
    if (page.length < size) return { rows, hasMore: false };
  }
  return { rows, hasMore: true };
}

/** List the users who came first; an application with more of them than a page can show has a search instead. */
export const listPeople = async () => (await fetchPages<Person>('/api/users', PEOPLE_PAGE, 'after', MOST_PEOPLE_PAGES)).rows;

/** List the newest conversations, so many pages of them. */
export async function listConversations(pages: number): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
  const { rows, hasMore } = await fetchPages<Conversation>('/api/conversations', CONVERSATION_PAGE, 'before', pages);
  return { conversations: rows, hasMore };
}

export const createConversation = (title: string, participantIds: string[]) =>
  call<Conversation>('POST', '/api/conversations', { title: title.trim() || null, participantIds });

const messagesOf = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}/messages`;

export const messageStore: MessageStore = {
  load: (conversationId, before) =>
    call<MessagePage>('GET', messagesOf(conversationId) + (before === null ? '' : `?before=${before}`)),
  send: (conversationId, content) => call<Message>('POST', messagesOf(conversationId), { content }),
  markRead: async (conversationId, messageIds) => {
    const path = `/api/conversations/${encodeURIComponent(conversationId)}/read`;
    for (let start = 0; start < messageIds.length; start += MOST_READ_IDS) {
      await call('POST', path, { messageIds: messageIds.slice(start, start + MOST_READ_IDS) });
    }
  },
  remove: (conversationId, messageId) => call('DELETE', `${messagesOf(conversationId)}/${messageId}`),
};

export const notificationStore: NotificationStore = {
  load: async (before) => {
    const query = `?limit=${NOTIFICATION_PAGE}${before === null ? '' : `&before=${before}`}`;
    const answer = await call<{ notifications: NotificationItem[]; unreadCount: number }>(
      'GET',
      `/api/notifications${query}`,
    );
    const isFull = answer.notifications.length === NOTIFICATION_PAGE;
    return { ...answer, nextBefore: isFull ? (answer.notifications.at(-1)?.id ?? null) : null };
  },
};

export const sendNotification = (userId: string, title: string, message: string) =>
  call('POST', '/api/notifications', { userId, type: 'note', title, message });

export const sendOrder = (userId: string, status: string) => call('POST', '/api/orders', { userId, status });

export const announce = (message: string) => call('POST', '/api/announcements', { message });
