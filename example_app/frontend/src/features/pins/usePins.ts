import { call } from '../../api/http';
import { failureText } from '../../ui/failure';
import { useToasts } from '../../ui/Toasts';
import type { Conversation } from '../conversations/api';
import { mayModerate } from '../conversations/changes';

const pinOf = (conversationId: string, messageId: string) =>
  `/api/conversations/${encodeURIComponent(conversationId)}/pins/${encodeURIComponent(messageId)}`;

/** Whether a user may pin messages: in a direct conversation both may, in a group its owners and moderators. */
export const mayPin = (conversation: Conversation, userId: string) => conversation.type === 'direct' || mayModerate(conversation, userId);

/**
 * Pin messages, and unpin them. Everybody is told of it by `conversation:updated`; what fails is told by a toast.
 *
 * @param conversation - Which conversation.
 * @param userId - Who is logged in.
 */
export function usePins(conversation: Conversation, userId: string) {
  const { show } = useToasts();
  const change = (method: 'PUT' | 'DELETE', messageId: string, title: string) => {
    call(method, pinOf(conversation.id, messageId)).catch((failure) => show(title, failureText(failure)));
  };
  return {
    mayPin: mayPin(conversation, userId),
    isPinned: (messageId: string) => conversation.pinned.includes(messageId),
    pin: (messageId: string) => change('PUT', messageId, 'The message was not pinned'),
    unpin: (messageId: string) => change('DELETE', messageId, 'The message was not unpinned'),
  };
}
