import { createContext, useContext } from 'react';

import type { User } from '../authentication/session';

interface People {
  userId: string;
  people: User[];
}

const PeopleContext = createContext<People>({ userId: '', people: [] });

/** The people of the conversation that is shown, and who of them looks at it. */
export const PeopleProvider = PeopleContext.Provider;

export const usePeople = () => useContext(PeopleContext);

/** Name users for others: oneself last. */
export function namesOf(userIds: string[], { userId, people }: People): string[] {
  const others = userIds.filter((id) => id !== userId).map((id) => people.find((one) => one.id === id)?.username ?? 'somebody');
  return userIds.includes(userId) ? [...others, 'you'] : others;
}
