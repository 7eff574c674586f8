import { useEffect, useSyncExternalStore } from 'react';

import { useToasts } from '../../ui/Toasts';
import { openConversation } from '../conversations/useOpenConversation';
import type { WritingPlace } from '../outbox/texts';

interface Wanted {
  conversationId: string;
  messageId: string;
  threadId: string | null;
}

const listeners = new Set<() => void>();
let wanted: Wanted | null = null;

function want(next: Wanted | null) {
  wanted = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * Open a conversation at one of its messages, from anywhere on the page.
 *
 * @param conversationId - Which conversation.
 * @param messageId - Which message.
 * @param threadId - The message whose thread it is in; null for none.
 */
export function jumpToMessage(conversationId: string, messageId: string, threadId: string | null = null) {
  want({ conversationId, messageId, threadId });
  openConversation(conversationId);
}

const useWanted = () => useSyncExternalStore(subscribe, () => wanted);

/**
 * Follow jumps to messages of a conversation or of a thread, as soon as its messages are there.
 *
 * @param place - Where.
 * @param isReady - Whether its messages are loaded.
 * @param jumpTo - Shows a message.
 */
export function useJumps({ conversationId, threadId }: WritingPlace, isReady: boolean, jumpTo: (messageId: string) => Promise<unknown>) {
  const { show } = useToasts();
  const target = useWanted();
  useEffect(() => {
    if (!isReady || target?.conversationId !== conversationId || target.threadId !== threadId) return;
    want(null);
    jumpTo(target.messageId).catch((error: Error) => show('The message cannot be shown', error.message));
  }, [conversationId, threadId, isReady, target, jumpTo, show]);
}

/** Open the thread of a conversation that a jump leads into. */
export function useThreadJumps(conversationId: string, openThread: (threadId: string) => void) {
  const target = useWanted();
  useEffect(() => {
    if (target?.conversationId === conversationId && target.threadId !== null) openThread(target.threadId);
  }, [conversationId, target, openThread]);
}
