import { expect, it } from 'vitest';

import { lengthOf, lengthText } from './length';

it.each([
  ['', 0],
  ['  hello \n', 5],
  ['👍🏽', 2],
  ['日本', 2],
])('counts the characters of %j as the server does', (text, length) => {
  expect(lengthOf(text)).toBe(length);
});

it.each([
  [3_599, ''],
  [3_600, '400 characters left'],
  [3_999, '1 character left'],
  [4_000, '0 characters left'],
  [4_001, 'Too long to send: 1 character over 4,000'],
  [9_500, 'Too long to send: 5,500 characters over 4,000'],
])('says of %i characters: %j', (length, text) => {
  expect(lengthText(length)).toBe(text);
});
