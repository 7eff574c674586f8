import { cleanup, render, waitFor } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';

import { isEmojiOnly } from './emojiOnly';
import { hasMarkup } from './hasMarkup';
import { MessageText } from './MessageText';

afterEach(cleanup);

it('is there as plain text before the formatter is loaded', async () => {
  const { container } = render(<MessageText text="**hello**" />);
  expect(container.textContent).toBe('**hello**');
  await waitFor(() => expect(container.querySelector('strong')?.textContent).toBe('hello'));
});

it.each(['Hello, Bob!', 'one\ntwo', '2 + 2 = 4', 'a > b', 'http is a protocol', 'a - b', '3.5'])('needs no formatter for %j', (text) => {
  expect(hasMarkup(text)).toBe(false);
});

it.each(['*a*', 'see https://a.b', 'WWW.a.b', 'a\n> b', '- a', '1. a', '10) a', '`a`', '~~a~~', 'a\\*'])('may format %j', (text) => {
  expect(hasMarkup(text)).toBe(true);
});

it.each(['😀', '🎉🎉🎉', '👩‍🚀 🦊', '❤️', '👍🏽', '🇩🇪', '1️⃣', ' 😀\n'])('shows %j large', (text) => {
  expect(isEmojiOnly(text)).toBe(true);
});

it.each(['', ' ', 'a', '😀!', '🎉🎉🎉🎉', '12', '#', '©', '❤', '*', '😀'.repeat(2_000)])('shows %j as any text', (text) => {
  expect(isEmojiOnly(text)).toBe(false);
});
