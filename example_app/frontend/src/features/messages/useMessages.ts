import { useCallback, useEffect, useLayoutEffect, useReducer, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import { enterRoom, retainRoom } from '../conversations/rooms';
import { useOutgoing } from '../outbox/useOutgoing';
import { useReceipts } from '../receipts/useReceipts';
import { changeList, compareIds, EMPTY_LIST, type Message, type MessagePage } from './messageList';

/** Where messages are stored. The same object from render to render. */
export interface MessageStore {
  load(conversationId: string, before: string | null): Promise<MessagePage>;
  markRead(conversationId: string, messageIds: string[]): Promise<unknown>;
  remove(conversationId: string, messageId: string): Promise<unknown>;
}

/**
 * Hold the messages of a conversation, as they are stored and as they change.
 *
 * After each connection it joins the conversation and then loads what it shows anew, so that nothing is missing and
 * nothing is there twice, whatever happened while there was no connection. What is sent waits in the outbox meanwhile.
 *
 * @param conversationId - Which conversation; give the component that calls this the same value as its `key`.
 * @param userId - Who is logged in.
 * @param store - Where messages are stored.
 */
export function useMessages(conversationId: string, userId: string, store: MessageStore) {
  const { socket } = useRealtime();
  const [list, change] = useReducer(changeList, EMPTY_LIST);
  const [isLoaded, setIsLoaded] = useState(false);
  const [isLoadingEarlier, setIsLoadingEarlier] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const refresher = useRef<Refresher | null>(null);
  const asked = useRef(new Set<string>());
  const latest = useRef(list);
  // Before the effects of the components below, which may call what is returned here.
  useLayoutEffect(() => {
    latest.current = list;
  });

  useEffect(() => {
    const loadMissed = async () => {
      if (socket?.connected) await enterRoom(socket, conversationId);
      const shown = latest.current.messages;
      const page = await loadBackTo(store, conversationId, shown[0]);
      return { page, known: new Set(shown.map(({ id }) => id)) };
    };
    const current = makeRefresher(
      loadMissed,
      (missed) => {
        change({ type: 'caughtUp', ...missed });
        setIsLoaded(true);
        setError(null);
      },
      setError,
    );
    refresher.current = current;
    current.refresh();
    return () => current.stop();
  }, [socket, conversationId, store]);

  useEffect(() => {
    if (socket) return retainRoom(socket, conversationId);
  }, [socket, conversationId]);

  const reload = useCallback(() => refresher.current?.refresh(), []);
  const concerns = (payload: { conversationId: string | number }) => String(payload.conversationId) === conversationId;

  useSocketEvent('connect', reload);
  useReceipts(conversationId, userId, reload);
  useSocketEvent('message:new', (message) => {
    if (concerns(message)) change({ type: 'received', messages: [message] });
  });
  useSocketEvent('messages:read', (payload) => {
    const messageIds = payload.messageIds.map(String);
    if (concerns(payload)) change({ type: 'read', messageIds, readerId: payload.userId, userId });
  });
  useSocketEvent('message:deleted', (payload) => {
    if (concerns(payload)) change({ type: 'deleted', messageId: String(payload.messageId) });
  });

  const [repeated, setRepeated] = useState<Message | null>(null);
  const onSent = useCallback((message: Message, isRepeated: boolean) => {
    change({ type: 'received', messages: [message] });
    if (isRepeated) setRepeated(message);
  }, []);
  useEffect(() => {
    // The answer is that of the first time, also where the message was deleted since.
    if (repeated) reload();
  }, [repeated, reload]);
  const { outgoing, send, retry, discard } = useOutgoing(conversationId, userId, isLoaded ? list.messages : undefined, onSent);

  const loadEarlier = useCallback(async () => {
    const before = latest.current.nextBefore;
    if (before === null || isLoadingEarlier) return;
    setIsLoadingEarlier(true);
    try {
      change({ type: 'loadedEarlier', page: await store.load(conversationId, before) });
    } finally {
      setIsLoadingEarlier(false);
    }
  }, [conversationId, isLoadingEarlier, store]);

  /** Mark what others have written as read, up to and with the message of that id. */
  const markRead = useCallback(async (upTo: string) => {
    const isUnread = ({ id, senderId, isRead }: Message) =>
      senderId !== userId && !isRead && compareIds(id, upTo) <= 0 && !asked.current.has(id);
    const messageIds = latest.current.messages.filter(isUnread).map(({ id }) => id);
    if (messageIds.length === 0) return;
    for (const id of messageIds) asked.current.add(id);
    try {
      await store.markRead(conversationId, messageIds);
      change({ type: 'read', messageIds, readerId: userId, userId });
    } catch {
      // They are still unread, and the next call asks again.
    } finally {
      for (const id of messageIds) asked.current.delete(id);
    }
  }, [conversationId, store, userId]);

  const remove = useCallback(
    async (messageId: string) => {
      await store.remove(conversationId, messageId);
      change({ type: 'deleted', messageId });
    },
    [conversationId, store],
  );

  const { messages, nextBefore } = list;
  return {
    messages,
    outgoing,
    isLoaded,
    isLoadingEarlier,
    hasEarlier: nextBefore !== null,
    error,
    loadEarlier,
    send,
    retry,
    discard,
    markRead,
    remove,
    reload,
  };
}

/** Load the newest messages, and pages before them until the oldest one shown is reached. */
async function loadBackTo(store: MessageStore, conversationId: string, oldest: Message | undefined): Promise<MessagePage> {
  let page = await store.load(conversationId, null);
  while (oldest && page.nextBefore !== null && compareIds(page.nextBefore, oldest.id) > 0) {
    const earlier = await store.load(conversationId, page.nextBefore);
    page = { messages: [...earlier.messages, ...page.messages], nextBefore: earlier.nextBefore };
  }
  return page;
}
