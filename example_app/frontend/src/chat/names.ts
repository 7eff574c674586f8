import type { Conversation } from '../api/chat';
import type { User } from '../session/session';

/** Who takes part beside the user; in a conversation with oneself, oneself. */
export function othersIn(conversation: Conversation, userId: string): User[] {
  const others = conversation.participants.filter(({ id }) => id !== userId);
  return others.length > 0 ? others : conversation.participants;
}

export function conversationName(conversation: Conversation, userId: string): string {
  return conversation.title ?? joinNames(othersIn(conversation, userId).map(({ username }) => username));
}

const LIST = new Intl.ListFormat('en', { type: 'conjunction' });

export const joinNames = (names: string[]) => LIST.format(names);

export function typingText(names: string[]): string {
  if (names.length === 0) return '';
  return `${joinNames(names)} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
