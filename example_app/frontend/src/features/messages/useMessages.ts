import { useCallback, useEffect, useLayoutEffect, useReducer, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import { enterRoom, retainRoom } from '../conversations/rooms';
import { useReceipts } from '../receipts/useReceipts';
import { changeList, compareIds, EMPTY_LIST, type Message, type MessagePage } from './messageList';

/** Where messages are stored. The same object from render to render. */
export interface MessageStore {
  load(conversationId: string, before: string | null): Promise<MessagePage>;
  /** Store a message: once for each `clientId`, however often it is called with it. */
  send(conversationId: string, content: string, clientId: string): Promise<Message>;
  markRead(conversationId: string, messageIds: string[]): Promise<unknown>;
  remove(conversationId: string, messageId: string): Promise<unknown>;
}

/** Make an id that no other message has; `crypto.randomUUID` exists only on pages from HTTPS and localhost. */
const newClientId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');

/**
 * Hold the messages of a conversation, as they are stored and as they change.
 *
 * After each connection it joins the conversation and then loads what it shows anew, so that nothing is missing and
 * nothing is there twice, whatever happened while there was no connection.
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
        change({ type: 'caughtUp', ...missed, userId });
        setIsLoaded(true);
        setError(null);
      },
      setError,
    );
    refresher.current = current;
    current.refresh();
    return () => current.stop();
  }, [socket, conversationId, userId, store]);

  useEffect(() => {
    if (socket) return retainRoom(socket, conversationId);
  }, [socket, conversationId]);

  const reload = useCallback(() => refresher.current?.refresh(), []);
  const concerns = (payload: { conversationId: string | number }) => String(payload.conversationId) === conversationId;

  useSocketEvent('connect', reload);
  useReceipts(conversationId, userId, reload);
  useSocketEvent('message:new', (message) => {
    if (concerns(message)) change({ type: 'received', messages: [message], userId });
  });
  useSocketEvent('messages:read', (payload) => {
    const messageIds = payload.messageIds.map(String);
    if (concerns(payload)) change({ type: 'read', messageIds, readerId: payload.userId, userId });
  });
  useSocketEvent('message:deleted', (payload) => {
    if (concerns(payload)) change({ type: 'deleted', messageId: String(payload.messageId) });
  });

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

  const deliver = useCallback(
    async (key: string, content: string) => {
      try {
        change({ type: 'sent', key, message: await store.send(conversationId, content, key) });
      } catch {
        change({ type: 'failed', key });
      }
    },
    [conversationId, store],
  );

  const send = useCallback(
    (content: string) => {
      const key = newClientId();
      const after = latest.current.messages.at(-1)?.id ?? null;
      const createdAt = new Date().toISOString();
      change({ type: 'written', outgoing: { key, content, createdAt, state: 'sending', after } });
      void deliver(key, content);
    },
    [deliver],
  );

  const retry = useCallback(
    (key: string) => {
      const outgoing = latest.current.outgoing.find((one) => one.key === key);
      if (!outgoing) return;
      change({ type: 'sending', key });
      void deliver(key, outgoing.content);
    },
    [deliver],
  );

  const discard = useCallback((key: string) => change({ type: 'discarded', key }), []);

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

  const { messages, outgoing, nextBefore } = list;
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
