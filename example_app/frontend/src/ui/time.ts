const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const DATE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const DATE_OF_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

const DAYS_OF_A_WEEK = 7;

export const timeOfDay = (iso: string) => TIME.format(new Date(iso));
export const dateAndTime = (iso: string) => FULL.format(new Date(iso));

/** Say when something will be: the time, and the day if that is not today. */
export function timeToCome(iso: string): string {
  const day = new Date(iso);
  return nearDay(day) === 'Today' ? TIME.format(day) : `${WEEKDAY.format(day)} ${TIME.format(day)}`;
}

export const isSameDay = (a: string, b: string) => new Date(a).toDateString() === new Date(b).toDateString();

/** Name a day for a line between messages. */
export function dayName(iso: string): string {
  const day = new Date(iso);
  return nearDay(day) ?? (isThisYear(day) ? DAY : DAY_OF_YEAR).format(day);
}

/** Say when something was, in a word or two: the time today, else the day. */
export function shortTime(iso: string): string {
  const day = new Date(iso);
  const near = nearDay(day);
  if (near === 'Today') return TIME.format(day);
  if (near !== null) return near;
  if (day > daysAgo(DAYS_OF_A_WEEK - 1)) return WEEKDAY.format(day);
  return (isThisYear(day) ? DATE : DATE_OF_YEAR).format(day);
}

function nearDay(day: Date): string | null {
  if (day.toDateString() === new Date().toDateString()) return 'Today';
  return day.toDateString() === daysAgo(1).toDateString() ? 'Yesterday' : null;
}

const isThisYear = (day: Date) => day.getFullYear() === new Date().getFullYear();

/** The beginning of the day that so many days ago was. */
function daysAgo(days: number): Date {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - days);
  return day;
}
