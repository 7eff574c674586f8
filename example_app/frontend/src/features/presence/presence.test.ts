import { expect, it } from 'vitest';

import type { PresenceOfUser } from '../../realtime/types';
import { isOnline, presenceText, withStatus } from './presence';

const NOW = '2026-01-31T12:00:00.000Z';
const BUSY: PresenceOfUser = { userId: '1', status: 'online', state: 'busy', text: 'In a meeting', lastSeenAt: null };

it('puts in words how somebody is', () => {
  expect(presenceText(BUSY)).toBe('busy: In a meeting');
  expect(presenceText({ ...BUSY, text: null })).toBe('busy');
  expect(presenceText({ userId: '1', status: 'offline', state: 'offline', text: null, lastSeenAt: null })).toBe('offline');
  expect(presenceText({ userId: '1', status: 'offline', state: 'offline', text: null, lastSeenAt: new Date().toISOString() })).toMatch(
    /^offline, last seen \d/,
  );
});

it('knows when somebody went offline, and keeps the state of somebody who is online anyway', () => {
  expect(withStatus(BUSY, { userId: '1', status: 'offline' }, NOW)).toEqual({
    userId: '1',
    status: 'offline',
    state: 'offline',
    text: null,
    lastSeenAt: NOW,
  });
  expect(withStatus(BUSY, { userId: '1', status: 'online' }, NOW)).toBe(BUSY);
  expect(withStatus(undefined, { userId: '1', status: 'online' }, NOW)).toMatchObject({ state: 'online', lastSeenAt: null });
});

it('does not know without a connection', () => {
  expect(isOnline(null, '1')).toBeUndefined();
  expect(isOnline(new Map([['1', BUSY]]), '1')).toBe(true);
  expect(isOnline(new Map(), '1')).toBe(false);
});
