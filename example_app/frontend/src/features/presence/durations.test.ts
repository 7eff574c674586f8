import { expect, it } from 'vitest';

import { untilOf } from './durations';

const NOW = new Date(2026, 0, 31, 23, 45);

it('ends after the chosen time, at midnight, or never', () => {
  expect(untilOf('always', NOW)).toBeNull();
  expect(untilOf('half', NOW)).toBe(new Date(2026, 1, 1, 0, 15).toISOString());
  expect(untilOf('hour', NOW)).toBe(new Date(2026, 1, 1, 0, 45).toISOString());
  expect(untilOf('today', NOW)).toBe(new Date(2026, 1, 1).toISOString());
});
