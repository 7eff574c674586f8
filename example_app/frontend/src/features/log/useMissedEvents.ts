import { useCallback, useLayoutEffect, useRef } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { request, type IncomingEvents, type RealtimeSocket } from '../../realtime/socket';
import type { MissedEvent } from '../../realtime/types';
import { useEachConnection } from '../../realtime/useSocketEvent';

type Ready = (socket: RealtimeSocket) => Promise<unknown>;

const atOnce: Ready = () => Promise.resolve();

/**
 * Handle what happened while there was no connection, in the order in which it happened.
 *
 * Events that arrived since the last connection was opened are handled again: the handlers have to know them, by an id.
 *
 * @param handlers - Called with what the events of their name carry, as those of `useSocketEvent`.
 * @param ready - Resolves once a connection gets these events live: what is asked for before that leaves a gap. The same
 *   function from render to render.
 */
export function useMissedEvents(handlers: Partial<IncomingEvents>, ready: Ready = atOnce) {
  const { socket } = useRealtime();
  const cursor = useRef<string | null>(null);
  const latest = useRef(new Map<string, (...args: any[]) => void>());
  useLayoutEffect(() => {
    latest.current = new Map(Object.entries(handlers));
  });

  const catchUp = useCallback(() => {
    const handle = ({ event, args }: MissedEvent) => latest.current.get(event)?.(...args);
    // Where it fails, the next connection asks for the same events.
    if (socket) void ready(socket).then(() => handleMissed(socket, cursor, handle)).catch(() => undefined);
  }, [socket, ready]);
  useEachConnection(catchUp);
}

async function handleMissed(socket: RealtimeSocket, cursor: { current: string | null }, handle: (missed: MissedEvent) => void) {
  for (let isMore = true; isMore; ) {
    const answer = await request(socket, 'sync', { cursor: cursor.current });
    cursor.current = answer.cursor;
    isMore = 'events' in answer && answer.more;
    if ('events' in answer) answer.events.forEach(handle);
  }
}
