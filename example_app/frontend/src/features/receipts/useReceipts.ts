import { useEffect, useLayoutEffect, useRef } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { useSocketEvent } from '../../realtime/useSocketEvent';

/** Receipts of many people come at once; each is followed by a request. */
const DELAY_MS = 300;

/**
 * Say that messages have reached this device: each that comes in a joined conversation, several at once where they come fast.
 *
 * @param userId - Who is logged in; one's own messages need no receipt.
 * @param delay - Milliseconds in which several messages become one receipt.
 */
export function useDelivered(userId: string, delay = DELAY_MS) {
  const { socket } = useRealtime();
  const newest = useRef(new Map<string, string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useSocketEvent('message:new', ({ id, conversationId, senderId }) => {
    if (senderId === userId) return;
    newest.current.set(String(conversationId), id);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      for (const [where, upTo] of newest.current) socket?.emit('messages:delivered', { conversationId: where, upTo });
      newest.current.clear();
    }, delay);
  });
  useEffect(() => {
    return () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [socket]);
}

/**
 * Call a function after other people's receipts in a conversation: a message's status is about all of them, and only the server
 * knows them all.
 *
 * @param conversationId - Which conversation.
 * @param userId - Who is logged in.
 * @param onChange - Called once for all receipts that come within the delay.
 * @param delay - Milliseconds.
 */
export function useReceipts(conversationId: string, userId: string, onChange: () => void, delay = DELAY_MS) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(onChange);
  useLayoutEffect(() => {
    latest.current = onChange;
  });

  const received = (payload: { conversationId: string | number; userId?: string }) => {
    if (String(payload.conversationId) !== conversationId || payload.userId === userId) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, delay);
  };
  useSocketEvent('messages:delivered', received);
  useSocketEvent('messages:read', received);
  useEffect(() => {
    return () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [conversationId]);
}
