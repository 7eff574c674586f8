import { useEffect, useMemo, useRef, useState } from 'react';

import { useSocketEvent } from '../../realtime/useSocketEvent';
import type { Message } from '../messages/messageList';
import type { MessageStore } from '../messages/useMessages';

/**
 * Hold messages that may not be among those that are shown, as they change.
 *
 * @param conversationId - Their conversation.
 * @param messageIds - Which messages.
 * @param store - Where messages are stored. The same object from render to render.
 * @returns Them by their ids, those that are not loaded left out; null for those that cannot be had.
 */
export function usePinnedMessages(conversationId: string, messageIds: readonly string[], store: Pick<MessageStore, 'find'>) {
  const [found, setFound] = useState<ReadonlyMap<string, Message | null>>(new Map());
  const asked = useRef(new Set<string>());
  // Compared by what it holds: each event brings a new array.
  const key = JSON.stringify(messageIds);
  const wanted = useMemo<string[]>(() => JSON.parse(key), [key]);

  useEffect(() => {
    const load = async () => {
      for (const id of wanted) {
        if (asked.current.has(id)) continue;
        asked.current.add(id);
        const message = await store.find(conversationId, id).catch(() => null);
        setFound((known) => new Map(known).set(id, message));
      }
    };
    void load();
  }, [conversationId, wanted, store]);

  useSocketEvent('message:updated', (message) => {
    if (asked.current.has(message.id)) setFound((known) => new Map(known).set(message.id, message));
  });
  return found;
}
