import { useCallback } from 'react';

import { failureText } from '../../ui/failure';
import { useToasts } from '../../ui/Toasts';
import type { Message } from '../messages/messageList';
import { hasReacted, setReaction } from './api';

/** React to messages for a user, or take it back. Everybody hears of it by an event; what fails is told by a toast. */
export function useReact(userId: string) {
  const { show } = useToasts();
  return useCallback(
    (message: Message, emoji: string) => {
      setReaction(message, emoji, !hasReacted(message, emoji, userId)).catch((error: unknown) =>
        show('The reaction was not changed', failureText(error)),
      );
    },
    [userId, show],
  );
}
