import { describe, expect, it } from 'vitest';

import { ALICE, BOB, makeMessage } from '../../testing/messages';
import { changeList, compareIds, EMPTY_LIST, type Change, type MessageList } from './messageList';

const own = (id: number, content: string) => makeMessage(id, { content, senderId: ALICE.id, sender: ALICE });
const received = (...messages: ReturnType<typeof makeMessage>[]): Change => ({ type: 'received', messages });

const deleted = (messageId: string): Change => ({ type: 'deleted', messageId, deletedAt: 'then' });

function after(...changes: Change[]): MessageList {
  return changes.reduce(changeList, EMPTY_LIST);
}

const idsOf = (list: MessageList) => list.messages.map(({ id }) => id);

describe('the order', () => {
  it('is that of numbers, however long', () => {
    expect(['10', '9', '100', '2'].sort(compareIds)).toEqual(['2', '9', '10', '100']);
  });
});

describe('messages that arrive', () => {
  it('are there once and in order, whichever way and however often they come', () => {
    const list = after(received(makeMessage(3)), received(makeMessage(1), makeMessage(3)), received(makeMessage(2)));
    expect(idsOf(list)).toEqual(['1', '2', '3']);
  });

  it('do not come back once they are deleted, but leave a trace', () => {
    const list = after(deleted('1'), received(makeMessage(1)), received(makeMessage(2)));
    expect(list.messages.map(({ content, deletedAt }) => [content, deletedAt])).toEqual([['', 'then'], ['message 2', null]]);
  });

  it('stay read when an older page says that they are not', () => {
    const list = after(received(makeMessage(1, { isRead: true })), received(makeMessage(1)));
    expect(list.messages[0]?.isRead).toBe(true);
  });

  it('keep the latest status when an older page has an earlier one', () => {
    const list = after(received(makeMessage(1, { status: 'read' })), received(makeMessage(1, { status: 'delivered' })));
    expect(list.messages[0]?.status).toBe('read');
  });
});

describe('receipts', () => {
  const messages = received(own(1, 'mine'), makeMessage(2));
  const read = (readerId: string | undefined): Change => ({ type: 'read', messageIds: ['1', '2'], readerId, userId: ALICE.id });
  const isRead = (list: MessageList) => list.messages.map((message) => message.isRead);

  it('of another are about one’s own messages', () => {
    expect(isRead(after(messages, read(BOB.id)))).toEqual([true, false]);
  });

  it('of oneself are about those of others', () => {
    expect(isRead(after(messages, read(ALICE.id)))).toEqual([false, true]);
  });

  it('of nobody in particular are about all', () => {
    expect(isRead(after(messages, read(undefined)))).toEqual([true, true]);
  });
});

describe('an earlier part of a conversation', () => {
  const earlier: Change = { type: 'loadedAround', page: { messages: [makeMessage(1), makeMessage(2)], nextBefore: null, nextAfter: '2' } };

  it('is followed at its end by what has come meanwhile, also by what the page of the end was read too early for', () => {
    const end: Change = { type: 'loadedLatest', page: { messages: [makeMessage(8)], nextBefore: '8', nextAfter: null } };
    const before = after(earlier, received(makeMessage(9)));
    expect(idsOf(before)).toEqual(['1', '2']);
    expect(idsOf(after(earlier, received(makeMessage(9)), end))).toEqual(['8', '9']);
  });
});

describe('catching up', () => {
  const known = new Set(['1', '2']);
  const page = { messages: [makeMessage(1), makeMessage(3)], nextBefore: null, nextAfter: null };

  it('takes away what was deleted meanwhile, and keeps what has just come', () => {
    const list = after(received(makeMessage(1), makeMessage(2), makeMessage(4)), { type: 'caughtUp', page, known });
    expect(idsOf(list)).toEqual(['1', '3', '4']);
  });

  const shown = Array.from({ length: 6 }, (_, index) => makeMessage(index + 1));
  const caughtUp = (...ids: number[]): Change => ({
    type: 'caughtUp',
    page: { messages: ids.map((id) => makeMessage(id)), nextBefore: String(ids[0]), nextAfter: null },
    known: new Set(shown.map(({ id }) => id)),
  });

  it('keeps what is further up than the page that it joins', () => {
    const before: Change = { type: 'loadedEarlier', page: { messages: shown, nextBefore: '1', nextAfter: null }, edge: null };
    const list = after(before, caughtUp(4, 6, 7));
    expect([idsOf(list), list.nextBefore]).toEqual([['1', '2', '3', '4', '6', '7'], '1']);
  });

  it('lets go of what is further up where something is missing between', () => {
    const list = after(received(...shown), caughtUp(9, 10));
    expect([idsOf(list), list.nextBefore]).toEqual([['9', '10'], '9']);
  });
});

describe('what happens to messages later', () => {
  const reacted = (userId: string, count: number, isAdded = true): Change => ({
    type: 'reacted',
    messageId: '1',
    emoji: '❤️',
    userId,
    count,
    isAdded,
  });
  const reactions = (...changes: Change[]) => after(received(makeMessage(1)), ...changes).messages[0]?.reactions;

  it('counts reactions as the server does, and names each user once', () => {
    expect(reactions(reacted('1', 1), reacted('2', 2), reacted('2', 2))).toEqual([{ emoji: '❤️', count: 2, userIds: ['1', '2'] }]);
    expect(reactions(reacted('1', 1), reacted('2', 2), reacted('1', 1, false))).toEqual([{ emoji: '❤️', count: 1, userIds: ['2'] }]);
    expect(reactions(reacted('1', 1), reacted('1', 0, false))).toEqual([]);
    expect(reactions(reacted('1', 0, false))).toEqual([]);
  });

  it('takes an edit, but not the receipts as its sender sees them', () => {
    const edited = makeMessage(1, { content: 'better', editedAt: 'now', isRead: false });
    const list = after(received(makeMessage(1, { isRead: true, status: 'read' })), { type: 'updated', message: edited });
    expect(list.messages).toMatchObject([{ content: 'better', editedAt: 'now', isRead: true, status: 'read' }]);
  });

  it('leaves deleted what was edited before, and takes its reactions away', () => {
    const list = after(received(makeMessage(1)), reacted('1', 1), deleted('1'), { type: 'updated', message: makeMessage(1) });
    expect(list.messages).toMatchObject([{ content: '', deletedAt: 'then', reactions: [] }]);
  });

  it('is nothing where the message is not shown', () => {
    expect(after(reacted('1', 1), { type: 'answered', messageId: '1', count: 1, lastAt: 'now' }).messages).toEqual([]);
  });
});
