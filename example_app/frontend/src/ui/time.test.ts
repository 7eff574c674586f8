import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { dayName, shortTime, timeOfDay, timeToCome } from './time';

const at = (...parts: [number, number, number, number?]) => new Date(parts[0], parts[1] - 1, parts[2], parts[3] ?? 12).toISOString();

beforeEach(() => vi.useFakeTimers({ now: new Date(2026, 10, 29, 1) }));
afterEach(() => vi.useRealTimers());

it('names the days near to today', () => {
  expect([dayName(at(2026, 11, 29)), dayName(at(2026, 11, 28))]).toEqual(['Today', 'Yesterday']);
  expect(dayName(at(2026, 11, 27))).toMatch(/27/);
  expect(dayName(at(2026, 11, 27))).not.toMatch(/2026/);
});

it('names the year of days in another one', () => {
  expect(dayName(at(2025, 12, 31))).toMatch(/2025/);
});

it('is as short as the time is near', () => {
  expect(shortTime(at(2026, 11, 29, 0))).toBe(timeOfDay(at(2026, 11, 29, 0)));
  expect(shortTime(at(2026, 11, 28, 23))).toBe('Yesterday');
  expect(shortTime(at(2026, 11, 24))).toBe(new Intl.DateTimeFormat(undefined, { weekday: 'short' }).format(new Date(at(2026, 11, 24))));
  expect(shortTime(at(2026, 3, 2))).toMatch(/2/);
  expect(shortTime(at(2024, 3, 2))).toMatch(/2024/);
});

it('has the time of what is to come, and its day after midnight', () => {
  expect(timeToCome(at(2026, 11, 29, 2))).toBe(timeOfDay(at(2026, 11, 29, 2)));
  const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' }).format(new Date(at(2026, 11, 30)));
  expect(timeToCome(at(2026, 11, 30, 0))).toBe(`${weekday} ${timeOfDay(at(2026, 11, 30, 0))}`);
});
