import { expect, it } from 'vitest';

import { RealtimeError } from '../realtime/socket';
import { failureText } from './failure';

const limited = (seconds: number) => new RealtimeError('rate_limited', 'Too many attempts to log in; try again later', seconds);

it.each([
  [0.2, '1 second'],
  [11.3, '12 seconds'],
  [60, '60 seconds'],
  [61, '2 minutes'],
  [3600, '60 minutes'],
])('says how long to wait: %s', (seconds, words) => {
  expect(failureText(limited(seconds))).toBe(`Too many attempts to log in. Try again in ${words}.`);
});

it('says what the server says otherwise', () => {
  expect(failureText(new RealtimeError('unauthorized', 'The username or the password is wrong'))).toBe(
    'The username or the password is wrong',
  );
});

it('says that there is no server', () => {
  expect(failureText(new TypeError('Failed to fetch'))).toBe('The server cannot be reached.');
});
