import type { Message } from '../messages/messageList';
import { compareIds } from '../messages/messageList';
import type { Conversation } from './api';

/** The last message of each conversation in which one has come since the page was opened. */
export type LatestMessages = ReadonlyMap<string, Message>;

/** Give a conversation its last message: the one that the server has told, or a later one that has come since. */
export function withLatest(conversation: Conversation, latest: LatestMessages): Conversation {
  const told = conversation.lastMessage;
  const come = latest.get(conversation.id);
  if (!come || (told && compareIds(told.id, come.id) >= 0)) return conversation;
  return { ...conversation, lastMessage: come };
}

/** Change the last message of a conversation if it is that one. */
export function withLastChanged(conversation: Conversation, messageId: string, change: (message: Message) => Message): Conversation {
  const { lastMessage } = conversation;
  return lastMessage?.id === messageId ? { ...conversation, lastMessage: change(lastMessage) } : conversation;
}

/** Change a message among the latest ones if it is there. */
export function withLatestChanged(latest: LatestMessages, messageId: string, change: (message: Message) => Message): LatestMessages {
  const message = [...latest.values()].find(({ id }) => id === messageId);
  return message ? new Map(latest).set(message.conversationId, change(message)) : latest;
}

/** Order conversations by what happened last in them. Those of which it is not known follow in the server's order. */
export function byActivity(conversations: Conversation[]): Conversation[] {
  return [...conversations].sort((a, b) => timeOf(b) - timeOf(a));
}

function timeOf({ lastMessage, createdAt }: Conversation): number {
  const time = lastMessage?.createdAt ?? createdAt;
  return time === undefined ? 0 : Date.parse(time);
}

/** Tell of the last message who has written it, unless that goes without saying, and what; null where there is none. */
export function previewOf({ lastMessage, participants }: Conversation, userId: string): { sender: string | null; text: string } | null {
  if (!lastMessage) return null;
  const { senderId, sender, content, deletedAt } = lastMessage;
  if (deletedAt) return { sender: null, text: 'Message deleted' };
  if (senderId === userId) return { sender: 'You', text: content };
  return { sender: participants.length > 2 ? sender.username : null, text: content };
}
