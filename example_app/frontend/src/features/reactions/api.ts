import { call } from '../../api/http';
import type { Message } from '../messages/messageList';

/** React to a message with an emoji, or take that back. */
export function setReaction({ conversationId, id }: Message, emoji: string, isSet: boolean): Promise<unknown> {
  const message = `/api/conversations/${encodeURIComponent(conversationId)}/messages/${encodeURIComponent(id)}`;
  return call(isSet ? 'PUT' : 'DELETE', `${message}/reactions/${encodeURIComponent(emoji)}`);
}

/** Whether a user is known to react to a message with an emoji. */
export const hasReacted = ({ reactions }: Message, emoji: string, userId: string) =>
  reactions.some((one) => one.emoji === emoji && one.userIds.includes(userId));
