import type { Conversation, Participant } from '../features/conversations/api';
import { ALICE, BOB } from './messages';

export const OWNER: Participant = { ...ALICE, role: 'owner' };
export const MEMBER: Participant = { ...BOB, role: 'member' };

/** A conversation of alice, who owns it, and bob. */
export function makeConversation(changes: Partial<Conversation> = {}): Conversation {
  return {
    id: '1',
    type: 'group',
    title: null,
    participants: [OWNER, MEMBER],
    participantCount: 2,
    pinned: [],
    unreadCount: 0,
    mentionCount: 0,
    muted: false,
    ...changes,
  };
}
