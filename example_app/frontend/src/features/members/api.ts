import { call } from '../../api/http';
import type { Participant, Role } from '../conversations/api';

export interface Member extends Participant {
  joinedAt: string;
}

export interface MemberPage {
  members: Member[];
  /** What to ask for to get the members who came later; null at the end. */
  nextAfter: string | null;
}

const PAGE = 100;

const membersOf = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}/members`;
const pathOf = (conversationId: string, userId: string) => `${membersOf(conversationId)}/${encodeURIComponent(userId)}`;

export const listMembers = (conversationId: string, after: string | null) =>
  call<MemberPage>('GET', `${membersOf(conversationId)}?limit=${PAGE}${after === null ? '' : `&after=${after}`}`);

export const addMember = (conversationId: string, userId: string) => call('POST', membersOf(conversationId), { userIds: [userId] });

export const setRole = (conversationId: string, userId: string, role: Role) => call('PATCH', pathOf(conversationId, userId), { role });

/** Remove a member, or leave. */
export const removeMember = (conversationId: string, userId: string) => call('DELETE', pathOf(conversationId, userId));
