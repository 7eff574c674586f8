import { act, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { openSocket, type FakeSocket } from '../../testing/fakeSocket';
import { ALICE, BOB, FakeStore, makeMessage } from '../../testing/messages';
import { renderOutboxHook } from '../../testing/realtime';
import { useMessages } from './useMessages';

async function open(store: FakeStore, socket: FakeSocket = openSocket(), unreadCount = 0, threadId: string | null = null) {
  store.serve(socket);
  const hook = renderOutboxHook(socket, () => useMessages('1', ALICE.id, store, { unreadCount, threadId }));
  await waitFor(() => expect(hook.result.current.isLoaded).toBe(true));
  const ids = () => hook.result.current.messages.map(({ id }) => id);
  return { ...hook, socket, ids };
}

describe('opening', () => {
  it('joins first, and loads the newest messages', async () => {
    const { socket, ids, result } = await open(new FakeStore(5));
    expect(socket.sentEvents('join:conversation')).toEqual([['1']]);
    expect(ids()).toEqual(['3', '4', '5']);
    expect(result.current.hasEarlier).toBe(true);
  });

  it('loads earlier ones up to the first', async () => {
    const { result, ids } = await open(new FakeStore(5));
    await act(() => result.current.loadEarlier());
    expect([ids(), result.current.hasEarlier]).toEqual([['1', '2', '3', '4', '5'], false]);
  });

  it('loads each earlier page once, however soon the next is asked for', async () => {
    const store = new FakeStore(12);
    const { result, ids } = await open(store);
    await act(async () => {
      await Promise.all([result.current.loadEarlier(), result.current.loadEarlier()]);
      await result.current.loadEarlier();
    });
    expect([ids()[0], store.loads]).toEqual(['4', 3]);
  });

  it('reaches back to the first unread message, and says which it is', async () => {
    const store = new FakeStore(12);
    store.messages = store.messages.map((message) => ({ ...message, isRead: Number(message.id) < 5 }));
    const { result, ids } = await open(store, openSocket(), 8);
    expect([ids()[0], result.current.firstUnreadId]).toEqual(['4', '5']);
    act(() => result.current.reload());
    await act(() => result.current.markRead('12'));
    expect(result.current.firstUnreadId).toBe('5');
  });

  it('is undone when the hook goes', async () => {
    const { socket, unmount } = await open(new FakeStore(1));
    unmount();
    expect(socket.sentEvents('leave:conversation')).toEqual([['1']]);
    expect(socket.listenerCount).toBe(0);
  });
});

describe('events', () => {
  it('of this conversation change it, those of others do not', async () => {
    const store = new FakeStore(2);
    const { socket, ids, result } = await open(store);
    act(() => socket.receive('message:new', store.add()));
    act(() => socket.receive('message:new', store.add({ conversationId: '2' })));
    act(() => socket.receive('message:deleted', { conversationId: 1, messageId: 1 }));
    act(() => socket.receive('messages:read', { conversationId: '1', messageIds: ['2'], userId: ALICE.id }));
    expect(ids()).toEqual(['1', '2', '3']);
    expect(result.current.messages.map(({ isRead }) => isRead)).toEqual([false, true, false]);
    expect(result.current.messages.map(({ deletedAt }) => deletedAt !== null)).toEqual([true, false, false]);
  });

  it('change messages in place, and what was missed of them is asked for after each connection', async () => {
    const { socket, result } = await open(new FakeStore(2));
    const shown = () => result.current.messages.map(({ content }) => content);
    act(() => socket.receive('message:updated', makeMessage(2, { content: 'better', editedAt: '2026-01-01' })));
    expect(shown()).toEqual(['message 1', 'better']);
    act(() => socket.lose());
    const missed = { event: 'message:updated', args: [makeMessage(1, { content: 'best', editedAt: '2026-01-02' })], at: '' };
    socket.answers.set('sync', () => ({ events: [missed], cursor: 'c', more: false }));
    act(() => socket.open());
    await waitFor(() => expect(shown()).toEqual(['best', 'better']));
  });

  it('of a reaction outlast a page that was asked for before, and comes after', async () => {
    const store = new FakeStore(2);
    const { socket, result } = await open(store);
    const deliver: (() => Promise<void>)[] = [];
    const load = store.load;
    store.load = (conversationId, place) =>
      new Promise((answer) => deliver.push(() => load(conversationId, place).then(answer)));
    const reactions = () => result.current.messages.map((message) => message.reactions);
    const payload = { conversationId: '1', messageId: '2', emoji: '👍' };
    act(() => result.current.reload());
    await waitFor(() => expect(deliver).toHaveLength(1));
    act(() => socket.receive('reaction:added', { ...payload, userId: BOB.id, count: 1 }));
    act(() => socket.receive('reaction:added', { ...payload, userId: ALICE.id, count: 2 }));
    await act(async () => deliver[0]?.());
    act(() => socket.receive('reaction:removed', { ...payload, userId: BOB.id, count: 1 }));
    expect(reactions()).toEqual([[], [{ emoji: '👍', count: 1, userIds: [ALICE.id] }]]);
  });

  it('bring replies to their thread alone', async () => {
    const store = new FakeStore(1);
    const socket = openSocket();
    const main = await open(store, socket);
    const thread = await open(store, socket, 0, '1');
    act(() => socket.receive('message:new', store.add({ threadId: '1' })));
    act(() => socket.receive('thread:updated', { conversationId: '1', messageId: '1', count: 1, lastAt: 'now' }));
    expect([main.ids(), thread.ids()]).toEqual([['1'], ['2']]);
    expect(main.result.current.messages[0]?.thread).toEqual({ count: 1, lastAt: 'now' });
    await act(() => thread.result.current.send('me too'));
    await waitFor(() => expect(thread.ids()).toEqual(['2', '3']));
    expect([main.ids(), main.result.current.outgoing]).toEqual([['1'], []]);
  });
});

describe('jumping', () => {
  it('shows a message far up with what is around it, and goes on from there to the end', async () => {
    const store = new FakeStore(20);
    const { socket, result, ids } = await open(store);
    await act(() => result.current.jumpTo('5'));
    expect([ids(), result.current.jumpTarget, result.current.hasLater]).toEqual([['4', '5', '6'], { messageId: '5' }, true]);
    act(() => socket.receive('message:new', store.add()));
    expect(ids()).toEqual(['4', '5', '6']);
    await act(() => result.current.loadLater());
    await act(() => result.current.loadEarlier());
    expect(ids()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    while (result.current.hasLater) await act(() => result.current.loadLater());
    expect(ids().at(-1)).toBe('21');
    act(() => socket.receive('message:new', store.add()));
    expect(ids().at(-1)).toBe('22');
  });

  it('stays in what is shown where the message is there, and joins what is next to it', async () => {
    const { result, ids } = await open(new FakeStore(20));
    const { generation } = result.current;
    await act(() => result.current.jumpTo('19'));
    await act(() => result.current.jumpTo('17'));
    expect([ids(), result.current.hasLater]).toEqual([['16', '17', '18', '19', '20'], false]);
    expect(result.current.generation).toBe(generation);
  });

  it('leads back to the newest', async () => {
    const { result, ids } = await open(new FakeStore(20));
    await act(() => result.current.jumpTo('5'));
    await act(() => result.current.returnToLatest());
    expect([ids(), result.current.hasLater]).toEqual([['18', '19', '20'], false]);
  });

  it.each(['loadLater', 'loadEarlier'] as const)('leaves out what comes late for the part that was shown before, by %s', async (loadBeside) => {
    const store = new FakeStore(20);
    const { socket, result, ids } = await open(store);
    await act(() => result.current.jumpTo('9'));
    let answer = () => {};
    store.onPart = () => new Promise((resolve) => (answer = resolve));
    const late = result.current[loadBeside]();
    await act(() => result.current.returnToLatest());
    store.onPart = async () => undefined;
    await act(() => result.current.loadEarlier());
    await act(async () => {
      answer();
      await late;
    });
    act(() => socket.receive('message:new', store.add()));
    expect([ids(), result.current.hasLater]).toEqual([['15', '16', '17', '18', '19', '20', '21'], false]);
  });

  it('ends where the reader wanted to go last, whatever comes late', async () => {
    const store = new FakeStore(20);
    const { result, ids } = await open(store);
    const answers: (() => void)[] = [];
    store.onPart = () => new Promise((resolve) => answers.push(resolve));
    const jumps = ['5', '10'].map((id) => result.current.jumpTo(id));
    await act(async () => {
      answers[1]?.();
      await jumps[1];
    });
    await act(async () => {
      answers[0]?.();
      await jumps[0];
    });
    expect([ids(), result.current.jumpTarget]).toEqual([['9', '10', '11'], { messageId: '10' }]);
    const late = result.current.jumpTo('15');
    await act(() => result.current.returnToLatest());
    await act(async () => {
      answers[2]?.();
      await late;
    });
    expect([ids(), result.current.jumpTarget]).toEqual([['18', '19', '20'], null]);
  });

  it('to a message that is gone fails', async () => {
    const { result, ids } = await open(new FakeStore(5));
    await expect(act(() => result.current.jumpTo('99'))).rejects.toThrow('not there');
    expect(ids()).toEqual(['3', '4', '5']);
  });
});

describe('receipts of others', () => {
  it('bring the statuses of the messages, which only the server knows', async () => {
    const store = new FakeStore(0);
    const own = store.add({ senderId: ALICE.id, sender: ALICE });
    const { socket, result } = await open(store);
    for (const status of ['delivered', 'read'] as const) {
      store.messages = [{ ...own, status }];
      act(() => socket.receive(`messages:${status}`, { conversationId: '1', messageIds: [own.id], userId: BOB.id, upTo: own.id }));
      await waitFor(() => expect(result.current.messages.map((message) => message.status)).toEqual([status]));
    }
  });
});

describe('after a lost connection', () => {
  it('nothing is missing, nothing is there twice, and what was deleted is gone', async () => {
    const store = new FakeStore(4);
    const { socket, ids } = await open(store);
    act(() => socket.lose());
    for (let count = 0; count < 7; count += 1) store.add();
    store.delete('3');
    act(() => socket.open());
    await waitFor(() => expect(ids()).toEqual(['2', '4', '5', '6', '7', '8', '9', '10', '11']));
    expect(socket.sentEvents('join:conversation')).toHaveLength(2);
  });

  it('loads of thousands only the newest anew, and keeps the others', async () => {
    const store = new FakeStore(60);
    const { socket, ids, result } = await open(store);
    while (result.current.hasEarlier) await act(() => result.current.loadEarlier());
    act(() => socket.lose());
    store.add();
    const before = store.loads;
    act(() => socket.open());
    await waitFor(() => expect(ids()).toHaveLength(61));
    expect(store.loads - before).toBeLessThan(10);
  });

  it('it tries again until the server answers', async () => {
    const store = new FakeStore(1);
    const { socket, ids, result } = await open(store);
    act(() => socket.lose());
    store.add();
    store.isDown = true;
    act(() => socket.open());
    await waitFor(() => expect(result.current.error).not.toBeNull());
    store.isDown = false;
    await waitFor(() => expect(ids()).toEqual(['1', '2']), { timeout: 3_000 });
    expect(result.current.error).toBeNull();
  });
});

describe('sending', () => {
  it('shows the message before it is stored, and once then', async () => {
    const store = new FakeStore(1);
    const { socket, result, ids } = await open(store);
    let deliver = () => {};
    store.onSend = (message) =>
      new Promise((answer) => {
        deliver = () => {
          socket.receive('message:new', message);
          answer();
        };
      });
    await act(() => result.current.send('hello'));
    expect(result.current.outgoing.map(({ content }) => content)).toEqual(['hello']);
    await waitFor(() => expect(store.messages).toHaveLength(2));
    const shown = () => [...ids(), ...result.current.outgoing.map(({ content }) => content)];
    act(() => deliver());
    expect(shown()).toEqual(['1', '2']);
    await waitFor(() => expect(socket.sentEvents('message:send')).toHaveLength(1));
    expect(shown()).toEqual(['1', '2']);
  });

  it('shows what the server has stored, should its event not come', async () => {
    const { result, ids } = await open(new FakeStore(1));
    await act(() => result.current.send('hello'));
    await waitFor(() => expect(ids()).toEqual(['1', '2']));
    expect(result.current.outgoing).toEqual([]);
  });

  it('shows the message once, too, when its event comes before the others are loaded', async () => {
    const store = new FakeStore(1);
    const socket = openSocket();
    const sent = { conversationId: '1', senderId: ALICE.id, sender: ALICE, content: 'hello' };
    store.load = () => new Promise(() => undefined);
    socket.answers.set('message:send', (payload) => {
      const { clientId } = payload as { clientId: string };
      socket.receive('message:new', store.add({ ...sent, clientId }));
      return new Promise(() => undefined);
    });
    const { result } = renderOutboxHook(socket, () => useMessages('1', ALICE.id, store));
    await act(() => result.current.send('hello'));
    await waitFor(() => expect(result.current.messages.map(({ content }) => content)).toEqual(['hello']));
    expect(result.current.outgoing).toEqual([]);
  });

  it('waits for a connection', async () => {
    const { socket, result, ids } = await open(new FakeStore(1));
    act(() => socket.lose());
    await act(() => result.current.send('hello'));
    expect(result.current.outgoing).toHaveLength(1);
    act(() => socket.open());
    await waitFor(() => expect(ids()).toEqual(['1', '2']));
  });

  it('does not bring back what was deleted before it was sent again', async () => {
    const store = new FakeStore(1);
    const { socket, result, ids } = await open(store);
    store.onSend = async ({ id }) => {
      if (socket.sentEvents('message:send').length > 1) return;
      store.delete(id);
      socket.lose();
      throw new Error('socket has been disconnected');
    };
    await act(() => result.current.send('hello'));
    await waitFor(() => expect(socket.connected).toBe(false));
    act(() => socket.open());
    await waitFor(() => expect(socket.sentEvents('message:send')).toHaveLength(2), { timeout: 3_000 });
    await waitFor(() => expect([result.current.outgoing, ids()]).toEqual([[], ['1']]));
  });

  it('shows the user what the server refuses, and lets go of what is discarded', async () => {
    const { socket, result, ids } = await open(new FakeStore(0));
    socket.answers.set('message:send', () => ({ error: { code: 'forbidden', message: 'Not here' } }));
    await act(() => result.current.send('hello'));
    await waitFor(() => expect(result.current.outgoing[0]?.problem).toBe('Not here'));
    const [refused] = result.current.outgoing;
    if (refused) await act(() => result.current.discard(refused));
    expect([result.current.outgoing, ids()]).toEqual([[], []]);
  });
});

describe('reading', () => {
  it('marks what others have written, up to the given message, once', async () => {
    const store = new FakeStore(2);
    store.add({ senderId: ALICE.id, sender: ALICE });
    const { result } = await open(store);
    await act(() => Promise.all([result.current.markRead('2'), result.current.markRead('2')]));
    await act(() => result.current.markRead('3'));
    expect(store.read).toEqual([['1', '2']]);
    expect(result.current.messages.filter(({ isRead, senderId }) => isRead && senderId === BOB.id)).toHaveLength(2);
  });
});
