import { act, waitFor } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import { useNotifications, type NotificationItem, type NotificationStore } from './useNotifications';

const item = (id: string, isRead = false): NotificationItem => ({
  id,
  type: 'note',
  title: `title ${id}`,
  message: 'text',
  link: null,
  data: null,
  isRead,
  createdAt: '2026-01-01T00:00:00.000Z',
});

function storeOf(...stored: NotificationItem[]): NotificationStore & { stored: NotificationItem[] } {
  return {
    stored,
    async load(before) {
      const older = this.stored.filter(({ id }) => before === null || Number(id) < Number(before));
      const notifications = older.slice(0, 2);
      const unreadCount = this.stored.filter(({ isRead }) => !isRead).length;
      return { notifications, unreadCount, nextBefore: older.length > 2 ? (notifications[1]?.id ?? null) : null };
    },
  };
}

async function open(store: NotificationStore, onNew?: (notification: NotificationItem) => void) {
  const socket = openSocket();
  const hook = renderRealtimeHook(socket, () => useNotifications(store, onNew));
  await waitFor(() => expect(hook.result.current.isLoaded).toBe(true));
  return { ...hook, socket };
}

const idsOf = (notifications: NotificationItem[]) => notifications.map(({ id }) => id);

it('loads the newest, and earlier ones on demand', async () => {
  const { result } = await open(storeOf(item('3'), item('2', true), item('1')));
  expect([idsOf(result.current.notifications), result.current.unreadCount]).toEqual([['3', '2'], 2]);
  await act(() => result.current.loadEarlier());
  expect([idsOf(result.current.notifications), result.current.hasEarlier]).toEqual([['3', '2', '1'], false]);
});

it('loads once for a connection that there is, and again for each that follows', async () => {
  const store = storeOf(item('1'));
  const load = vi.spyOn(store, 'load');
  const { result, socket } = await open(store);
  await act(async () => undefined);
  expect(load).toHaveBeenCalledTimes(1);
  store.stored.unshift(item('2'));
  act(() => socket.receive('connect'));
  await waitFor(() => expect(idsOf(result.current.notifications)).toEqual(['2', '1']));
  expect(load).toHaveBeenCalledTimes(2);
});

it('counts a new one once, and says so', async () => {
  const onNew = vi.fn();
  const { result, socket } = await open(storeOf(), onNew);
  act(() => socket.receive('notification:new', item('1')));
  expect([idsOf(result.current.notifications), result.current.unreadCount]).toEqual([['1'], 1]);
  expect(onNew).toHaveBeenCalledExactlyOnceWith(item('1'));
});

it('is in step with what is read on other devices', async () => {
  const { result, socket } = await open(storeOf(item('2'), item('1')));
  act(() => socket.receive('notification:read', 2));
  act(() => socket.receive('notification:read', '2'));
  expect(result.current.unreadCount).toBe(1);
  act(() => socket.receive('notifications:read-all'));
  expect(result.current.notifications.every(({ isRead }) => isRead)).toBe(true);
  expect(result.current.unreadCount).toBe(0);
});

it('confirms each unread one that has come, once', async () => {
  const { result, socket } = await open(storeOf(item('3'), item('2', true), item('1')));
  expect(socket.sentEvents('notification:delivered')).toEqual([['3']]);
  act(() => socket.receive('notification:new', item('4')));
  act(() => socket.receive('notification:new', item('4')));
  await act(() => result.current.loadEarlier());
  expect(socket.sentEvents('notification:delivered')).toEqual([['3'], ['4']]);
});

it('confirms what came without a connection when there is one', async () => {
  const store = storeOf();
  const { socket } = await open(store);
  act(() => socket.lose());
  act(() => socket.receive('notification:new', item('1')));
  expect(socket.sentEvents('notification:delivered')).toEqual([]);
  store.stored = [item('1')];
  act(() => socket.open());
  await waitFor(() => expect(socket.sentEvents('notification:delivered')).toEqual([['1']]));
});

it('asks the server to mark, and waits until it has', async () => {
  const { result, socket } = await open(storeOf(item('1')));
  await act(() => result.current.markRead('1'));
  expect(socket.sentEvents('notification:read')).toEqual([['1']]);
  expect(result.current.unreadCount).toBe(1);
  act(() => socket.receive('notification:read', '1'));
  expect(result.current.unreadCount).toBe(0);
});

it('throws what the server answers instead', async () => {
  const { result, socket } = await open(storeOf(item('1')));
  socket.answers.set('notifications:read-all', () => ({ error: { code: 'internal_error', message: 'Sorry' } }));
  await expect(result.current.markAllRead()).rejects.toThrow('Sorry');
});

it('catches up after a lost connection', async () => {
  const store = storeOf(item('1'));
  const { result, socket } = await open(store);
  act(() => socket.lose());
  store.stored = [item('2'), item('1', true)];
  act(() => socket.open());
  await waitFor(() => expect(idsOf(result.current.notifications)).toEqual(['2', '1']));
  expect(result.current.unreadCount).toBe(1);
});
