import { useCallback, useEffect, useRef, useState } from 'react';

import { makeRefresher, type Refresher } from '../../realtime/refresher';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import type { Member, MemberPage } from './api';

/** Load a page of members. */
export type LoadMembers = (conversationId: string, after: string | null) => Promise<MemberPage>;

/**
 * Hold the members of a conversation, as many pages of them as were asked for, as they change.
 *
 * @param conversationId - Which conversation.
 * @param userId - Who is logged in.
 * @param load - Loads a page. The same function from render to render.
 */
export function useMembers(conversationId: string, userId: string, load: LoadMembers) {
  const [members, setMembers] = useState<Member[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const pages = useRef(1);
  const refresher = useRef<Refresher | null>(null);

  useEffect(() => {
    const current = makeRefresher(
      () => loadPages(load, conversationId, pages.current),
      (found) => {
        setMembers(found.members);
        setHasMore(found.nextAfter !== null);
        setError(null);
      },
      setError,
    );
    refresher.current = current;
    current.refresh();
    return () => current.stop();
  }, [conversationId, load]);

  const refresh = useCallback(() => refresher.current?.refresh(), []);
  const loadMore = useCallback(() => {
    pages.current += 1;
    refresher.current?.refresh();
  }, []);
  const changed = (payload: { conversationId: string }) => {
    if (payload.conversationId === conversationId) refresh();
  };
  useSocketEvent('member:joined', changed);
  useSocketEvent('member:updated', changed);
  useSocketEvent('member:left', (member) => {
    // Who is out is refused the members, and the conversation is about to go from the page.
    if (member.userId !== userId) changed(member);
  });
  useSocketEvent('connect', refresh);

  return { members, hasMore, error, loadMore };
}

async function loadPages(load: LoadMembers, conversationId: string, count: number): Promise<MemberPage> {
  let page = await load(conversationId, null);
  for (let loaded = 1; loaded < count && page.nextAfter !== null; loaded += 1) {
    const next = await load(conversationId, page.nextAfter);
    page = { members: [...page.members, ...next.members], nextAfter: next.nextAfter };
  }
  return page;
}
