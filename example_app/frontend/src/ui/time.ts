const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const timeOfDay = (iso: string) => TIME.format(new Date(iso));
export const dateAndTime = (iso: string) => FULL.format(new Date(iso));

export function dayName(iso: string): string {
  const day = new Date(iso);
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  if (day.toDateString() === new Date().toDateString()) return 'Today';
  if (day.toDateString() === yesterday.toDateString()) return 'Yesterday';
  return DAY.format(day);
}

export const isSameDay = (a: string, b: string) => new Date(a).toDateString() === new Date(b).toDateString();
