import { expect, it } from 'vitest';

import { joinNames } from './names';

it.each([
  [['a'], 'a'],
  [['a', 'b'], 'a and b'],
  [['a', 'b', 'c', 'd'], 'a, b, c, and d'],
  [['a', 'b', 'c', 'd', 'e'], 'a, b, c, and 2 others'],
])('joins %j', (names, joined) => {
  expect(joinNames(names)).toBe(joined);
});

it('counts those whose names are not known', () => {
  expect(joinNames(['a', 'b', 'c', 'd'], 250)).toBe('a, b, c, and 247 others');
});
