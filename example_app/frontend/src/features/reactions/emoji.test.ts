import { expect, it } from 'vitest';

import { findEmoji, mayBeEmoji, QUICK, USUAL } from './emoji';

const emoji = (query: string) => findEmoji(query).map(([one]) => one);

it('is found by a word, or by itself', () => {
  expect(emoji('Rocket ')).toEqual(['🚀']);
  expect(emoji('🚀')).toEqual(['🚀']);
  expect(emoji('')).toHaveLength(USUAL.length);
  expect(emoji('nothing like that')).toEqual([]);
});

it('is there once', () => {
  const all = USUAL.map(([one]) => one);
  expect(new Set(all).size).toBe(all.length);
  expect(all).toEqual(expect.arrayContaining(QUICK));
});

it.each([
  ['🦊', true],
  ['👨‍👩‍👧', true],
  ['🇮🇪', true],
  ['1️⃣', true],
  ['fox', false],
  ['🦊 🦊', false],
])('%s may be one: %s', (text, isOne) => {
  expect(mayBeEmoji(text)).toBe(isOne);
});
