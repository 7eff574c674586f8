import { useCallback, useEffect, useRef, useState } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { useSocketEvent } from '../../realtime/useSocketEvent';

// The server ends a typing state by itself after 7 seconds, so it has to be repeated sooner.
const REPEAT_MS = 3_000;
const IDLE_MS = 3_000;

const NOBODY: readonly string[] = [];

/**
 * Tell the others in a conversation that one is typing, and say who of them is.
 *
 * @param conversationId - A conversation that the socket has joined.
 */
export function useTyping(conversationId: string) {
  return { typingUserIds: useTypists(conversationId), ...useOwnTyping(conversationId) };
}

/** Say who else is typing. */
export function useTypists(conversationId: string): readonly string[] {
  const { socket } = useRealtime();
  const [typists, setTypists] = useState(NOBODY);

  const concerns = (payload: { conversationId: string | number }) => String(payload.conversationId) === conversationId;
  const add = (userId: string) => setTypists((ids) => (ids.includes(userId) ? ids : [...ids, userId]));
  const remove = (userId: string) => setTypists((ids) => (ids.includes(userId) ? ids.filter((id) => id !== userId) : ids));

  useSocketEvent('typing:start', (payload) => {
    if (concerns(payload)) add(payload.userId);
  });
  useSocketEvent('typing:stop', (payload) => {
    if (concerns(payload)) remove(payload.userId);
  });
  useSocketEvent('message:new', (message) => {
    if (concerns(message)) remove(String(message.senderId));
  });
  // Without a connection nobody would say that they have stopped.
  useSocketEvent('disconnect', () => setTypists(NOBODY));
  useEffect(() => () => setTypists(NOBODY), [socket, conversationId]);

  return typists;
}

function useOwnTyping(conversationId: string) {
  const { socket } = useRealtime();
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
