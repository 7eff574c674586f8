import type { Figures, Point } from './api';

/** A line of a chart. */
export interface Line {
  label: string;
  /** A custom property of the page's style. */
  colour: '--accent' | '--warning';
  value: (point: Point) => number | null;
}

export interface ChartOf {
  title: string;
  lines: Line[];
  /** How people read a value. */
  format: (value: number) => string;
  /** The figures of all the time. */
  summary: (total: Point) => string;
}

const MINUTE_S = 60;
const HOUR_S = 3600;

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const digits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

export const formatNumber = (value: number) => number.format(value);

/** Write milliseconds in the unit that people read. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds >= HOUR_S) return `${digits.format(seconds / HOUR_S)} h`;
  if (seconds >= MINUTE_S) return `${digits.format(seconds / MINUTE_S)} min`;
  return seconds >= 1 ? `${digits.format(seconds)} s` : `${digits.format(milliseconds)} ms`;
}

/** Add the events of all names up. */
export const sumOf = (events: Record<string, number>) => Object.values(events).reduce((sum, count) => sum + count, 0);

function timesChart(title: string, of: 'delivery' | 'reading'): ChartOf {
  return {
    title,
    lines: [
      { label: 'Median', colour: '--accent', value: (point) => point[of].medianMs },
      { label: '95th percentile', colour: '--warning', value: (point) => point[of].p95Ms },
    ],
    format: formatDuration,
    summary: ({ [of]: { count, medianMs, p95Ms } }) =>
      medianMs === null || p95Ms === null
        ? 'None measured'
        : `Median ${formatDuration(medianMs)}, 95 % ${formatDuration(p95Ms)}, of ${formatNumber(count)}`,
  };
}

const CONNECTIONS: ChartOf = {
  title: 'Connections',
  lines: [
    { label: 'Peak', colour: '--accent', value: ({ connections }) => connections.peak },
    { label: 'Mean', colour: '--warning', value: ({ connections }) => connections.mean },
  ],
  format: formatNumber,
  summary: ({ connections }) => `Peak ${formatNumber(connections.peak)}, mean ${formatNumber(connections.mean)}`,
};

const USERS: ChartOf = {
  title: 'Active users',
  lines: [
    { label: 'Daily', colour: '--accent', value: ({ users }) => users?.daily ?? null },
    { label: 'Monthly', colour: '--warning', value: ({ users }) => users?.monthly ?? null },
  ],
  format: formatNumber,
  summary: ({ users }) => (users ? `${formatNumber(users.daily)} daily, ${formatNumber(users.monthly)} monthly` : ''),
};

const MESSAGES: ChartOf = {
  title: 'Messages',
  lines: [{ label: 'Messages', colour: '--accent', value: ({ messages }) => messages }],
  format: formatNumber,
  summary: ({ messages }) => formatNumber(messages),
};

const EVENTS: ChartOf = {
  title: 'Events',
  lines: [
    { label: 'Received', colour: '--accent', value: ({ events }) => sumOf(events.received) },
    { label: 'Sent', colour: '--warning', value: ({ events }) => sumOf(events.sent) },
  ],
  format: formatNumber,
  summary: ({ events }) => `${formatNumber(sumOf(events.received))} received, ${formatNumber(sumOf(events.sent))} sent`,
};

/** List the charts of some figures; only days have users. */
export function chartsOf({ interval }: Figures): ChartOf[] {
  const times = [timesChart('Time to deliver', 'delivery'), timesChart('Time to read', 'reading')];
  return [CONNECTIONS, ...(interval === 'day' ? [USERS] : []), MESSAGES, EVENTS, ...times];
}

/** List the events of all the time by name, the most frequent first. */
export function eventsByKind({ events }: Point): { name: string; received: number; sent: number }[] {
  const names = new Set([...Object.keys(events.received), ...Object.keys(events.sent)]);
  return [...names]
    .map((name) => ({ name, received: events.received[name] ?? 0, sent: events.sent[name] ?? 0 }))
    .sort((a, b) => b.received + b.sent - a.received - a.sent || a.name.localeCompare(b.name));
}
