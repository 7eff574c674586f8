import { call } from '../../api/http';
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

export const sendNotification = (userId: string, title: string, message: string) =>
  call('POST', '/api/notifications', { userId, type: 'note', title, message });
