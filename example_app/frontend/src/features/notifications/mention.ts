import type { NotificationItem } from './useNotifications';

/** The message that mentions the user. */
export interface Mention {
  conversationId: string;
  messageId: string;
  /** The message whose thread it is in; null for none. */
  threadId: string | null;
}

/** Return which message a notification is about, if it is about a mention. */
export function mentionOf({ type, data }: NotificationItem): Mention | null {
  if (type !== 'mention' || typeof data !== 'object' || data === null) return null;
  if (!('conversationId' in data) || !('messageId' in data)) return null;
  const threadId = 'threadId' in data && data.threadId !== null ? String(data.threadId) : null;
  return { conversationId: String(data.conversationId), messageId: String(data.messageId), threadId };
}
