import { call } from '../../api/http';
import { fetchPages } from '../../api/pages';
import type { User } from '../authentication/session';

export interface Conversation {
  id: string;
  title: string | null;
  participants: User[];
  unreadCount: number;
}

const PAGE = 50;

/** List the newest conversations, so many pages of them. */
export async function listConversations(pages: number): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
  const { rows, hasMore } = await fetchPages<Conversation>('/api/conversations', PAGE, 'before', pages);
  return { conversations: rows, hasMore };
}

export const createConversation = (title: string, participantIds: string[]) =>
  call<Conversation>('POST', '/api/conversations', { title: title.trim() || null, participantIds });
