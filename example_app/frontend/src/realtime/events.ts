/** The application's part of the events. Whoever copies this folder writes this file anew. */

import type { Conversation, UpdatedConversation } from '../features/conversations/api';
import type { Message } from '../features/messages/messageList';
import type { NotificationItem } from '../features/notifications/useNotifications';
import type { OrderUpdate } from '../features/orders/useUpdates';
import type { ErrorAnswer, MessageSendPayload, MessageSentAnswer } from './types';

/** Events whose payload the extension leaves to the application, with its types; and the application's own events. */
export interface ApplicationEvents {
  'conversation:new': (conversation: Conversation) => void;
  'conversation:updated': (conversation: UpdatedConversation) => void;
  'message:new': (message: Message) => void;
  'message:updated': (message: Message) => void;
  'notification:new': (notification: NotificationItem) => void;
  'order:update': (order: OrderUpdate) => void;
}

/** Events that clients send and whose answer the extension leaves to the application, with its types. */
export interface ApplicationAnswers {
  'message:send': (payload: MessageSendPayload, callback: (answer: SentAnswer | ErrorAnswer) => void) => void;
}

interface SentAnswer extends MessageSentAnswer {
  message: Message;
}
