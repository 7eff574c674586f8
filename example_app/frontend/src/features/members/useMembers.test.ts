import { act, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import type { Member } from './api';
import { useMembers } from './useMembers';

const PAGE = 2;

function open(count: number) {
  const server = { members: Array.from({ length: count }, (_, index) => makeMember(index + 1)), loads: 0 };
  const load = async (_conversationId: string, after: string | null) => {
    server.loads += 1;
    const later = server.members.filter(({ id }) => after === null || Number(id) > Number(after));
    const members = later.slice(0, PAGE);
    return { members, nextAfter: later.length > PAGE ? (members.at(-1)?.id ?? null) : null };
  };
  const socket = openSocket();
  const { result } = renderRealtimeHook(socket, () => useMembers('1', '9', load));
  return { server, socket, result, ids: () => result.current.members.map(({ id }) => id) };
}

const makeMember = (id: number): Member => ({ id: String(id), username: `user ${id}`, role: 'member', joinedAt: '2026-01-01T00:00:00Z' });

it('shows the members who came first, and more of them when they are asked for', async () => {
  const { result, ids } = open(5);
  await waitFor(() => expect([ids(), result.current.hasMore]).toEqual([['1', '2'], true]));
  act(result.current.loadMore);
  act(result.current.loadMore);
  await waitFor(() => expect([ids(), result.current.hasMore]).toEqual([['1', '2', '3', '4', '5'], false]));
});

it('follows who comes, goes, and gets another role in this conversation', async () => {
  const { server, socket, ids } = open(1);
  await waitFor(() => expect(ids()).toEqual(['1']));
  server.members.push(makeMember(2));
  act(() => socket.receive('member:joined', { conversationId: '9', userId: '2', role: 'member', by: '1' }));
  expect(ids()).toEqual(['1']);
  act(() => socket.receive('member:joined', { conversationId: '1', userId: '2', role: 'member', by: '1' }));
  await waitFor(() => expect(ids()).toEqual(['1', '2']));
  server.members.shift();
  act(() => socket.receive('member:left', { conversationId: '1', userId: '1', by: '1', reason: 'left' }));
  await waitFor(() => expect(ids()).toEqual(['2']));
});

it('loads once for a connection that there is, and again for each that follows', async () => {
  const { server, socket, ids } = open(1);
  await waitFor(() => expect(ids()).toEqual(['1']));
  await act(async () => undefined);
  expect(server.loads).toBe(1);
  server.members.push(makeMember(2));
  act(() => socket.receive('connect'));
  await waitFor(() => expect([ids(), server.loads]).toEqual([['1', '2'], 2]));
});

it('asks for nothing once one is out oneself, as that is refused', async () => {
  const { server, socket, ids } = open(1);
  await waitFor(() => expect([ids(), server.loads]).toEqual([['1'], 1]));
  act(() => socket.receive('member:left', { conversationId: '1', userId: '9', by: '9', reason: 'left' }));
  await act(async () => undefined);
  expect(server.loads).toBe(1);
});
