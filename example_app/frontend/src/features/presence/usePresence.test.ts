import { act, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';

import type { PresenceOfUser } from '../../realtime/types';
import { openSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import type { Presences } from './presence';
import { usePresence } from './usePresence';

const statuses = (ids: string[], online: string[]) => ids.map((userId) => presence(userId, online.includes(userId)));

function presence(userId: string, isOnline: boolean): PresenceOfUser {
  const status = isOnline ? 'online' : 'offline';
  return { userId, status, state: status, text: null, lastSeenAt: null };
}

const onlineOf = (presences: Presences) => [...presences.values()].filter(({ status }) => status === 'online').map(({ userId }) => userId);

it('knows who is online, and follows who comes and goes', async () => {
  const socket = openSocket();
  socket.answers.set('presence:get', (ids) => statuses(ids as string[], ['1']));
  const { result } = renderRealtimeHook(socket, () => usePresence(['1', '2']));
  await waitFor(() => expect(onlineOf(result.current)).toEqual(['1']));
  act(() => socket.receive('user:status-changed', { userId: '2', status: 'online' }));
  act(() => socket.receive('user:status-changed', { userId: '1', status: 'offline' }));
  act(() => socket.receive('user:status-changed', { userId: '9', status: 'online' }));
  expect(onlineOf(result.current)).toEqual(['2']);
});

it('asks again after a lost connection, and knows nothing meanwhile', async () => {
  const socket = openSocket();
  socket.answers.set('presence:get', (ids) => statuses(ids as string[], ['1', '2']));
  const { result } = renderRealtimeHook(socket, () => usePresence(['1', '2']));
  await waitFor(() => expect(result.current.size).toBe(2));
  act(() => socket.lose());
  expect(result.current.size).toBe(0);
  act(() => socket.open());
  await waitFor(() => expect(result.current.size).toBe(2));
});

it('believes an event rather than an answer that it has overtaken', async () => {
  const socket = openSocket();
  socket.answers.set('presence:get', (ids) => {
    socket.receive('user:status-changed', { userId: '1', status: 'offline' });
    return statuses(ids as string[], ['1', '2']);
  });
  const { result } = renderRealtimeHook(socket, () => usePresence(['1', '2']));
  await waitFor(() => expect(onlineOf(result.current)).toEqual(['2']));
});

it('asks for no more at once than the server answers', async () => {
  const socket = openSocket();
  socket.answers.set('presence:get', (ids) => statuses(ids as string[], ids as string[]));
  const ids = Array.from({ length: 250 }, (_, index) => String(index));
  const { result } = renderRealtimeHook(socket, () => usePresence(ids));
  await waitFor(() => expect(result.current.size).toBe(250));
  expect(socket.sentEvents('presence:get').map(([asked]) => (asked as string[]).length)).toEqual([100, 100, 50]);
});

it('follows what users set', async () => {
  const socket = openSocket();
  socket.answers.set('presence:get', (ids) => statuses(ids as string[], ['1']));
  const { result } = renderRealtimeHook(socket, () => usePresence(['1', '2']));
  await waitFor(() => expect(result.current.size).toBe(2));
  const busy: PresenceOfUser = { userId: '1', status: 'online', state: 'busy', text: 'In a meeting', lastSeenAt: null };
  act(() => socket.receive('presence:changed', busy));
  act(() => socket.receive('presence:changed', { ...busy, userId: '9' }));
  expect(result.current.get('1')).toEqual(busy);
  expect(result.current.has('9')).toBe(false);
});
