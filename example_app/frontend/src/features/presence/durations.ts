/** For how long a status holds. */
export const DURATIONS = { always: 'I change it', half: 'In 30 minutes', hour: 'In an hour', today: 'The end of today' } as const;

export type Duration = keyof typeof DURATIONS;

const MINUTE_MS = 60_000;

/** Return when a status that is set now ends, as the server takes it; null for never. */
export function untilOf(duration: Duration, now: Date): string | null {
  if (duration === 'always') return null;
  const end = new Date(now);
  if (duration === 'today') end.setHours(24, 0, 0, 0);
  else end.setTime(now.getTime() + (duration === 'half' ? 30 : 60) * MINUTE_MS);
  return end.toISOString();
}
