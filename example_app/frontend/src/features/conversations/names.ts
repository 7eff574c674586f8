import { joinNames } from '../../ui/names';
import type { User } from '../authentication/session';
import type { Conversation } from './api';

/** Who takes part beside the user; in a conversation with oneself, oneself. */
export function othersIn(conversation: Conversation, userId: string): User[] {
  const others = conversation.participants.filter(({ id }) => id !== userId);
  return others.length > 0 ? others : conversation.participants;
}

/** Name those who take part beside the user; of many, only the first ones. */
export function namesOfOthers(conversation: Conversation, userId: string): string {
  const names = othersIn(conversation, userId).map(({ username }) => username);
  return joinNames(names, Math.max(names.length, conversation.participantCount - 1));
}

export function conversationName(conversation: Conversation, userId: string): string {
  return conversation.title ?? namesOfOthers(conversation, userId);
}
