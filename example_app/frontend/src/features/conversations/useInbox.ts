import { useCallback, useEffect, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useEachConnection, useSocketEvent } from '../../realtime/useSocketEvent';
import type { Message } from '../messages/messageList';
import { listPeople, type Person } from '../presence/api';
import { listConversations, type Conversation } from './api';
import { enterRoom, retainRoom } from './rooms';

// The server lets a connection join 200 conversations; the one that is open, and new ones, need places too.
const MOST_LIVE = 150;

/**
 * Hold the list of conversations with their unread counts, and everybody there is.
 *
 * The newest 150 are all joined, not only the open one: that is how their counts change while one looks on.
 * Further ones are listed when `loadMore` is called.
 */
export function useInbox(userId: string, onMessage: (message: Message) => void) {
  const { socket } = useRealtime();
  const [conversations, setConversations] = useState<Conversation[]>([]);
  const [people, setPeople] = useState<Person[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const [isLoaded, setIsLoaded] = useState(false);
  const refresher = useRef<Refresher | null>(null);
  const pages = useRef({ loaded: 0, wanted: 1 });
  const retained = useRef(new Map<string, () => void>());

  useEffect(() => {
    const releases = retained.current;
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
        for (const { id } of conversations.slice(0, MOST_LIVE)) {
          if (socket && !releases.has(id)) releases.set(id, retainRoom(socket, id));
        }
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
      for (const release of releases.values()) release();
      releases.clear();
    };
  }, [socket]);

  const refresh = useCallback(() => refresher.current?.refresh(), []);
  const count = (conversationId: string, counted: (unreadCount: number) => number) => {
    refresher.current?.touch();
    setConversations((known) =>
      known.map((one) =>
        one.id === conversationId ? { ...one, unreadCount: counted(one.unreadCount) } : one,
      ),
    );
  };

  useSocketEvent('message:new', (message) => {
    if (message.senderId === userId) return;
    count(String(message.conversationId), (unreadCount) => unreadCount + 1);
    onMessage(message);
  });
  useSocketEvent('unread:changed', ({ conversationId, unreadCount }) => {
    count(String(conversationId), () => unreadCount);
  });
  // Only the server knows whether what was deleted had been read, and what has been written in a conversation that is new.
  useSocketEvent('message:deleted', refresh);
  useSocketEvent('conversation:new', refresh);
  useEachConnection(refresh);

  const loadMore = useCallback(() => {
    // Once for all who ask before the page is there.
    pages.current.wanted = pages.current.loaded + 1;
    refresher.current?.refresh();
  }, []);

  return { conversations, people, hasMore, isLoaded, refresh, loadMore };
}
