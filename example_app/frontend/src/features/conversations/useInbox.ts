import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import type { Message } from '../messages/messageList';
import { listPeople, type Person } from '../presence/api';
import { byActivity, withLastChanged, withLatest, withLatestChanged, type LatestMessages } from './activity';
import { listConversations, type Conversation } from './api';
import { isMuted, withMuteEnded, withoutMember, withoutPin, withRole, withUpdate } from './changes';
import { enterRooms, retainRoom } from './rooms';
import { useMuteEnds } from './useMuteEnds';

// The server lets a connection join 200 conversations; the one that is open, and new ones, need places too.
const MOST_LIVE = 150;

/**
 * Hold the list of conversations with their unread counts, those first in which something happened last, and everybody there is.
 *
 * The newest 150 are all joined, not only the open one: that is how their counts change while one looks on.
 * Further ones are listed when `loadMore` is called.
 *
 * @param userId - Who is logged in.
 * @param onMessage - Called with what others write, and whether the user has muted the conversation.
 * @param onRemoved - Called when the user does not take part in a conversation any more.
 */
export function useInbox(userId: string, onMessage: (message: Message, isMuted: boolean) => void, onRemoved?: (conversation: Conversation) => void) {
  const { socket } = useRealtime();
  const [listed, setListed] = useState<Conversation[]>([]);
  const [latest, setLatest] = useState<LatestMessages>(new Map());
  const [people, setPeople] = useState<Person[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const [isLoaded, setIsLoaded] = useState(false);
  const refresher = useRef<Refresher | null>(null);
  const pages = useRef({ loaded: 0, wanted: 1 });
  const retained = useRef(new Map<string, () => void>());
  const known = useRef(new Set<string>());

  useEffect(() => {
    const releases = retained.current;
    const load = async () => {
      const { wanted } = pages.current;
      // Counted after joining, so that no message falls in between. Of those known from before, some may be refused by now.
      if (socket?.connected) await enterRooms(socket, [...known.current]).catch(() => false);
      let found = await listConversations(wanted);
      const live = found.conversations.slice(0, MOST_LIVE).map(({ id }) => id);
      known.current = new Set(live);
      if (socket?.connected && (await enterRooms(socket, live))) found = await listConversations(wanted);
      return { ...found, loaded: wanted, everybody: await listPeople() };
    };
    const current = makeRefresher(
      load,
      ({ conversations, hasMore, loaded, everybody }) => {
        for (const { id } of conversations.slice(0, MOST_LIVE)) {
          if (socket && !releases.has(id)) releases.set(id, retainRoom(socket, id));
        }
        pages.current.loaded = loaded;
        setListed(conversations);
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
  const change = (conversationId: string, changed: (conversation: Conversation) => Conversation) => {
    refresher.current?.touch();
    setListed((known) => known.map((one) => (one.id === conversationId ? changed(one) : one)));
  };
  const count = (conversationId: string, counted: (unreadCount: number) => number) =>
    change(conversationId, (one) => ({ ...one, unreadCount: counted(one.unreadCount) }));

  useSocketEvent('message:new', (message) => {
    if (!message.threadId) setLatest((known) => new Map(known).set(String(message.conversationId), message));
    if (message.senderId === userId) return;
    count(String(message.conversationId), (unreadCount) => unreadCount + 1);
    const target = listed.find(({ id }) => id === String(message.conversationId));
    onMessage(message, target !== undefined && isMuted(target));
  });
  useSocketEvent('unread:changed', ({ conversationId, unreadCount }) => {
    count(String(conversationId), () => unreadCount);
  });
  const changeLast = (conversationId: string, messageId: string, changed: (message: Message) => Message) => {
    change(conversationId, (one) => withLastChanged(one, messageId, changed));
    setLatest((known) => withLatestChanged(known, messageId, changed));
  };
  useSocketEvent('message:updated', (message) => changeLast(String(message.conversationId), message.id, () => message));
  // Only the server knows whether what was deleted had been read, and what has been written in a conversation that is new.
  useSocketEvent('message:deleted', ({ conversationId, messageId }) => {
    const deletedAt = new Date().toISOString();
    changeLast(String(conversationId), String(messageId), (message) => ({ ...message, content: '', deletedAt }));
    change(String(conversationId), (one) => withoutPin(one, String(messageId)));
    refresh();
  });
  useSocketEvent('conversation:new', refresh);
  useSocketEvent('conversation:updated', (updated) => change(updated.id, (known) => withUpdate(known, updated)));
  useSocketEvent('conversation:removed', ({ conversationId }) => {
    const removed = listed.find(({ id }) => id === conversationId);
    retained.current.get(conversationId)?.();
    retained.current.delete(conversationId);
    known.current.delete(conversationId);
    refresher.current?.touch();
    setListed((known) => known.filter(({ id }) => id !== conversationId));
    if (removed) onRemoved?.(removed);
  });
  // The event does not tell the new member's name.
  useSocketEvent('member:joined', refresh);
  useSocketEvent('member:updated', (member) => change(member.conversationId, (known) => withRole(known, member.userId, member.role)));
  useSocketEvent('member:left', (member) => change(member.conversationId, (known) => withoutMember(known, member.userId)));
  useSocketEvent('connect', refresh);

  const loadMore = useCallback(() => {
    // Once for all who ask before the page is there.
    pages.current.wanted = pages.current.loaded + 1;
    refresher.current?.refresh();
  }, []);

  useMuteEnds(
    listed,
    useCallback((now: number) => setListed((known) => known.map((one) => withMuteEnded(one, now))), []),
  );

  const conversations = useMemo(() => byActivity(listed.map((one) => withLatest(one, latest))), [listed, latest]);
  return { conversations, people, hasMore, isLoaded, refresh, loadMore };
}
