import { expect, it } from 'vitest';

import { plainTextOf } from './plainText';

it.each([
  ['**a** and *b*, `c*d`', 'a and b, c*d'],
  ['~~gone~~ <https://a.b/?c=d>', 'gone https://a.b/?c=d'],
  ['one\n\ntwo\\\nthree', 'one two three'],
  ['- one\n- two\n  1. three', 'one two three'],
  ['> > quoted\n\nnot', 'quoted not'],
  ['```js\nx < *y*\n```', 'x < *y*'],
  ['[text](https://a.b) \\*as is\\* &amp; <b>', '[text](https://a.b) *as is* &amp; <b>'],
])('reads %j as %j', (text, plain) => {
  expect(plainTextOf(text)).toBe(plain);
});

it('leaves what is nested too deeply as it was written', () => {
  const text = `${'> '.repeat(40)}a`;
  expect(plainTextOf(text)).toBe(text);
});
