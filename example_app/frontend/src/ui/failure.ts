import { RealtimeError } from '../realtime/socket';

const MINUTE_SECONDS = 60;

/** Put in words why a call failed, and how long to wait where the server has told it. */
export function failureText(failure: unknown): string {
  if (!(failure instanceof RealtimeError)) return 'The server cannot be reached.';
  const { message, retryAfter } = failure;
  if (retryAfter === undefined) return message;
  return `${message.split(';')[0]}. Try again in ${duration(retryAfter)}.`;
}

function duration(seconds: number): string {
  if (seconds <= MINUTE_SECONDS) return counted(Math.max(1, Math.ceil(seconds)), 'second');
  return counted(Math.ceil(seconds / MINUTE_SECONDS), 'minute');
}

const counted = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;
