import { call } from '../../api/http';
import { RealtimeError } from '../../realtime/socket';
import type { PushStore } from './push';
import type { NotificationItem, NotificationStore } from './useNotifications';

const PAGE = 30;

export const notificationStore: NotificationStore = {
  load: async (before) => {
    const query = `?limit=${PAGE}${before === null ? '' : `&before=${before}`}`;
    const answer = await call<{ notifications: NotificationItem[]; unreadCount: number }>(
      'GET',
      `/api/notifications${query}`,
    );
    const isFull = answer.notifications.length === PAGE;
    return { ...answer, nextBefore: isFull ? (answer.notifications.at(-1)?.id ?? null) : null };
  },
};

export const pushStore: PushStore = {
  publicKey: async () => {
    try {
      return (await call<{ publicKey: string }>('GET', '/api/push/key')).publicKey;
    } catch (error) {
      if (error instanceof RealtimeError && error.code === 'not_found') return null;
      throw error;
    }
  },
  add: ({ endpoint, keys }) => call('POST', '/api/push/subscriptions', { endpoint, keys }),
  remove: (endpoint) => call('DELETE', '/api/push/subscriptions', { endpoint }),
};

export const sendNotification = (userId: string, title: string, message: string, critical: boolean) =>
  call('POST', '/api/notifications', { userId, type: 'note', title, message, critical });
