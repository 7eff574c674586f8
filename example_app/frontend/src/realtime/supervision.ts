import { listen, request, type ConnectError, type RealtimeSocket } from './socket';

export type ConnectionStatus = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'waiting' | 'offline' | 'refused';

/** Why the server does not want the connection, in its own words. */
export interface Refusal {
  code: string;
  message: string;
}

export interface ConnectionState {
  status: ConnectionStatus;
  refusal: Refusal | null;
}

/** Where tokens come from. */
export interface TokenSource {
  /** The access token to connect with. */
  current(): string | null;
  /** Get a new access token; null if the log-in has ended. Throws if that could not be found out now. */
  renew(): Promise<string | null>;
}

const RENEW_AGAIN_MS = 3_000;
// A connection that the server ends sooner than this has not been wanted.
const SETTLED_MS = 5_000;
const MOST_SHORT_CONNECTIONS = 3;
// Of the time that the server asks to wait, added at random: those who were refused together come back one by one.
const JITTER = 0.25;

export const IDLE: ConnectionState = { status: 'idle', refusal: null };

/** Report how a connection fares, and do what Socket.IO leaves to the application. Returns what ends that. */
export function superviseConnection(
  socket: RealtimeSocket,
  tokens: TokenSource,
  report: (state: ConnectionState) => void,
): () => void {
  let wasConnected = false;
  let hasRenewed = false;
  let hasExpired = false;
  let connectedAt = 0;
  let shortConnections = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;

  function reportTrying() {
    const trying = wasConnected ? 'reconnecting' : 'connecting';
    report({ status: navigator.onLine ? trying : 'offline', refusal: null });
  }

  function refuse(code: string, message: string) {
    report({ status: 'refused', refusal: { code, message } });
  }

  function comeBackLater(code: string, message: string, seconds: number) {
    report({ status: 'waiting', refusal: { code, message } });
    clearTimeout(timer);
    timer = setTimeout(() => {
      reportTrying();
      socket.connect();
    }, seconds * 1000 * (1 + Math.random() * JITTER));
  }

  async function renewAndConnect() {
    reportTrying();
    let token: string | null;
    try {
      token = await tokens.renew();
    } catch {
      if (!isStopped) timer = setTimeout(() => void renewAndConnect(), RENEW_AGAIN_MS);
      return;
    }
    if (isStopped) return;
    if (token === null) refuse('token_expired', 'Your log-in has ended');
    else socket.connect();
  }

  function onConnect() {
    wasConnected = true;
    hasRenewed = false;
    hasExpired = false;
    connectedAt = Date.now();
    clearTimeout(timer);
    report({ status: 'connected', refusal: null });
  }

  function onDisconnect(reason: string) {
    if (reason !== 'io server disconnect') reportTrying();
    else if (hasExpired) void renewAndConnect();
    else onEndedByServer();
  }

  function onEndedByServer() {
    shortConnections = Date.now() - connectedAt < SETTLED_MS ? shortConnections + 1 : 0;
    if (shortConnections >= MOST_SHORT_CONNECTIONS) {
      shortConnections = 0;
      refuse('disconnected', 'The server has ended the connection');
      return;
    }
    reportTrying();
    socket.connect();
  }

  function onConnectError(error: ConnectError) {
    clearTimeout(timer);
    // Active: the server was not reached, and Socket.IO tries again by itself.
    if (socket.active) {
      reportTrying();
      return;
    }
    const code = error.data?.code ?? 'connection_refused';
    if (code === 'token_expired' && !hasRenewed) {
      // Once only: a clock that is wrong would make every new token an expired one.
      hasRenewed = true;
      void renewAndConnect();
      return;
    }
    const wait = error.data?.retryAfter;
    if (wait === undefined) refuse(code, error.message);
    else comeBackLater(code, error.message, wait);
  }

  async function onExpiring() {
    try {
      const token = await tokens.renew();
      if (token !== null) await request(socket, 'auth:refresh', token);
    } catch {
      // The server will end the connection, and the next one is opened with a new token.
    }
  }

  function onExpired() {
    hasExpired = true;
  }

  function onOnline() {
    if (socket.connected || !socket.active) return;
    reportTrying();
    socket.disconnect().connect();
  }

  function onOffline() {
    if (!socket.connected) reportTrying();
  }

  reportTrying();
  const stopListening = listen(socket, {
    connect: onConnect,
    disconnect: onDisconnect,
    connect_error: onConnectError,
    'auth:expiring': () => void onExpiring(),
    'auth:expired': onExpired,
  });
  window.addEventListener('online', onOnline);
  window.addEventListener('offline', onOffline);
  return () => {
    isStopped = true;
    clearTimeout(timer);
    stopListening();
    window.removeEventListener('online', onOnline);
    window.removeEventListener('offline', onOffline);
  };
}
