import { useCallback, useEffect, useRef, useState } from 'react';

import type { RealtimeSocket } from './socket';

// The server ends a typing state by itself after 7 seconds, so it has to be repeated sooner.
const REPEAT_MS = 3_000;
const IDLE_MS = 3_000;

const NOBODY: readonly string[] = [];

/**
 * Tell the others in a conversation that one is typing, and say who of them is.
 *
 * @param socket - From `useRealtime`.
 * @param conversationId - A conversation that the socket has joined.
 */
export function useTyping(socket: RealtimeSocket | null, conversationId: string) {
  return { typingUserIds: useTypists(socket, conversationId), ...useOwnTyping(socket, conversationId) };
}

/** Say who else is typing. */
export function useTypists(socket: RealtimeSocket | null, conversationId: string): readonly string[] {
  const [typists, setTypists] = useState(NOBODY);

  useEffect(() => {
    if (!socket) return;
    const remove = (userId: string) =>
      setTypists((ids) => (ids.includes(userId) ? ids.filter((id) => id !== userId) : ids));
    const concerns = (payload: { conversationId?: unknown }) => String(payload.conversationId) === conversationId;
    const onStart = (payload: { conversationId: unknown; userId: string }) => {
      if (concerns(payload)) setTypists((ids) => (ids.includes(payload.userId) ? ids : [...ids, payload.userId]));
    };
    const onStop = (payload: { conversationId: unknown; userId: string }) => {
      if (concerns(payload)) remove(payload.userId);
    };
    const onMessage = (message: { conversationId?: unknown; senderId?: unknown }) => {
      if (concerns(message)) remove(String(message.senderId));
    };
    // Without a connection nobody would say that they have stopped.
    const onDisconnect = () => setTypists(NOBODY);
    socket.on('typing:start', onStart);
    socket.on('typing:stop', onStop);
    socket.on('message:new', onMessage);
    socket.on('disconnect', onDisconnect);
    return () => {
      socket.off('typing:start', onStart);
      socket.off('typing:stop', onStop);
      socket.off('message:new', onMessage);
      socket.off('disconnect', onDisconnect);
      setTypists(NOBODY);
    };
  }, [socket, conversationId]);

  return typists;
}

function useOwnTyping(socket: RealtimeSocket | null, conversationId: string) {
  const saidAt = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  /** Call it when the message is sent, or the field is left. */
  const stopTyping = useCallback(() => {
    clearTimeout(timer.current);
    if (saidAt.current === 0) return;
    saidAt.current = 0;
    // Volatile: what only matters now is not kept for the next connection.
    if (socket?.connected) socket.volatile.emit('typing:stop', { conversationId });
  }, [socket, conversationId]);

  /** Call it for each change of the text; an empty one stops. */
  const handleInput = useCallback(
    (text: string) => {
      if (text.trim() === '') {
        stopTyping();
        return;
      }
      clearTimeout(timer.current);
      timer.current = setTimeout(stopTyping, IDLE_MS);
      const now = Date.now();
      if (!socket?.connected || now - saidAt.current < REPEAT_MS) return;
      saidAt.current = now;
      socket.volatile.emit('typing:start', { conversationId });
    },
    [socket, conversationId, stopTyping],
  );

  useEffect(() => stopTyping, [stopTyping]);

  return { handleInput, stopTyping };
}
