import { call } from '../../api/http';

export type Interval = 'minute' | 'hour' | 'day';

export interface Times {
  count: number;
  medianMs: number | null;
  p95Ms: number | null;
}

export interface Point {
  start: string;
  connections: { peak: number; mean: number };
  /** Of days alone. */
  users: { daily: number; monthly: number } | null;
  messages: number;
  events: { received: Record<string, number>; sent: Record<string, number> };
  delivery: Times;
  reading: Times;
}

export interface Figures {
  start: string;
  end: string;
  interval: Interval;
  total: Point;
  points: Point[];
}

/** Get the last figures, as an administrator: an hour of minutes, two days of hours, or thirty days. */
export function fetchFigures(interval: Interval): Promise<Figures> {
  return call<Figures>('GET', `/api/admin/analytics?interval=${interval}`);
}
