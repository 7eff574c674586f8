import type { User } from '../authentication/session';

/** The id that mentions everyone, and the name that it is written with. */
export const EVERYONE: User = { id: '*', username: 'everyone' };

const WORD = String.raw`[\p{L}\p{N}_]`;

const escaped = (name: string) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Match each of some names after an at sign; longer names first, as one may begin with another. */
function patternOf(names: string[]): RegExp {
  const longestFirst = [...names].sort((a, b) => b.length - a.length).map(escaped);
  return new RegExp(`(?<!${WORD})@(?:${longestFirst.join('|')})(?!${WORD})`, 'giu');
}

/** Find out whom a text mentions: ids of those whose names are in it after an at sign. */
export function mentionsIn(text: string, people: User[]): string[] {
  if (people.length === 0 || !text.includes('@')) return [];
  const found = text.match(patternOf(people.map(({ username }) => username))) ?? [];
  const names = new Set(found.map((name) => name.slice(1).toLowerCase()));
  return people.filter(({ username }) => names.has(username.toLowerCase())).map(({ id }) => id);
}

/** Split a text at the mentions of some people; the parts at odd places are mentions. */
export function splitMentions(text: string, names: string[]): string[] {
  if (names.length === 0) return [text];
  return text.split(new RegExp(`(${patternOf(names).source})`, 'giu'));
}

export interface Completion {
  /** Where the at sign is. */
  start: number;
  query: string;
}

/** Return the beginning of a mention that ends at the caret. */
export function completionAt(text: string, caret: number): Completion | null {
  const [, query] = /(?:^|[^\p{L}\p{N}_])@([\w.+-]*)$/u.exec(text.slice(0, caret)) ?? [];
  return query === undefined ? null : { start: caret - query.length - 1, query };
}

/** Return those whose names begin with what is written, or have it inside. */
export function matching(people: User[], query: string): User[] {
  const wanted = query.toLowerCase();
  const place = ({ username }: User) => username.toLowerCase().indexOf(wanted);
  return people.filter((one) => place(one) >= 0).sort((a, b) => place(a) - place(b));
}
