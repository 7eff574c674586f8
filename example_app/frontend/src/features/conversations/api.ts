import { call } from '../../api/http';
import { fetchPages } from '../../api/pages';
import type { User } from '../authentication/session';
import type { Message } from '../messages/messageList';

export type Role = 'owner' | 'moderator' | 'member';

export interface Participant extends User {
  role: Role;
}

/** What one viewer sees of a conversation otherwise than the others, who get events about it without this. */
interface Viewed {
  unreadCount: number;
  mentionCount: number;
  /** Until when, where it is not for ever. */
  muted: boolean | string;
}

interface Shared {
  id: string;
  type: 'direct' | 'group';
  title: string | null;
  /** The first 100 at most. */
  participants: Participant[];
  participantCount: number;
  /** Ids of messages, the one pinned last at the end. */
  pinned: string[];
  /** Null where nobody has written yet; left out where the server does not tell. */
  lastMessage?: Message | null;
  createdAt?: string;
}

export type Conversation = Shared & Viewed;

/** A conversation as `conversation:updated` has it. */
export type UpdatedConversation = Shared & Partial<Viewed>;

const PAGE = 50;

const pathOf = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}`;

/** List the newest conversations, so many pages of them. */
export async function listConversations(pages: number): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
  const { rows, hasMore } = await fetchPages<Conversation>('/api/conversations', PAGE, 'before', pages);
  return { conversations: rows, hasMore };
}

export const createConversation = (title: string, participantIds: string[]) =>
  call<Conversation>('POST', '/api/conversations', { title: title.trim() || null, participantIds });

/** Get the conversation with one other user; there is one of it, however often this is called. */
export const startDirectConversation = (userId: string) =>
  call<Conversation>('POST', '/api/conversations', { type: 'direct', participantIds: [userId] });

export const renameConversation = (conversationId: string, title: string) =>
  call<Conversation>('PATCH', pathOf(conversationId), { title: title.trim() || null });

export const muteConversation = (conversationId: string, muted: Conversation['muted']) =>
  call<Conversation>('PATCH', pathOf(conversationId), { muted });
