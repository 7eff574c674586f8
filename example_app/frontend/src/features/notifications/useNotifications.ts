import { useCallback, useEffect, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { request, type RealtimeSocket } from '../../realtime/socket';
import { useSocketEvent } from '../../realtime/useSocketEvent';

export interface NotificationItem {
  id: string;
  type: string;
  title: string;
  message: string;
  link: string | null;
  data: unknown;
  isRead: boolean;
  createdAt: string;
}

export interface NotificationPage {
  /** Newest first. */
  notifications: NotificationItem[];
  unreadCount: number;
  nextBefore: string | null;
}

/** Where notifications are stored. The same object from render to render. */
export interface NotificationStore {
  load(before: string | null): Promise<NotificationPage>;
}

const NOTHING: NotificationPage = { notifications: [], unreadCount: 0, nextBefore: null };

/**
 * Hold the user's notifications, in step with the user's other devices.
 *
 * @param store - Where notifications are stored.
 * @param onNew - Called for each that arrives while the page is open, for a toast or a browser notification.
 */
export function useNotifications(store: NotificationStore, onNew?: (notification: NotificationItem) => void) {
  const { socket } = useRealtime();
  const [page, setPage] = useState(NOTHING);
  const [isLoaded, setIsLoaded] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const refresher = useRef<Refresher | null>(null);
  const confirm = useConfirmation(socket);

  useEffect(() => {
    const current = makeRefresher(
      () => store.load(null),
      (loaded) => {
        setPage(loaded);
        setIsLoaded(true);
        confirm(loaded.notifications);
        setError(null);
      },
      setError,
    );
    refresher.current = current;
    current.refresh();
    return () => current.stop();
  }, [store, confirm]);

  const refresh = useCallback(() => refresher.current?.refresh(), []);
  useSocketEvent('connect', refresh);

  useSocketEvent('notification:new', (notification) => {
    refresher.current?.touch();
    setPage((before) => withNew(before, notification));
    confirm([notification]);
    onNew?.(notification);
  });
  useSocketEvent('notification:read', (notificationId) => {
    const id = String(notificationId);
    refresher.current?.touch();
    setPage((before) => withRead(before, id));
    // Of one that is not shown only the server knows whether it counted as unread.
    if (!page.notifications.some((one) => one.id === id)) refresh();
  });
  useSocketEvent('notifications:read-all', () => {
    refresher.current?.touch();
    setPage(withAllRead);
  });

  // The server tells all of the user's devices, this one too, so the state changes when it has been stored.
  const markRead = useCallback(
    async (notificationId: string) => {
      if (socket) await request(socket, 'notification:read', notificationId);
    },
    [socket],
  );

  const markAllRead = useCallback(async () => {
    if (socket) await request(socket, 'notifications:read-all');
  }, [socket]);

  const { nextBefore } = page;
  const loadEarlier = useCallback(async () => {
    if (nextBefore === null) return;
    const earlier = await store.load(nextBefore);
    setPage((before) => withEarlier(before, earlier));
  }, [nextBefore, store]);

  return {
    notifications: page.notifications,
    unreadCount: page.unreadCount,
    hasEarlier: nextBefore !== null,
    isLoaded,
    error,
    markRead,
    markAllRead,
    loadEarlier,
  };
}

/** Tell the server which notifications have reached this device, each once: a critical one then needs no other way to the user. */
function useConfirmation(socket: RealtimeSocket | null) {
  const latest = useRef(socket);
  useEffect(() => {
    latest.current = socket;
  }, [socket]);
  const confirmed = useRef(new Set<string>());
  return useCallback((notifications: NotificationItem[]) => {
    for (const { id, isRead } of notifications) {
      // Without a connection they are confirmed when they are loaded again, which each new connection does.
      if (!latest.current?.connected || isRead || confirmed.current.has(id)) continue;
      confirmed.current.add(id);
      latest.current.emit('notification:delivered', id);
    }
  }, []);
}

function withNew(page: NotificationPage, notification: NotificationItem): NotificationPage {
  if (page.notifications.some(({ id }) => id === notification.id)) return page;
  const unreadCount = page.unreadCount + (notification.isRead ? 0 : 1);
  return { ...page, notifications: [notification, ...page.notifications], unreadCount };
}

function withRead(page: NotificationPage, notificationId: string): NotificationPage {
  const found = page.notifications.find(({ id }) => id === notificationId);
  if (!found || found.isRead) return page;
  return {
    ...page,
    notifications: page.notifications.map((one) => (one === found ? { ...one, isRead: true } : one)),
    unreadCount: Math.max(0, page.unreadCount - 1),
  };
}

function withAllRead(page: NotificationPage): NotificationPage {
  return { ...page, notifications: page.notifications.map((one) => ({ ...one, isRead: true })), unreadCount: 0 };
}

function withEarlier(page: NotificationPage, earlier: NotificationPage): NotificationPage {
  const known = new Set(page.notifications.map(({ id }) => id));
  const added = earlier.notifications.filter(({ id }) => !known.has(id));
  return { ...earlier, notifications: [...page.notifications, ...added] };
}
