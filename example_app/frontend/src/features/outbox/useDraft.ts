import { useCallback, useEffect, useRef, useState } from 'react';

import { useOutbox } from './OutboxProvider';

/**
 * Hold the text that is being written in a conversation or a thread, and keep it over reloads.
 *
 * @param conversationId - Which conversation; give the component that calls this the same value as its `key`.
 * @param threadId - The message whose thread it is; null for none.
 */
export function useDraft(conversationId: string, threadId: string | null = null): [text: string, setText: (text: string) => void] {
  const outbox = useOutbox();
  const [text, setShown] = useState('');
  const isTouched = useRef(false);

  useEffect(() => {
    let isWanted = true;
    const show = (draft: string) => {
      if (isWanted && !isTouched.current) setShown(draft);
    };
    // A draft that cannot be read is none.
    outbox.draft({ conversationId, threadId }).then(show, () => undefined);
    return () => {
      isWanted = false;
    };
  }, [outbox, conversationId, threadId]);

  const setText = useCallback(
    (next: string) => {
      isTouched.current = true;
      setShown(next);
      // With each change, so that nothing is left to do when the page goes. What cannot be kept is still in the field.
      outbox.keepDraft({ conversationId, threadId }, next).catch(() => undefined);
    },
    [outbox, conversationId, threadId],
  );

  return [text, setText];
}
