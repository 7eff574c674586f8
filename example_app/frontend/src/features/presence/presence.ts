import type { PresenceOfUser, UserStatus } from '../../realtime/types';
import { shortTime } from '../../ui/time';

/** What is known of users' presence, by their ids. */
export type Presences = ReadonlyMap<string, PresenceOfUser>;

/** Whether a user is online; undefined while there is no connection to know it from. */
export function isOnline(presences: Presences | null, userId: string): boolean | undefined {
  return presences ? presences.get(userId)?.status === 'online' : undefined;
}

/** Take what `user:status-changed` tells: whoever has a state or a text is announced with it by `presence:changed` too. */
export function withStatus(known: PresenceOfUser | undefined, { userId, status }: UserStatus, now: string): PresenceOfUser {
  if (known?.status === status) return known;
  return { userId, status, state: status, text: null, lastSeenAt: status === 'offline' ? now : null };
}

/** Put in words how somebody is, and since when somebody is away who is. */
export function presenceText({ state, text, lastSeenAt }: PresenceOfUser): string {
  if (text !== null) return `${state}: ${text}`;
  return state === 'offline' && lastSeenAt !== null ? `offline, last seen ${shortTime(lastSeenAt)}` : state;
}
