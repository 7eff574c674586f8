import type { Message } from '../messages/messageList';
import { compareIds } from '../messages/messageList';

/** A message that the server has not confirmed yet, as it is kept in the browser. */
export interface Written {
  userId: string;
  conversationId: string;
  /** The message's own id: for 24 hours the server stores it once, however often it is sent. */
  clientId: string;
  content: string;
  /** The message that it quotes. */
  replyTo?: string;
  /** The message whose thread it is in. */
  threadId?: string;
  /** Ids of the users whom it mentions, and `*` for everyone. */
  mentions?: string[];
  /** When it was written, in milliseconds. */
  writtenAt: number;
  /**
   * The newest message before it: what is not newer cannot be this one. Null in a conversation without messages, undefined
   * where they were not loaded.
   */
  after: string | null | undefined;
  /** Whether it was handed to the connection: it may have arrived then, even if no answer came. */
  isAttempted: boolean;
  /** Why it is not sent by itself any more, in words for the user. */
  problem: string | null;
}

/** What a message has beside its text. */
export type Extras = Pick<Written, 'replyTo' | 'mentions'>;

/** Where messages are written: in a conversation, or in the thread of a message there. */
export interface WritingPlace {
  conversationId: string;
  threadId: string | null;
}

/** Name the draft of a place. */
export function draftKey({ conversationId, threadId }: { conversationId: string; threadId?: string | null | undefined }): string {
  return threadId ? `${conversationId}/${threadId}` : conversationId;
}

export const isWrittenIn = ({ conversationId, threadId }: WritingPlace, one: Written) =>
  one.conversationId === conversationId && (one.threadId ?? null) === threadId;

export interface Outgoing extends Written {
  /** Its place among all that the user has written, in whichever tab. */
  number: number;
}

/** Texts of one user that are not sent yet: messages, in the order in which they were written, and drafts. */
export interface Texts {
  list(): Promise<Outgoing[]>;
  /** Keep a message, and delete the draft that it was, both or neither. */
  add(message: Written): Promise<void>;
  /** Change a message, if it is still there, and return it. */
  change(number: number, changes: Partial<Written>): Promise<Outgoing | undefined>;
  /** Delete a message that the server has stored under an id. */
  finish(outgoing: Outgoing, messageId: string): Promise<void>;
  discard(number: number): Promise<void>;
  draft(key: string): Promise<string>;
  /** Keep a draft; an empty one is deleted. */
  keepDraft(key: string, text: string): Promise<void>;
  /** Delete all of the user's texts. */
  forget(): Promise<void>;
}

/** Return those that come after a message of the same conversation that has got an id, with what they know by that. */
export function followers(waiting: Outgoing[], { number, conversationId }: Outgoing, messageId: string): Outgoing[] {
  return waiting
    .filter((one) => one.number > number && one.conversationId === conversationId)
    .filter(({ after }) => after === null || after === undefined || compareIds(after, messageId) < 0)
    .map((one) => ({ ...one, after: messageId }));
}

/**
 * Leave out what has arrived. A message comes as an event too, sometimes before the answer to the one who sent it, and where that
 * answer is lost it is found among the loaded messages: so it is not shown twice until it is sent again and answered. Where the server
 * does not tell the ids that senders give, it is known by its text.
 */
export function withoutArrived(waiting: Outgoing[], messages: Message[], userId: string): Outgoing[] {
  const own = messages.filter(({ senderId }) => senderId === userId);
  const arrivedIds = new Set(own.map(({ clientId }) => clientId));
  const isIt = (one: Message, { content, after }: Outgoing) =>
    !one.clientId && one.content === content && (after === null || (after !== undefined && compareIds(one.id, after) > 0));
  return waiting.filter((outgoing) => {
    const { clientId, after, isAttempted, problem } = outgoing;
    if (arrivedIds.has(clientId)) return false;
    if (!isAttempted || problem !== null || after === undefined) return true;
    const arrived = own.findIndex((one) => isIt(one, outgoing));
    if (arrived < 0) return true;
    own.splice(arrived, 1);
    return false;
  });
}
