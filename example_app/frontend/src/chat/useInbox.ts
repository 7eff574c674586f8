import { useCallback, useEffect, useRef, useState } from 'react';

import { listConversations, listPeople, type Conversation, type Person } from '../api/chat';
import type { Message } from '../realtime/messageList';
import { makeRefresher, type Refresher } from '../realtime/refresher';
import { enterRoom, holdRoom } from '../realtime/rooms';
import { onEachConnection, type RealtimeSocket } from '../realtime/socket';

// The server lets a connection join 200 conversations; the one that is open, and new ones, need places too.
const MOST_LIVE = 150;

/**
 * Hold the list of conversations with their unread counts, and everybody there is.
 *
 * The newest 150 are all joined, not only the open one: that is how their counts change while one looks on.
 * Further ones are listed when `loadMore` is called.
 */
export function useInbox(socket: RealtimeSocket | null, userId: string, onMessage: (message: Message) => void) {
  const [conversations, setConversations] = useState<Conversation[]>([]);
  const [people, setPeople] = useState<Person[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const [isLoaded, setIsLoaded] = useState(false);
  const refresher = useRef<Refresher | null>(null);
  const pages = useRef({ loaded: 0, wanted: 1 });
  const joined = useRef(new Map<string, () => void>());
  const tell = useRef(onMessage);
  useEffect(() => {
    tell.current = onMessage;
  });

  useEffect(() => {
    const held = joined.current;
    const load = async () => {
      const { wanted } = pages.current;
      let found = await listConversations(wanted);
      if (socket?.connected) {
        // Counted after joining, so that no message falls in between.
        await Promise.all(found.conversations.slice(0, MOST_LIVE).map(({ id }) => enterRoom(socket, id)));
        found = await listConversations(wanted);
      }
      return { ...found, loaded: wanted, everybody: await listPeople() };
    };
    const current = makeRefresher(
      load,
      ({ conversations, hasMore, loaded, everybody }) => {
        if (socket) for (const { id } of conversations.slice(0, MOST_LIVE)) if (!held.has(id)) held.set(id, holdRoom(socket, id));
        pages.current.loaded = loaded;
        setConversations(conversations);
        setHasMore(hasMore);
        setPeople(everybody);
        setIsLoaded(true);
      },
      () => undefined,
    );
    refresher.current = current;
    current.refresh();
    return () => {
      current.stop();
      for (const letGo of held.values()) letGo();
      held.clear();
    };
  }, [socket]);

  useEffect(() => {
    if (!socket) return;
    const count = (conversationId: string, difference: number) => {
      refresher.current?.touch();
      setConversations((known) =>
        known.map((one) =>
          one.id === conversationId ? { ...one, unreadCount: Math.max(0, one.unreadCount + difference) } : one,
        ),
      );
    };
    const onNew = (payload: object) => {
      const message = payload as Message;
      if (message.senderId === userId) return;
      count(String(message.conversationId), 1);
      tell.current(message);
    };
    const onRead = (payload: { conversationId: unknown; messageIds: unknown[]; userId?: string }) => {
      if (payload.userId === userId) count(String(payload.conversationId), -payload.messageIds.length);
    };
    // Only the server knows whether what was deleted had been read, and what has been written in a conversation that is new.
    const reload = () => refresher.current?.refresh();
    socket.on('message:new', onNew);
    socket.on('messages:read', onRead);
    socket.on('message:deleted', reload);
    socket.on('conversation:new', reload);
    const stop = onEachConnection(socket, () => refresher.current?.refresh());
    return () => {
      stop();
      socket.off('message:new', onNew);
      socket.off('messages:read', onRead);
      socket.off('message:deleted', reload);
      socket.off('conversation:new', reload);
    };
  }, [socket, userId]);

  const refresh = useCallback(() => refresher.current?.refresh(), []);

  const loadMore = useCallback(() => {
    // Once for all who ask before the page is there.
    pages.current.wanted = pages.current.loaded + 1;
    refresher.current?.refresh();
  }, []);

  return { conversations, people, hasMore, isLoaded, refresh, loadMore };
}
