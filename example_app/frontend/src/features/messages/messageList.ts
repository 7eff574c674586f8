import { laterStatus, type MessageStatus } from '../receipts/status';

export interface Message {
  id: string;
  conversationId: string;
  /** Its place in the conversation; null if the server does not number messages. */
  seq: number | null;
  senderId: string;
  content: string;
  sender: { id: string; username: string };
  createdAt: string;
  /** Of one's own message: somebody else has read it. Of another's: one has read it oneself. */
  isRead: boolean;
  status: MessageStatus;
}

export interface MessagePage {
  messages: Message[];
  /** What to ask for to get the page before; null at the beginning. */
  nextBefore: string | null;
}

export interface MessageList {
  messages: Message[];
  nextBefore: string | null;
  /** Ids of deleted messages: a page that was asked for before the deletion may still hold them. */
  deleted: ReadonlySet<string>;
}

export type Change =
  | { type: 'received'; messages: Message[] }
  | { type: 'caughtUp'; page: MessagePage; known: ReadonlySet<string> }
  | { type: 'loadedEarlier'; page: MessagePage }
  | { type: 'read'; messageIds: string[]; readerId: string | undefined; userId: string }
  | { type: 'deleted'; messageId: string };

export const EMPTY_LIST: MessageList = { messages: [], nextBefore: null, deleted: new Set() };

/** Order ids that grow: numbers of any length. Ids that do not grow need an order by time here. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a.length - b.length || (a < b ? -1 : 1);
}

/** Put messages among others: each once, in order. */
export function mergeMessages(known: Message[], more: Message[], deleted: ReadonlySet<string>): Message[] {
  const byId = new Map(known.map((message) => [message.id, message]));
  for (const message of more) {
    // A receipt may come while the page that does not hold it yet is on its way.
    const before = byId.get(message.id);
    const status = laterStatus(before?.status ?? null, message.status);
    byId.set(message.id, { ...message, isRead: message.isRead || (before?.isRead ?? false), status });
  }
  return [...byId.values()].filter(({ id }) => !deleted.has(id)).sort((a, b) => compareIds(a.id, b.id));
}

function caughtUp(list: MessageList, change: Extract<Change, { type: 'caughtUp' }>): MessageList {
  const { page, known } = change;
  const present = new Set(page.messages.map(({ id }) => id));
  // What was there before and is not any more has been deleted meanwhile; what came meanwhile stays.
  const kept = list.messages.filter(({ id }) => !known.has(id) || present.has(id));
  return {
    ...list,
    messages: mergeMessages(kept, page.messages, list.deleted),
    nextBefore: page.nextBefore,
  };
}

function markedRead(list: MessageList, change: Extract<Change, { type: 'read' }>): MessageList {
  const ids = new Set(change.messageIds);
  const { readerId, userId } = change;
  const concerns = (message: Message) =>
    readerId === undefined || (message.senderId === userId) !== (readerId === userId);
  const messages = list.messages.map((message) =>
    ids.has(message.id) && concerns(message) ? { ...message, isRead: true } : message,
  );
  return { ...list, messages };
}

export function changeList(list: MessageList, change: Change): MessageList {
  switch (change.type) {
    case 'received':
      return { ...list, messages: mergeMessages(list.messages, change.messages, list.deleted) };
    case 'caughtUp':
      return caughtUp(list, change);
    case 'loadedEarlier': {
      const messages = mergeMessages(list.messages, change.page.messages, list.deleted);
      return { ...list, messages, nextBefore: change.page.nextBefore };
    }
    case 'read':
      return markedRead(list, change);
    case 'deleted': {
      const messages = list.messages.filter(({ id }) => id !== change.messageId);
      return { ...list, messages, deleted: new Set(list.deleted).add(change.messageId) };
    }
  }
}
