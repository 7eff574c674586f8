import { describe, expect, it } from 'vitest';

import { makeConversation, MEMBER, OWNER } from '../../testing/conversations';
import { ALICE, BOB, makeMessage } from '../../testing/messages';
import { byActivity, previewOf, withLastChanged, withLatest, withLatestChanged } from './activity';
import type { Message } from '../messages/messageList';
import type { Conversation, Participant } from './api';

const conversation = (id: string, changes: Partial<Conversation> = {}) => makeConversation({ id, ...changes });
const latest = (...messages: ReturnType<typeof makeMessage>[]) => new Map(messages.map((one) => [one.conversationId, one]));

describe('the last message', () => {
  it('is the later one of what the server has told and what has come', () => {
    const told = conversation('1', { lastMessage: makeMessage(9) });
    expect(withLatest(told, latest(makeMessage(10))).lastMessage?.id).toBe('10');
    expect(withLatest(told, latest(makeMessage(8))).lastMessage?.id).toBe('9');
  });

  it('is what has come where the server tells none', () => {
    expect(withLatest(conversation('1'), latest(makeMessage(3))).lastMessage?.id).toBe('3');
    expect(withLatest(conversation('1', { lastMessage: null }), latest(makeMessage(3))).lastMessage?.id).toBe('3');
    expect(withLatest(conversation('2'), latest(makeMessage(3))).lastMessage).toBeUndefined();
  });

  it('is as the server tells it where both are the same, since what came may have changed meanwhile', () => {
    const told = conversation('1', { lastMessage: makeMessage(9, { content: 'edited' }) });
    expect(withLatest(told, latest(makeMessage(9))).lastMessage?.content).toBe('edited');
  });

  it('changes if it is the one that changes', () => {
    const edit = (message: Message) => ({ ...message, content: 'edited' });
    const told = conversation('1', { lastMessage: makeMessage(9) });
    expect(withLastChanged(told, '9', edit).lastMessage?.content).toBe('edited');
    expect(withLastChanged(told, '8', edit)).toBe(told);
    const come = latest(makeMessage(9));
    expect(withLatestChanged(come, '9', edit).get('1')?.content).toBe('edited');
    expect(withLatestChanged(come, '8', edit)).toBe(come);
  });
});

it('comes first where something happened last, then what the server has not told, in its order', () => {
  const list = [
    conversation('5'),
    conversation('4', { lastMessage: null, createdAt: '2026-01-01T00:00:05.000Z' }),
    conversation('3', { lastMessage: makeMessage(2), createdAt: '2020-01-01T00:00:00.000Z' }),
    conversation('2'),
    conversation('1', { lastMessage: makeMessage(30) }),
  ];
  expect(byActivity(list).map(({ id }) => id)).toEqual(['1', '4', '3', '5', '2']);
});

it('is shown with the name of its sender where there are several', () => {
  const message = makeMessage(1, { content: 'Hello' });
  expect(previewOf(conversation('1', { lastMessage: message }), ALICE.id)).toEqual({ sender: null, text: 'Hello' });
  expect(previewOf(conversation('1', { lastMessage: message }), BOB.id)).toEqual({ sender: 'You', text: 'Hello' });
  const carol: Participant = { id: '3', username: 'carol', role: 'member' };
  expect(previewOf(conversation('1', { lastMessage: message, participants: [OWNER, MEMBER, carol] }), ALICE.id)).toEqual({ sender: 'bob', text: 'Hello' });
  const deleted = makeMessage(1, { content: '', deletedAt: message.createdAt });
  expect(previewOf(conversation('1', { lastMessage: deleted }), ALICE.id)).toEqual({ sender: null, text: 'Message deleted' });
  expect(previewOf(conversation('1', { lastMessage: null }), ALICE.id)).toBeNull();
});
