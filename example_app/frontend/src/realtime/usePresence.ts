import { useEffect, useMemo, useState } from 'react';

import { ask, onEachConnection, type RealtimeSocket } from './socket';
import type { UserStatus } from './types';

// As many as the server answers at once by default.
const MOST_IDS = 100;

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Say who of some users is online.
 *
 * @param socket - From `useRealtime`.
 * @param userIds - Whom to watch.
 * @returns The ids of those who are online; nobody while there is no connection to know it from.
 */
export function usePresence(socket: RealtimeSocket | null, userIds: readonly string[]): ReadonlySet<string> {
  const [online, setOnline] = useState(NOBODY);
  // Compared by what it holds: callers make a new array for each render.
  const key = JSON.stringify([...new Set(userIds)].sort());
  const watched = useMemo(() => JSON.parse(key) as string[], [key]);

  useEffect(() => {
    if (!socket) return;
    let changed = new Set<string>();
    const apply = (statuses: UserStatus[]) =>
      setOnline((before) => {
        const after = new Set(before);
        for (const { userId, status } of statuses) status === 'online' ? after.add(userId) : after.delete(userId);
        return after;
      });
    const onChange = (status: UserStatus) => {
      changed.add(status.userId);
      if (watched.includes(status.userId)) apply([status]);
    };
    const onDisconnect = () => setOnline(NOBODY);
    const load = async () => {
      changed = new Set();
      for (let start = 0; start < watched.length; start += MOST_IDS) {
        const statuses = await ask<UserStatus[]>(socket, 'users:get-status', watched.slice(start, start + MOST_IDS));
        // An event is newer than an answer that it has overtaken.
        apply(statuses.filter(({ userId }) => !changed.has(userId)));
      }
    };
    socket.on('user:status-changed', onChange);
    socket.on('disconnect', onDisconnect);
    // If the connection ends meanwhile, the next one asks again.
    const stop = onEachConnection(socket, () => void load().catch(() => undefined));
    return () => {
      stop();
      socket.off('user:status-changed', onChange);
      socket.off('disconnect', onDisconnect);
      setOnline(NOBODY);
    };
  }, [socket, watched]);

  return online;
}
