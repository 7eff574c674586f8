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
  editedAt: string | null;
  /** The id that its sender gave it, where the server tells. */
  clientId?: string | null;
  /** When it was deleted; it has no content then. */
  deletedAt: string | null;
  /** The message that it quotes. */
  replyTo: string | null;
  /** The message whose thread it is in. */
  threadId: string | null;
  /** The replies in its own thread. */
  thread: { count: number; lastAt: string } | null;
  /** Ids of users, and `*` for everyone. */
  mentions: string[];
  reactions: Reaction[];
  /** Of one's own message: somebody else has read it. Of another's: one has read it oneself. */
  isRead: boolean;
  status: MessageStatus;
}

/** The reactions of one kind to a message: how many, and the users of the first 100. */
export interface Reaction {
  emoji: string;
  count: number;
  userIds: string[];
}

export interface MessagePage {
  messages: Message[];
  /** What to ask for to get the page before; null at the beginning. */
  nextBefore: string | null;
  /** What to ask for to get the page after; null at the end. */
  nextAfter: string | null;
  /** How many changes of `recent` the list had when the page was asked for; all of them where it is not said. */
  asked?: number;
}

export interface MessageList {
  messages: Message[];
  nextBefore: string | null;
  /** Not null while the list shows an earlier part of the conversation, which does not reach its end. */
  nextAfter: string | null;
  /** What has come meanwhile and is after that part: a page of the end may have been read before it was stored. */
  beyond: Message[];
  /** When messages were deleted, by their ids: a page that was asked for before that may still hold them as they were. */
  deleted: ReadonlyMap<string, string>;
  /** The last reactions and replies, which say nothing of when they were: a page that was asked for before may not have them. */
  recent: readonly Unversioned[];
  /** How many of these there have been. */
  recentCount: number;
  /** How often another part of the conversation has taken the place of the one that was shown. */
  generation: number;
}

export type Change =
  | { type: 'received'; messages: Message[] }
  | { type: 'updated'; message: Message }
  | { type: 'caughtUp'; page: MessagePage; known: ReadonlySet<string> }
  /** Pages beside what is shown. By the time they come, it may be another part; `edge` is what they were asked for with. */
  | { type: 'loadedEarlier' | 'loadedLater'; page: MessagePage; edge: string | null }
  | { type: 'loadedAround'; page: MessagePage }
  | { type: 'loadedLatest'; page: MessagePage }
  | { type: 'read'; messageIds: string[]; readerId: string | undefined; userId: string }
  | { type: 'reacted'; messageId: string; emoji: string; userId: string; count: number; isAdded: boolean }
  | { type: 'answered'; messageId: string; count: number; lastAt: string }
  | { type: 'deleted'; messageId: string; deletedAt: string };

type Unversioned = Extract<Change, { type: 'reacted' | 'answered' }>;

/** More than come while a page is on its way. */
const MOST_RECENT = 200;

export const EMPTY_LIST: MessageList = {
  messages: [],
  nextBefore: null,
  nextAfter: null,
  beyond: [],
  deleted: new Map(),
  recent: [],
  recentCount: 0,
  generation: 0,
};

/** Order ids that grow: numbers of any length. Ids that do not grow need an order by time here. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a.length - b.length || (a < b ? -1 : 1);
}

/** Put messages among others: each once, in order. */
export function mergeMessages(known: Message[], more: Message[], deleted: MessageList['deleted']): Message[] {
  const [only] = more;
  const newest = known.at(-1);
  // Most come one at a time and at the end: thousands need no sorting then.
  if (only && more.length === 1 && newest && compareIds(only.id, newest.id) > 0) return [...known, buried(only, deleted)];
  const byId = new Map(known.map((message) => [message.id, message]));
  for (const message of more) {
    // A receipt or an edit may come while the page that does not hold it yet is on its way.
    const before = byId.get(message.id);
    const status = laterStatus(before?.status ?? null, message.status);
    const shown = before && isEditedAfter(before, message) ? { ...message, content: before.content, editedAt: before.editedAt } : message;
    byId.set(message.id, { ...buried(shown, deleted), isRead: message.isRead || (before?.isRead ?? false), status });
  }
  return [...byId.values()].sort((a, b) => compareIds(a.id, b.id));
}

/** Whether one copy of a message has an edit that another does not have. */
const isEditedAfter = (one: Message, other: Message) => (one.editedAt ?? '') > (other.editedAt ?? '');

/** Leave of a message that was deleted what stays of it: that it was there. */
function buried(message: Message, deleted: MessageList['deleted']): Message {
  const deletedAt = deleted.get(message.id);
  if (deletedAt === undefined || message.deletedAt !== null) return message;
  return { ...message, content: '', mentions: [], reactions: [], deletedAt };
}

/** Change the one message of an id, if it is there. */
function changeOne(list: MessageList, messageId: string, change: (message: Message) => Message): MessageList {
  if (!list.messages.some(({ id }) => id === messageId)) return list;
  return { ...list, messages: list.messages.map((message) => (message.id === messageId ? change(message) : message)) };
}

/** Take an edited message, but what its event tells as its sender sees it. */
function updated(list: MessageList, edited: Message): MessageList {
  return changeOne(list, edited.id, (message) => {
    const { isRead, status } = message;
    return buried({ ...edited, isRead, status }, list.deleted);
  });
}

function reacted(message: Message, { emoji, userId, count, isAdded }: Extract<Change, { type: 'reacted' }>): Message {
  const before = message.reactions.find((one) => one.emoji === emoji);
  const others = (before?.userIds ?? []).filter((id) => id !== userId);
  const after = { emoji, count, userIds: isAdded ? [...others, userId] : others };
  if (before === undefined) return count === 0 ? message : { ...message, reactions: [...message.reactions, after] };
  const reactions = message.reactions.map((one) => (one === before ? after : one));
  return { ...message, reactions: reactions.filter((one) => one.count > 0) };
}

function loadedEarlier(list: MessageList, page: MessagePage): MessageList {
  return { ...list, messages: mergeMessages(list.messages, page.messages, list.deleted), nextBefore: page.nextBefore };
}

function loadedLater(list: MessageList, page: MessagePage): MessageList {
  return reached({ ...list, messages: mergeMessages(list.messages, page.messages, list.deleted), nextAfter: page.nextAfter });
}

/** Show a part of a conversation: beside what is shown, where it is of one piece with it, else instead. */
function loadedAround(list: MessageList, page: MessagePage): MessageList {
  const known = new Set(list.messages.map(({ id }) => id));
  if (!page.messages.some(({ id }) => known.has(id))) return replaced(list, page);
  const [first] = page.messages;
  const isEarlier = first !== undefined && !known.has(first.id);
  const joined = isEarlier ? loadedEarlier(list, page) : list;
  const last = page.messages.at(-1);
  return last === undefined || known.has(last.id) ? joined : loadedLater(joined, page);
}

function replaced(list: MessageList, page: MessagePage): MessageList {
  const { nextBefore, nextAfter } = page;
  const messages = mergeMessages([], page.messages, list.deleted);
  return reached({ ...list, messages, nextBefore, nextAfter, generation: list.generation + 1 });
}

/** Show what has come beyond the part that is shown, once that reaches the end. */
function reached(list: MessageList): MessageList {
  if (list.nextAfter !== null || list.beyond.length === 0) return list;
  return { ...list, messages: mergeMessages(list.messages, list.beyond, list.deleted), beyond: [] };
}

/** Take messages that have come: those after a gap are shown when the reader comes to the end. */
function received(list: MessageList, messages: Message[]): MessageList {
  const { nextAfter } = list;
  if (nextAfter === null) return { ...list, messages: mergeMessages(list.messages, messages, list.deleted) };
  const isNear = ({ id }: Message) => compareIds(id, nextAfter) <= 0;
  const near = messages.filter(isNear);
  const far = messages.filter((message) => !isNear(message));
  return {
    ...list,
    messages: mergeMessages(list.messages, near, list.deleted),
    beyond: mergeMessages(list.beyond, far, list.deleted),
  };
}

function caughtUp(list: MessageList, change: Extract<Change, { type: 'caughtUp' }>): MessageList {
  // An earlier part is shown, of which this page says nothing.
  if (list.nextAfter !== null) return list;
  const { page, known } = change;
  const present = new Set(page.messages.map(({ id }) => id));
  const oldest = page.nextBefore === null ? undefined : page.messages[0]?.id;
  const isJoined = page.messages.some(({ id }) => known.has(id));
  const isEarlier = (id: string) => isJoined && oldest !== undefined && compareIds(id, oldest) < 0;
  // What was there before and is not any more has been deleted meanwhile; what came meanwhile stays, and what the page does not reach.
  const kept = list.messages.filter(({ id }) => !known.has(id) || present.has(id) || isEarlier(id));
  const reachesBack = kept.some(({ id }) => isEarlier(id));
  return {
    ...list,
    messages: mergeMessages(kept, page.messages, list.deleted),
    nextBefore: reachesBack ? list.nextBefore : page.nextBefore,
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
  const changed = applied(list, change);
  if (change.type === 'reacted' || change.type === 'answered') {
    return { ...changed, recent: [...changed.recent, change].slice(-MOST_RECENT), recentCount: changed.recentCount + 1 };
  }
  return 'page' in change ? withRecent(changed, change.page) : changed;
}

/** Make the changes again that came while a page was on its way. */
function withRecent(list: MessageList, { asked = list.recentCount }: MessagePage): MessageList {
  const count = Math.min(list.recentCount - asked, list.recent.length);
  return list.recent.slice(list.recent.length - count).reduce(applied, list);
}

function applied(list: MessageList, change: Change): MessageList {
  switch (change.type) {
    case 'received':
      return received(list, change.messages);
    case 'updated':
      return updated(list, change.message);
    case 'caughtUp':
      return caughtUp(list, change);
    case 'loadedEarlier':
      return change.edge === list.nextBefore ? loadedEarlier(list, change.page) : list;
    case 'loadedLater':
      return change.edge === list.nextAfter ? loadedLater(list, change.page) : list;
    case 'loadedAround':
      return loadedAround(list, change.page);
    case 'loadedLatest':
      return replaced(list, change.page);
    case 'read':
      return markedRead(list, change);
    case 'reacted':
      return changeOne(list, change.messageId, (message) => reacted(message, change));
    case 'answered': {
      const { count, lastAt } = change;
      return changeOne(list, change.messageId, (message) => ({ ...message, thread: { count, lastAt } }));
    }
    case 'deleted': {
      const deleted = new Map(list.deleted).set(change.messageId, change.deletedAt);
      return changeOne({ ...list, deleted }, change.messageId, (message) => buried(message, deleted));
    }
  }
}
