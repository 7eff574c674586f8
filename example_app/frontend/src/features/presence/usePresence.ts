import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { request } from '../../realtime/socket';
import type { PresenceOfUser } from '../../realtime/types';
import { useEachConnection, useSocketEvent } from '../../realtime/useSocketEvent';
import { withStatus, type Presences } from './presence';

// As many as the server answers at once by default.
const MOST_IDS = 100;

const NOTHING: Presences = new Map();

/**
 * Tell the presence of some users: whether they are online, what they have set, and when those who are offline were last seen.
 *
 * @param userIds - Whom to watch.
 * @returns Their presence by their ids; nothing while there is no connection to know it from.
 */
export function usePresence(userIds: readonly string[]): Presences {
  const { socket } = useRealtime();
  const [presences, setPresences] = useState(NOTHING);
  // Compared by what it holds: callers make a new array for each render.
  const key = JSON.stringify([...new Set(userIds)].sort());
  const watched = useMemo<string[]>(() => JSON.parse(key), [key]);
  const changed = useRef(new Set<string>());

  const apply = useCallback((found: PresenceOfUser[]) => {
    setPresences((before) => new Map([...before, ...found.map((one) => [one.userId, one] as const)]));
  }, []);

  const load = useCallback(async () => {
    if (!socket) return;
    changed.current = new Set();
    for (let start = 0; start < watched.length; start += MOST_IDS) {
      const found = await request(socket, 'presence:get', watched.slice(start, start + MOST_IDS));
      // An event is newer than an answer that it has overtaken.
      apply(found.filter(({ userId }) => !changed.current.has(userId)));
    }
  }, [socket, watched, apply]);
  // If the connection ends meanwhile, the next one asks again.
  const startLoading = useCallback(() => void load().catch(() => undefined), [load]);

  useSocketEvent('user:status-changed', (status) => {
    changed.current.add(status.userId);
    if (!watched.includes(status.userId)) return;
    const now = new Date().toISOString();
    setPresences((before) => new Map(before).set(status.userId, withStatus(before.get(status.userId), status, now)));
  });
  useSocketEvent('presence:changed', (presence) => {
    changed.current.add(presence.userId);
    if (watched.includes(presence.userId)) apply([presence]);
  });
  useSocketEvent('disconnect', () => setPresences(NOTHING));
  useEachConnection(startLoading);
  useEffect(() => () => setPresences(NOTHING), [socket, watched]);

  return presences;
}
