import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import { enterRoom, retainRoom } from '../conversations/rooms';
import { useOutgoing } from '../outbox/useOutgoing';
import { useReceipts } from '../receipts/useReceipts';
import { changeList, compareIds, EMPTY_LIST, type Change, type Message, type MessagePage } from './messageList';
import { useMessageEvents, useMissedMessageEvents } from './useMessageEvents';

const MOST_PAGES = 10;
// What is further up is loaded again when the conversation is opened the next time.
const MOST_PAGES_AGAIN = 3;

/** A part of a conversation: beside or around a message, else the newest ones; of the thread of a message, or outside of threads. */
export interface Place {
  before?: string;
  after?: string;
  around?: string;
  thread?: string | null;
}

/** Where messages are stored. The same object from render to render. */
export interface MessageStore {
  load(conversationId: string, place: Place): Promise<MessagePage>;
  /** Return a message, in a thread or not; null if there is none. */
  find(conversationId: string, messageId: string): Promise<Message | null>;
  markRead(conversationId: string, messageIds: string[]): Promise<unknown>;
  remove(conversationId: string, messageId: string): Promise<unknown>;
  edit(conversationId: string, messageId: string, content: string): Promise<Message>;
}

interface Options {
  /** How many messages are unread when the conversation is opened: those are loaded at once, as it opens at the first. */
  unreadCount?: number;
  /** The message whose thread it is; null for what is outside of threads. */
  threadId?: string | null;
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
 * @param options - Which part of the conversation.
 */
export function useMessages(conversationId: string, userId: string, store: MessageStore, options: Options = {}) {
  const { unreadCount = 0, threadId = null } = options;
  const { socket } = useRealtime();
  const [list, change] = useReducer(changeList, EMPTY_LIST);
  const [isLoaded, setIsLoaded] = useState(false);
  const [isLoadingEarlier, setIsLoadingEarlier] = useState(false);
  const [firstUnreadId, setFirstUnreadId] = useState<string | null>(null);
  const opening = useRef({ unreadCount, isOver: false });
  /** The generation of the part beside which something is being loaded. */
  const loadingBeside = useRef<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [jumpTarget, setJumpTarget] = useState<JumpTarget | null>(null);
  /** How often the reader wanted to go elsewhere: what is loaded for a place is of no use once that is another one. */
  const moves = useRef(0);
  const refresher = useRef<Refresher | null>(null);
  const asked = useRef(new Set<string>());
  const latest = useRef(list);
  const load = useCallback(
    async (place: Place): Promise<MessagePage> => {
      const asked = latest.current.recentCount;
      return { ...(await store.load(conversationId, { ...place, thread: threadId })), asked };
    },
    [store, conversationId, threadId],
  );
  // Before the effects of the components below, which may call what is returned here.
  useLayoutEffect(() => {
    latest.current = list;
  });

  useEffect(() => {
    const loadMissed = async () => {
      if (socket?.connected) await enterRoom(socket, conversationId);
      const shown = latest.current.messages;
      const known = new Set(shown.map(({ id }) => id));
      const { unreadCount: wanted, isOver } = opening.current;
      const isEnough = (page: MessagePage, pages: number) =>
        isOver ? isJoined(page, pages, shown) : unreadIn(page, userId) >= wanted || reachesRead(page, userId) || pages >= MOST_PAGES;
      return { page: await loadBack(load, isEnough), known };
    };
    const current = makeRefresher(
      loadMissed,
      (missed) => {
        change({ type: 'caughtUp', ...missed });
        if (!opening.current.isOver) setFirstUnreadId(missed.page.messages.find((one) => isUnread(one, userId))?.id ?? null);
        opening.current.isOver = true;
        setIsLoaded(true);
        setError(null);
      },
      setError,
    );
    refresher.current = current;
    current.refresh();
    return () => current.stop();
  }, [socket, conversationId, userId, load]);

  useEffect(() => {
    if (socket) return retainRoom(socket, conversationId);
  }, [socket, conversationId]);

  const reload = useCallback(() => refresher.current?.refresh(), []);
  const concerns = (payload: { conversationId: string | number }) => String(payload.conversationId) === conversationId;

  useSocketEvent('connect', reload);
  useReceipts(conversationId, userId, reload);
  useSocketEvent('message:new', (message) => {
    if (concerns(message) && message.threadId === threadId) change({ type: 'received', messages: [message] });
  });
  useSocketEvent('messages:read', (payload) => {
    const messageIds = payload.messageIds.map(String);
    if (concerns(payload)) change({ type: 'read', messageIds, readerId: payload.userId, userId });
  });
  useMessageEvents(conversationId, change);
  useMissedMessageEvents(conversationId, change);

  const place = useMemo(() => ({ conversationId, threadId }), [conversationId, threadId]);
  const [repeated, setRepeated] = useState<Message | null>(null);
  const onSent = useCallback((message: Message, isRepeated: boolean) => {
    change({ type: 'received', messages: [message] });
    if (isRepeated) setRepeated(message);
  }, []);
  useEffect(() => {
    // The answer is that of the first time, also where the message was deleted since.
    if (repeated) reload();
  }, [repeated, reload]);
  const { outgoing, send, retry, discard } = useOutgoing(place, userId, { messages: list.messages, isLoaded }, onSent);

  const loadBeside = useCallback(
    async (type: 'loadedEarlier' | 'loadedLater') => {
      const { nextBefore, nextAfter, generation } = latest.current;
      const edge = type === 'loadedEarlier' ? nextBefore : nextAfter;
      if (edge === null || loadingBeside.current === generation) return;
      loadingBeside.current = generation;
      setIsLoadingEarlier(type === 'loadedEarlier');
      try {
        const loaded: Change = { type, page: await load(type === 'loadedEarlier' ? { before: edge } : { after: edge }), edge };
        change(loaded);
        // The next call may come before the next rendering.
        latest.current = changeList(latest.current, loaded);
      } finally {
        if (loadingBeside.current === generation) {
          loadingBeside.current = null;
          setIsLoadingEarlier(false);
        }
      }
    },
    [load],
  );
  const loadEarlier = useCallback(() => loadBeside('loadedEarlier'), [loadBeside]);
  const loadLater = useCallback(() => loadBeside('loadedLater'), [loadBeside]);

  /** Show a message, wherever in the conversation it is. The promise is rejected where it is not to be had. */
  const jumpTo = useCallback(
    async (messageId: string) => {
      const number = (moves.current += 1);
      if (!latest.current.messages.some(({ id }) => id === messageId)) {
        const page = await load({ around: messageId });
        if (number !== moves.current) return;
        if (!page.messages.some(({ id }) => id === messageId)) throw new Error('The message is not there any more.');
        change({ type: 'loadedAround', page });
      }
      setJumpTarget({ messageId });
    },
    [load],
  );

  /** Show the end of the conversation again, after an earlier part. */
  const returnToLatest = useCallback(async () => {
    const number = (moves.current += 1);
    if (latest.current.nextAfter === null) return;
    const page = await load({});
    if (number !== moves.current) return;
    change({ type: 'loadedLatest', page });
    setJumpTarget(null);
  }, [load]);

  /** Mark what others have written as read, up to and with the message of that id. */
  const markRead = useCallback(async (upTo: string) => {
    const isMeant = (message: Message) =>
      isUnread(message, userId) && compareIds(message.id, upTo) <= 0 && !asked.current.has(message.id);
    const messageIds = latest.current.messages.filter(isMeant).map(({ id }) => id);
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
      change({ type: 'deleted', messageId, deletedAt: new Date().toISOString() });
    },
    [conversationId, store],
  );

  const edit = useCallback(
    async (messageId: string, content: string) => {
      change({ type: 'updated', message: await store.edit(conversationId, messageId, content) });
    },
    [conversationId, store],
  );

  const { messages, nextBefore, nextAfter, generation } = list;
  return {
    messages,
    outgoing,
    firstUnreadId,
    isLoaded,
    isLoadingEarlier,
    hasEarlier: nextBefore !== null,
    hasLater: nextAfter !== null,
    generation,
    jumpTarget,
    error,
    loadEarlier,
    loadLater,
    jumpTo,
    returnToLatest,
    send,
    retry,
    discard,
    markRead,
    remove,
    edit,
    reload,
  };
}

/** A message to be shown; another object for each time. */
export interface JumpTarget {
  messageId: string;
}

const isUnread = ({ senderId, isRead }: Message, userId: string) => senderId !== userId && !isRead;

const unreadIn = ({ messages }: MessagePage, userId: string) => messages.filter((message) => isUnread(message, userId)).length;

/** Whether a page begins with what is read: unread replies in threads, which are counted too, are on no page. */
function reachesRead({ messages }: MessagePage, userId: string): boolean {
  const first = messages.find(({ senderId }) => senderId !== userId);
  return first !== undefined && first.isRead;
}

/** Whether pages reach back to what is shown, and to all of it, or as far as is worth the requests. */
function isJoined({ messages, nextBefore }: MessagePage, pages: number, shown: Message[]): boolean {
  const [oldest] = shown;
  const newest = shown.at(-1);
  if (!oldest || !newest || pages >= MOST_PAGES) return true;
  if (nextBefore !== null && compareIds(nextBefore, oldest.id) <= 0) return true;
  const [first] = messages;
  return pages >= MOST_PAGES_AGAIN && first !== undefined && compareIds(first.id, newest.id) <= 0;
}

/** Load the newest messages, and pages before them until they are enough. */
async function loadBack(
  load: (place: Place) => Promise<MessagePage>,
  isEnough: (page: MessagePage, pages: number) => boolean,
): Promise<MessagePage> {
  let page = await load({});
  for (let pages = 1; page.nextBefore !== null && !isEnough(page, pages); pages += 1) {
    const earlier = await load({ before: page.nextBefore });
    page = { ...page, messages: [...earlier.messages, ...page.messages], nextBefore: earlier.nextBefore };
  }
  return page;
}
