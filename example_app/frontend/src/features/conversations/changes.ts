import type { Conversation, Role, UpdatedConversation } from './api';

/** Whether one is not to be disturbed by a conversation. */
export function isMuted({ muted }: Pick<Conversation, 'muted'>, now: number = Date.now()): boolean {
  return typeof muted === 'string' ? Date.parse(muted) > now : muted;
}

/** When the first of the conversations that are muted until a time is muted no more; null where there is none. */
export function nextMuteEnd(conversations: Pick<Conversation, 'muted'>[], now: number): number | null {
  const ends = conversations.map(({ muted }) => (typeof muted === 'string' ? Date.parse(muted) : 0)).filter((end) => end > now);
  return ends.length === 0 ? null : Math.min(...ends);
}

/** Take the mute from a conversation whose time is over. */
export function withMuteEnded(conversation: Conversation, now: number): Conversation {
  const isOver = typeof conversation.muted === 'string' && !isMuted(conversation, now);
  return isOver ? { ...conversation, muted: false } : conversation;
}

/** Take what has changed of a conversation. What only the viewer sees is as it was, unless the event has it. */
export function withUpdate(known: Conversation, updated: UpdatedConversation): Conversation {
  return { ...known, ...updated };
}

export function withRole(conversation: Conversation, userId: string, role: Role): Conversation {
  const participants = conversation.participants.map((one) => (one.id === userId ? { ...one, role } : one));
  return { ...conversation, participants };
}

export function withoutMember(conversation: Conversation, userId: string): Conversation {
  const participants = conversation.participants.filter(({ id }) => id !== userId);
  return { ...conversation, participants, participantCount: conversation.participantCount - 1 };
}

/** A message that was deleted is pinned no more. */
export function withoutPin(conversation: Conversation, messageId: string): Conversation {
  const pinned = conversation.pinned.filter((id) => id !== messageId);
  return pinned.length === conversation.pinned.length ? conversation : { ...conversation, pinned };
}

/** The user's own role; null where the conversation has more participants than are told. */
export function roleIn({ participants }: Conversation, userId: string): Role | null {
  return participants.find(({ id }) => id === userId)?.role ?? null;
}

/** Whether a user may rename a group and add to it. */
export function mayModerate(conversation: Conversation, userId: string): boolean {
  const role = roleIn(conversation, userId);
  return conversation.type === 'group' && (role === 'owner' || role === 'moderator');
}
