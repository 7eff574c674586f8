import { useCallback } from 'react';

import { readOpenConversation, replaceByConversation } from '../conversations/useOpenConversation';
import { coversConversation, useSidePanel } from '../../ui/SidePanel';
import { jumpToMessage } from './jump';

/** Show a message from anywhere on the page. The panel beside the conversation makes room for it where it covers the messages. */
export function useJumpFromPanel() {
  const { panel, closePanel } = useSidePanel();
  const isOpen = panel !== null;
  return useCallback(
    (conversationId: string, messageId: string, threadId: string | null = null) => {
      // A thread takes the panel's place.
      if (isOpen && coversConversation()) {
        if (readOpenConversation() !== conversationId) replaceByConversation(conversationId);
        else if (threadId === null) closePanel();
      }
      jumpToMessage(conversationId, messageId, threadId);
    },
    [isOpen, closePanel],
  );
}
