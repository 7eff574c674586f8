import { act, cleanup, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { makeConversation, MEMBER, OWNER } from '../../testing/conversations';
import { openSocket } from '../../testing/fakeSocket';
import { makeMessage } from '../../testing/messages';
import { renderRealtimeHook } from '../../testing/realtime';
import { setSession } from '../authentication/session';
import { useInbox } from './useInbox';

const PAGE = 50;

/** A server with that many conversations. Returns the calls that ask for them. */
function serve(count: number): string[] {
  const calls: string[] = [];
  vi.stubGlobal('fetch', async (path: string) => {
    if (path.startsWith('/api/users')) return new Response('[]');
    calls.push(path);
    const before = Number(new URL(path, 'http://localhost').searchParams.get('before') ?? count + 1);
    const ids = Array.from({ length: Math.min(PAGE, before - 1) }, (_, index) => String(before - 1 - index));
    return new Response(JSON.stringify(ids.map((id) => makeConversation({ id, participants: [] }))));
  });
  return calls;
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

it('asks once more only after it has joined a conversation, since what was counted before may have grown', async () => {
  const first = serve(3);
  const { result, socket, joined } = await open();
  expect([first.length, joined()]).toEqual([2, 3]);
  const refreshed = serve(3);
  act(result.current.refresh);
  await waitFor(() => expect(refreshed).toHaveLength(1));
  const more = serve(4);
  act(result.current.refresh);
  await waitFor(() => expect([more.length, joined(), result.current.conversations.length]).toEqual([2, 4, 4]));
  const again = serve(4);
  act(() => {
    socket.lose();
    socket.open();
  });
  await waitFor(() => expect(again).toHaveLength(1));
  expect(socket.sentEvents('join:conversation')).toHaveLength(8);
});

it('lists what is left when a conversation that it knows is refused by now', async () => {
  serve(3);
  const { result, socket, listed } = await open();
  socket.answers.set('join:conversation', (id) => (id === '3' ? { error: { code: 'forbidden', message: 'No' } } : { ok: true }));
  serve(2);
  act(() => {
    socket.lose();
    socket.open();
  });
  await waitFor(() => expect(listed()).toBe(2));
  expect(result.current.conversations.map(({ id }) => id)).toEqual(['2', '1']);
});

it('takes the unread count from the server when something was read on any device, and counts what comes then', async () => {
  serve(3);
  const { result, socket } = await open();
  const counts = () => Object.fromEntries(result.current.conversations.map(({ id, unreadCount }) => [id, unreadCount]));
  const message = (id: number, senderId: string) => ({ ...makeMessage(id), conversationId: '2', senderId });
  act(() => socket.receive('unread:changed', { conversationId: '2', unreadCount: 7, mentionCount: 0 }));
  expect(counts()).toEqual({ 1: 0, 2: 7, 3: 0 });
  act(() => {
    socket.receive('message:new', message(1, '2'));
    socket.receive('message:new', message(2, '1'));
  });
  expect(counts()).toEqual({ 1: 0, 2: 8, 3: 0 });
});

it('puts first where something was written last, and keeps it there while that changes', async () => {
  serve(3);
  const { result, socket } = await open();
  const firsts = () => result.current.conversations.map(({ id, lastMessage }) => [id, lastMessage?.id]);
  act(() => socket.receive('message:new', { ...makeMessage(1), conversationId: '1' }));
  act(() => socket.receive('message:new', { ...makeMessage(2, { senderId: '1' }), conversationId: '2' }));
  expect(firsts()).toEqual([['2', '2'], ['1', '1'], ['3', undefined]]);
  const last = () => result.current.conversations[0]?.lastMessage;
  act(() => socket.receive('message:updated', { ...makeMessage(2, { content: 'edited' }), conversationId: '2' }));
  expect(last()?.content).toBe('edited');
  act(() => socket.receive('message:deleted', { conversationId: 2, messageId: 2 }));
  expect(last()).toMatchObject({ id: '2', content: '', deletedAt: expect.any(String) });
});

it('tells when a mute is over', async () => {
  const until = new Date(Date.now() + 300).toISOString();
  const shown = makeConversation({ id: '2', muted: until });
  vi.stubGlobal('fetch', async (path: string) => new Response(JSON.stringify(path.startsWith('/api/users') ? [] : [shown])));
  const { result } = await open();
  expect(result.current.conversations[0]?.muted).toBe(until);
  await waitFor(() => expect(result.current.conversations[0]?.muted).toBe(false));
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

it('follows what happens to a conversation, and forgets one that the user is removed from', async () => {
  const removed: string[] = [];
  const shown = makeConversation({ id: '2', muted: true, unreadCount: 4, participants: [OWNER, MEMBER] });
  vi.stubGlobal('fetch', async (path: string) => new Response(JSON.stringify(path.startsWith('/api/users') ? [] : [shown])));
  const socket = openSocket();
  const heard: boolean[] = [];
  const { result } = renderRealtimeHook(socket, () =>
    useInbox('1', (_message, isMuted) => heard.push(isMuted), ({ id }) => removed.push(id)),
  );
  await waitFor(() => expect(result.current.isLoaded).toBe(true));
  act(() => socket.receive('message:new', makeMessage(9, { conversationId: '2' })));
  expect(heard).toEqual([true]);
  const { unreadCount: _unread, mentionCount: _mentions, muted: _muted, ...shared } = shown;
  act(() => socket.receive('conversation:updated', { ...shared, title: 'New', pinned: ['9'] }));
  act(() => socket.receive('member:updated', { conversationId: '2', userId: '2', role: 'moderator', by: '1' }));
  expect(result.current.conversations[0]).toMatchObject({ title: 'New', pinned: ['9'], muted: true, unreadCount: 5 });
  expect(result.current.conversations[0]?.participants[1]?.role).toBe('moderator');
  act(() => socket.receive('member:left', { conversationId: '2', userId: '2', by: '2', reason: 'left' }));
  expect(result.current.conversations[0]?.participants).toEqual([OWNER]);
  act(() => socket.receive('conversation:removed', { conversationId: '2' }));
  expect(result.current.conversations).toEqual([]);
  expect(removed).toEqual(['2']);
  expect(socket.sentEvents('leave:conversation')).toEqual([['2']]);
});
