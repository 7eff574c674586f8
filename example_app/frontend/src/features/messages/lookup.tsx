import { createContext, useCallback, useContext, useEffect, useMemo, useReducer, useRef, type ReactNode } from 'react';

import { useSocketEvent } from '../../realtime/useSocketEvent';
import { changeList, EMPTY_LIST, type Message } from './messageList';
import { useMessageEvents } from './useMessageEvents';
import type { MessageStore } from './useMessages';

interface Lookup {
  find: (messageId: string) => Message | undefined;
  load: (messageId: string) => void;
}

const LookupContext = createContext<Lookup>({ find: () => undefined, load: () => undefined });

interface Props {
  conversationId: string;
  /** What is loaded anyway. */
  messages: Message[];
  store: MessageStore;
  children: ReactNode;
}

/** Gives the components inside single messages, which may be far away from those that are shown. */
export function MessageLookup({ conversationId, messages, store, children }: Props) {
  const [known, change] = useReducer(changeList, EMPTY_LIST);
  const asked = useRef(new Set<string>());
  useMessageEvents(conversationId, change);

  const request = useCallback(
    async (messageId: string) => {
      const message = await store.find(conversationId, messageId);
      if (message) change({ type: 'received', messages: [message] });
    },
    [store, conversationId],
  );
  const load = useCallback(
    (messageId: string) => {
      if (asked.current.has(messageId)) return;
      asked.current.add(messageId);
      // Without an answer it is asked for again after the next connection.
      request(messageId).catch(() => undefined);
    },
    [request],
  );
  useSocketEvent('connect', () => {
    for (const messageId of asked.current) request(messageId).catch(() => undefined);
  });

  const byId = useMemo(() => new Map([...known.messages, ...messages].map((message) => [message.id, message])), [known, messages]);
  const value = useMemo(() => ({ find: (messageId: string) => byId.get(messageId), load }), [byId, load]);
  return <LookupContext value={value}>{children}</LookupContext>;
}

/** Return a message, loaded if need be; undefined until it is there, and where there is none. */
export function useMessage(messageId: string): Message | undefined {
  const { find, load } = useContext(LookupContext);
  const message = find(messageId);
  const isMissing = message === undefined;
  useEffect(() => {
    if (isMissing) load(messageId);
  }, [isMissing, load, messageId]);
  return message;
}
