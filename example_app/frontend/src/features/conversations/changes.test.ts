import { expect, it } from 'vitest';

import { makeConversation, MEMBER, OWNER } from '../../testing/conversations';
import { ALICE, BOB } from '../../testing/messages';
import { isMuted, mayModerate, nextMuteEnd, roleIn, withMuteEnded, withoutMember, withoutPin, withRole, withUpdate } from './changes';

const NOW = Date.parse('2026-01-01T12:00:00Z');

it('is muted for ever, not at all, or until a time', () => {
  expect(isMuted({ muted: true }, NOW)).toBe(true);
  expect(isMuted({ muted: false }, NOW)).toBe(false);
  expect(isMuted({ muted: '2026-01-01T12:00:01Z' }, NOW)).toBe(true);
  expect(isMuted({ muted: '2026-01-01T11:59:59Z' }, NOW)).toBe(false);
});

it('keeps what only the viewer sees when others are told of a change', () => {
  const known = makeConversation({ unreadCount: 3, mentionCount: 1, muted: true });
  const { unreadCount: _unread, mentionCount: _mentions, muted: _muted, ...shared } = makeConversation({ title: 'New', pinned: ['7'] });
  expect(withUpdate(known, shared)).toEqual({ ...known, title: 'New', pinned: ['7'] });
  expect(withUpdate(known, { ...shared, muted: false }).muted).toBe(false);
});

it('follows roles, and who leaves', () => {
  const conversation = makeConversation();
  expect(withRole(conversation, BOB.id, 'moderator').participants).toEqual([OWNER, { ...MEMBER, role: 'moderator' }]);
  const left = withoutMember(conversation, BOB.id);
  expect([left.participants, left.participantCount]).toEqual([[OWNER], 1]);
});

it('lets owners and moderators of groups do what members may not', () => {
  const conversation = makeConversation();
  expect(mayModerate(conversation, ALICE.id)).toBe(true);
  expect(mayModerate(conversation, BOB.id)).toBe(false);
  expect(mayModerate(withRole(conversation, BOB.id, 'moderator'), BOB.id)).toBe(true);
  expect(mayModerate(makeConversation({ type: 'direct' }), ALICE.id)).toBe(false);
  expect(roleIn(conversation, '9')).toBeNull();
});

it('unpins what is deleted', () => {
  const conversation = makeConversation({ pinned: ['7', '8'] });
  expect(withoutPin(conversation, '7').pinned).toEqual(['8']);
  expect(withoutPin(conversation, '9')).toBe(conversation);
});

it('is not muted any more when the time is over', () => {
  const until = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString();
  const list = [until(-1), until(60), until(5), true, false].map((muted) => makeConversation({ muted }));
  expect(nextMuteEnd(list, NOW)).toBe(NOW + 5 * 60_000);
  expect(nextMuteEnd(list, NOW + 60 * 60_000)).toBeNull();
  expect(list.map((one) => withMuteEnded(one, NOW).muted)).toEqual([false, until(60), until(5), true, false]);
});
