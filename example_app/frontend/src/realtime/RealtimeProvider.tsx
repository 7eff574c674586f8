import { createContext, useCallback, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { io } from 'socket.io-client';

import { listen, type RealtimeSocket } from './socket';
import { IDLE, superviseConnection, type ConnectionState, type TokenSource } from './supervision';
import type { Ready } from './types';

export interface Realtime extends ConnectionState {
  /** Null before the connection is opened for the first time. */
  socket: RealtimeSocket | null;
  /**
   * What the server says of the connection: whether it is the one that was lost, with all that was missed (`recovered`), or whether
   * something may be missing (`gap`). Another object for each connection; null while there is none, and where the server has no recovery.
   */
  ready: Ready | null;
  /** Connect at once, after a refusal too. */
  reconnect: () => void;
}

export const RealtimeContext = createContext<Realtime | null>(null);

interface Props {
  /** Where tokens come from; the same object as long as the same user is logged in. Null: no connection. */
  tokens: TokenSource | null;
  /** The server, if it is not the one that the page comes from. */
  url?: string;
  /** What to call this device among the user's others, from the next connection on. */
  device?: string;
  children: ReactNode;
}

/**
 * Keep one connection open for the components inside.
 *
 * A lost connection is opened again by itself; an expired token is renewed first. Where the server refuses and says when
 * to come back (`retryAfter`), the status is `waiting` and the connection is tried again then. What it refuses for another
 * reason stays refused until `reconnect` is called: asking again would be answered the same.
 */
export function RealtimeProvider({ tokens, url, device, children }: Props) {
  const [socket, setSocket] = useState<RealtimeSocket | null>(null);
  const [state, setState] = useState<ConnectionState>(IDLE);
  const [ready, setReady] = useState<Ready | null>(null);

  const deviceName = useRef(device);
  useLayoutEffect(() => {
    deviceName.current = device;
  });

  useEffect(() => {
    if (!tokens) return;
    const opened: RealtimeSocket = io(url ?? '/', {
      path: '/socket.io/',
      autoConnect: false,
      // Of its own: a shared one would stay open for another user.
      forceNew: true,
      // A function, so that each attempt uses the token of that moment.
      auth: (send) => send({ token: tokens.current(), ...(deviceName.current ? { device: deviceName.current } : {}) }),
    });
    const stop = superviseConnection(opened, tokens, setState);
    const stopListening = listen(opened, { 'realtime:ready': setReady, disconnect: () => setReady(null) });
    setSocket(opened);
    opened.connect();
    return () => {
      stop();
      stopListening();
      opened.disconnect();
      setSocket(null);
      setState(IDLE);
      setReady(null);
    };
  }, [tokens, url]);

  const reconnect = useCallback(() => {
    // Disconnecting first ends the pause between two attempts.
    socket?.disconnect().connect();
  }, [socket]);

  const realtime = useMemo(() => ({ socket, ready, ...state, reconnect }), [socket, ready, state, reconnect]);
  return <RealtimeContext value={realtime}>{children}</RealtimeContext>;
}

/** Return the connection of the `RealtimeProvider` around the component, and how it fares. */
export function useRealtime(): Realtime {
  const realtime = useContext(RealtimeContext);
  if (!realtime) throw new Error('useRealtime needs a RealtimeProvider around the component');
  return realtime;
}
