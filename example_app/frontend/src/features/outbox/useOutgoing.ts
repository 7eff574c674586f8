import { useCallback, useEffect, useMemo } from 'react';

import type { Message } from '../messages/messageList';
import { useOutbox, useWaiting } from './OutboxProvider';
import { withoutArrived } from './texts';

/**
 * Hold what the user has written in a conversation and the server has not confirmed, in whichever tab and before whichever reload.
 *
 * @param conversationId - Which conversation.
 * @param userId - Who is logged in.
 * @param messages - The messages of the conversation; undefined until they are loaded.
 * @param onSent - Called with each message that is stored, and whether it was tried before: it may have been deleted then. The same
 *   function from render to render.
 */
export function useOutgoing(
  conversationId: string,
  userId: string,
  messages: Message[] | undefined,
  onSent: (message: Message, isRepeated: boolean) => void,
) {
  const outbox = useOutbox();
  const waiting = useWaiting();
  const outgoing = useMemo(
    () => withoutArrived(waiting.filter((one) => one.conversationId === conversationId), messages ?? [], userId),
    [waiting, conversationId, messages, userId],
  );
  useEffect(
    () => outbox.onSent((message, isRepeated) => message.conversationId === conversationId && onSent(message, isRepeated)),
    [outbox, conversationId, onSent],
  );
  const newest = messages && (messages.at(-1)?.id ?? null);
  /** Have a message sent; the promise is rejected where the browser cannot keep it. */
  const send = useCallback((content: string) => outbox.send(conversationId, content, newest), [outbox, conversationId, newest]);
  return { outgoing, send, retry: outbox.retry, discard: outbox.discard };
}
