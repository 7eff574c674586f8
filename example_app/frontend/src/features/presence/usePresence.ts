import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { request } from '../../realtime/socket';
import type { UserStatus } from '../../realtime/types';
import { useEachConnection, useSocketEvent } from '../../realtime/useSocketEvent';

// As many as the server answers at once by default.
const MOST_IDS = 100;

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Say who of some users is online.
 *
 * @param userIds - Whom to watch.
 * @returns The ids of those who are online; nobody while there is no connection to know it from.
 */
export function usePresence(userIds: readonly string[]): ReadonlySet<string> {
  const { socket } = useRealtime();
  const [online, setOnline] = useState(NOBODY);
  // Compared by what it holds: callers make a new array for each render.
  const key = JSON.stringify([...new Set(userIds)].sort());
  const watched = useMemo<string[]>(() => JSON.parse(key), [key]);
  const changed = useRef(new Set<string>());

  const apply = useCallback((statuses: UserStatus[]) => {
    setOnline((before) => {
      const after = new Set(before);
      for (const { userId, status } of statuses) status === 'online' ? after.add(userId) : after.delete(userId);
      return after;
    });
  }, []);

  const load = useCallback(async () => {
    if (!socket) return;
    changed.current = new Set();
    for (let start = 0; start < watched.length; start += MOST_IDS) {
      const statuses = await request(socket, 'users:get-status', watched.slice(start, start + MOST_IDS));
      // An event is newer than an answer that it has overtaken.
      apply(statuses.filter(({ userId }) => !changed.current.has(userId)));
    }
  }, [socket, watched, apply]);
  // If the connection ends meanwhile, the next one asks again.
  const startLoading = useCallback(() => void load().catch(() => undefined), [load]);

  useSocketEvent('user:status-changed', (status) => {
    changed.current.add(status.userId);
    if (watched.includes(status.userId)) apply([status]);
  });
  useSocketEvent('disconnect', () => setOnline(NOBODY));
  useEachConnection(startLoading);
  useEffect(() => () => setOnline(NOBODY), [socket, watched]);

  return online;
}
