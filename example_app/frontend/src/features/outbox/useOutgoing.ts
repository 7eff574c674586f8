import { useCallback, useEffect, useMemo } from 'react';

import type { Message } from '../messages/messageList';
import { useOutbox, useWaiting } from './OutboxProvider';
import { isWrittenIn, withoutArrived, type Extras, type WritingPlace } from './texts';

/**
 * Hold what the user has written in a conversation and the server has not confirmed, in whichever tab and before whichever reload.
 *
 * @param place - Where; the same object from render to render.
 * @param userId - Who is logged in.
 * @param there - The messages there that are known, and whether the newest ones are loaded.
 * @param onSent - Called with each message that is stored, and whether it was tried before: it may have been deleted then. The same
 *   function from render to render.
 */
export function useOutgoing(
  place: WritingPlace,
  userId: string,
  there: { messages: Message[]; isLoaded: boolean },
  onSent: (message: Message, isRepeated: boolean) => void,
) {
  const { messages, isLoaded } = there;
  const outbox = useOutbox();
  const waiting = useWaiting();
  const outgoing = useMemo(
    () => withoutArrived(waiting.filter((one) => isWrittenIn(place, one)), messages, userId),
    [waiting, place, messages, userId],
  );
  useEffect(
    () => outbox.onSent((message, isRepeated) => isIn(place, message) && onSent(message, isRepeated)),
    [outbox, place, onSent],
  );
  const newest = isLoaded ? (messages.at(-1)?.id ?? null) : undefined;
  /** Have a message sent; the promise is rejected where the browser cannot keep it. */
  const send = useCallback(
    (content: string, extras?: Extras) => outbox.send(place, content, newest, extras),
    [outbox, place, newest],
  );
  return { outgoing, send, retry: outbox.retry, discard: outbox.discard };
}

const isIn = ({ conversationId, threadId }: WritingPlace, message: Message) =>
  message.conversationId === conversationId && message.threadId === threadId;
