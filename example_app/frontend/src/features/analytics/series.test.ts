import { expect, it } from 'vitest';

import type { Figures, Point } from './api';
import { chartsOf, eventsByKind, formatDuration } from './series';

const NONE = { count: 0, medianMs: null, p95Ms: null };

const point = (fields: Partial<Point> = {}): Point => ({
  start: '2026-11-29T12:00:00.000Z',
  connections: { peak: 3, mean: 1.25 },
  users: null,
  messages: 2,
  events: { received: { 'message:send': 2, 'typing:start': 1 }, sent: { 'message:new': 3 } },
  delivery: { count: 4, medianMs: 35, p95Ms: 2_500 },
  reading: NONE,
  ...fields,
});

const figures = (interval: Figures['interval'], total = point()): Figures => ({
  start: total.start,
  end: total.start,
  interval,
  total,
  points: [total],
});

it('has a chart of users where there are days', () => {
  const titles = ['Connections', 'Messages', 'Events', 'Time to deliver', 'Time to read'];
  expect(chartsOf(figures('hour')).map(({ title }) => title)).toEqual(titles);
  expect(chartsOf(figures('day')).map(({ title }) => title)).toEqual(['Connections', 'Active users', ...titles.slice(1)]);
});

it('sums all of the time up in words', () => {
  const total = point({ users: { daily: 5, monthly: 9 } });
  expect(chartsOf(figures('day', total)).map(({ summary }) => summary(total))).toEqual([
    'Peak 3, mean 1.3',
    '5 daily, 9 monthly',
    '2',
    '3 received, 3 sent',
    'Median 35 ms, 95 % 2.5 s, of 4',
    'None measured',
  ]);
});

it('draws nothing where nothing was measured', () => {
  const reading = chartsOf(figures('hour')).find(({ title }) => title === 'Time to read');
  expect(reading?.lines.map(({ value }) => value(point()))).toEqual([null, null]);
});

it('lists events by how many there were', () => {
  expect(eventsByKind(point())).toEqual([
    { name: 'message:new', received: 0, sent: 3 },
    { name: 'message:send', received: 2, sent: 0 },
    { name: 'typing:start', received: 1, sent: 0 },
  ]);
});

it.each([
  [0.91, '0.91 ms'],
  [999, '999 ms'],
  [1_500, '1.5 s'],
  [90_000, '1.5 min'],
  [7_200_000, '2 h'],
])('writes %s milliseconds as %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});
