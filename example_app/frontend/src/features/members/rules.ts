import type { Role } from '../conversations/api';

export const ROLES: readonly Role[] = ['owner', 'moderator', 'member'];

export interface Rules {
  roles: Role[];
  mayRemove: boolean;
}

/**
 * Tell what a user may do with another member of a group; the server decides.
 *
 * @param own - The user's role; null if it is not known.
 * @param other - The member's.
 */
export function rulesFor(own: Role | null, other: Role): Rules {
  return {
    roles: own === 'owner' ? ROLES.filter((role) => role !== other) : [],
    mayRemove: own === 'owner' || (own === 'moderator' && other === 'member'),
  };
}
