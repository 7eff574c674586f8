import { useEffect, useLayoutEffect, useRef } from 'react';

import { useRealtime } from './RealtimeProvider';
import { listen, type SocketEvents } from './socket';

/**
 * Handle an event of the socket while the component is there.
 *
 * @param name - The event's name, which gives the handler's type.
 * @param handler - Called with what the event carries. Another one from render to render takes over without subscribing anew.
 */
export function useSocketEvent<Name extends keyof SocketEvents>(name: Name, handler: SocketEvents[Name]) {
  const { socket } = useRealtime();
  const latest = useRef<(...args: any[]) => void>(handler);
  useLayoutEffect(() => {
    latest.current = handler;
  });

  useEffect(() => {
    if (!socket) return;
    return listen(socket, { [name]: (...args: unknown[]) => latest.current(...args) });
  }, [socket, name]);
}

/**
 * Call a function for the connection that there is, and for each that follows.
 *
 * @param handler - The same function from render to render; a changed one is called at once too.
 */
export function useEachConnection(handler: () => void) {
  const { socket } = useRealtime();
  useSocketEvent('connect', handler);
  useEffect(() => {
    if (socket?.connected) handler();
  }, [socket, handler]);
}
