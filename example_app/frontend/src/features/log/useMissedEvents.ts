import { useCallback, useEffect, useRef } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { request, type RealtimeSocket } from '../../realtime/socket';
import type { MissedEvent } from '../../realtime/types';
import { useEachConnection } from '../../realtime/useSocketEvent';

/**
 * Hand over what happened while there was no connection, in the order in which it happened.
 *
 * Events that arrived since the last connection was opened are among them: whoever handles them has to know them again, by an id.
 *
 * @param onMissed - Called with each event.
 */
export function useMissedEvents(onMissed: (missed: MissedEvent) => void) {
  const { socket } = useRealtime();
  const cursor = useRef<string | null>(null);
  const latest = useRef(onMissed);
  useEffect(() => {
    latest.current = onMissed;
  });

  const catchUp = useCallback(() => {
    // Where it fails, the next connection asks for the same events.
    if (socket) void missedSince(socket, cursor, (missed) => latest.current(missed)).catch(() => undefined);
  }, [socket]);
  useEachConnection(catchUp);
}

async function missedSince(socket: RealtimeSocket, cursor: { current: string | null }, onMissed: (missed: MissedEvent) => void) {
  for (let isMore = true; isMore; ) {
    const answer = await request(socket, 'sync', { cursor: cursor.current });
    cursor.current = answer.cursor;
    isMore = 'events' in answer && answer.more;
    if ('events' in answer) answer.events.forEach(onMissed);
  }
}
