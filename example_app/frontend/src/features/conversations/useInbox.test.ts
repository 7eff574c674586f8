import { act, cleanup, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { makeMessage } from '../../testing/messages';
import { renderRealtimeHook } from '../../testing/realtime';
import { setSession } from '../authentication/session';
import { useInbox } from './useInbox';

const PAGE = 50;

/** A server with that many conversations. */
function serve(count: number) {
  vi.stubGlobal('fetch', async (path: string) => {
    if (path.startsWith('/api/users')) return new Response('[]');
    const before = Number(new URL(path, 'http://localhost').searchParams.get('before') ?? count + 1);
    const ids = Array.from({ length: Math.min(PAGE, before - 1) }, (_, index) => String(before - 1 - index));
    return new Response(JSON.stringify(ids.map((id) => ({ id, title: null, participants: [], unreadCount: 0 }))));
  });
}

async function open() {
  const socket = openSocket();
  const hook = renderRealtimeHook(socket, () => useInbox('1', () => undefined));
  await waitFor(() => expect(hook.result.current.isLoaded).toBe(true));
  const listed = () => hook.result.current.conversations.length;
  return { ...hook, socket, listed, joined: () => new Set(socket.sentEvents('join:conversation').map(([id]) => id)).size };
}

beforeEach(() => {
  setSession({ user: { id: '1', username: 'alice' }, accessToken: 'a', refreshToken: 'r', renewAt: Date.now() + 60_000 });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('lists the newest conversations first, and further ones when they are asked for', async () => {
  serve(120);
  const { result, listed, joined } = await open();
  expect([listed(), joined(), result.current.hasMore]).toEqual([50, 50, true]);
  act(result.current.loadMore);
  await waitFor(() => expect([listed(), joined(), result.current.hasMore]).toEqual([100, 100, true]));
  act(result.current.loadMore);
  await waitFor(() => expect([listed(), joined(), result.current.hasMore]).toEqual([120, 120, false]));
});

it('loads one page for all who ask at the same time, and keeps it when it loads again', async () => {
  serve(400);
  const { result, listed } = await open();
  act(() => {
    result.current.loadMore();
    result.current.loadMore();
  });
  await waitFor(() => expect(listed()).toBe(100));
  serve(401);
  act(result.current.refresh);
  await waitFor(() => expect(result.current.conversations[0]?.id).toBe('401'));
  expect(listed()).toBe(100);
});

it('takes the unread count from the server when something was read on any device, and counts what comes then', async () => {
  serve(3);
  const { result, socket } = await open();
  const counts = () => result.current.conversations.map(({ unreadCount }) => unreadCount);
  const message = (id: number, senderId: string) => ({ ...makeMessage(id), conversationId: '2', senderId });
  act(() => socket.receive('unread:changed', { conversationId: '2', unreadCount: 7, mentionCount: 0 }));
  expect(counts()).toEqual([0, 7, 0]);
  act(() => {
    socket.receive('message:new', message(1, '2'));
    socket.receive('message:new', message(2, '1'));
  });
  expect(counts()).toEqual([0, 8, 0]);
});

it('joins no more conversations than the server lets a connection join', async () => {
  serve(400);
  const { result, listed, joined } = await open();
  for (const expected of [100, 150, 200, 250]) {
    act(result.current.loadMore);
    await waitFor(() => expect(listed()).toBe(expected));
  }
  expect(joined()).toBe(150);
});
