/** What the server takes at most. */
export const MAX_LENGTH = 4_000;

/** From how many characters on the writer is told how many are left. */
export const NEAR_LENGTH = 3_600;

/** Count characters as the server does: one for each code point, without the space around the text. */
export function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text.trim()) length += 1;
  return length;
}

const NUMBER = new Intl.NumberFormat('en');

/** Put in words how much more may be written, or how much too much was; nothing while there is plenty of room. */
export function lengthText(length: number): string {
  if (length < NEAR_LENGTH) return '';
  if (length <= MAX_LENGTH) return `${characters(MAX_LENGTH - length)} left`;
  return `Too long to send: ${characters(length - MAX_LENGTH)} over ${NUMBER.format(MAX_LENGTH)}`;
}

const characters = (count: number) => `${NUMBER.format(count)} ${count === 1 ? 'character' : 'characters'}`;
