import { useCallback } from 'react';

import type { IncomingEvents, RealtimeSocket } from '../../realtime/socket';
import { useSocketEvent } from '../../realtime/useSocketEvent';
import { enterRoom } from '../conversations/rooms';
import { useMissedEvents } from '../log/useMissedEvents';
import type { Change } from './messageList';

type Handlers = Required<Pick<IncomingEvents, (typeof NAMES)[number]>>;

const NAMES = ['message:updated', 'message:deleted', 'reaction:added', 'reaction:removed', 'thread:updated'] as const;

/**
 * Be told what happens to the messages of a conversation once they are sent: edits, deletions, reactions and replies.
 *
 * @param conversationId - Which conversation.
 * @param onChange - Called with each change.
 */
export function useMessageEvents(conversationId: string, onChange: (change: Change) => void) {
  const handlers = handlersOf(conversationId, onChange);
  useSocketEvent('message:updated', handlers['message:updated']);
  useSocketEvent('message:deleted', handlers['message:deleted']);
  useSocketEvent('reaction:added', handlers['reaction:added']);
  useSocketEvent('reaction:removed', handlers['reaction:removed']);
  useSocketEvent('thread:updated', handlers['thread:updated']);
}

/** Be told of the changes, too, that were missed while there was no connection. */
export function useMissedMessageEvents(conversationId: string, onChange: (change: Change) => void) {
  const ready = useCallback((socket: RealtimeSocket) => enterRoom(socket, conversationId), [conversationId]);
  useMissedEvents(handlersOf(conversationId, onChange), ready);
}

function handlersOf(conversationId: string, onChange: (change: Change) => void): Handlers {
  const told = <Payload extends { conversationId: string | number }>(changeOf: (payload: Payload) => Change) => {
    return (payload: Payload) => {
      if (String(payload.conversationId) === conversationId) onChange(changeOf(payload));
    };
  };
  return {
    'message:updated': told((message) => ({ type: 'updated', message })),
    'message:deleted': told(({ messageId }) => ({ type: 'deleted', messageId: String(messageId), deletedAt: new Date().toISOString() })),
    'reaction:added': told((payload) => ({ type: 'reacted', isAdded: true, ...payload })),
    'reaction:removed': told((payload) => ({ type: 'reacted', isAdded: false, ...payload })),
    'thread:updated': told((payload) => ({ type: 'answered', ...payload })),
  };
}
