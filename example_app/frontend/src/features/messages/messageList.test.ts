import { describe, expect, it } from 'vitest';

import { ALICE, BOB, makeMessage } from '../../testing/messages';
import { changeList, compareIds, EMPTY_LIST, type Change, type MessageList } from './messageList';

const own = (id: number, content: string) => makeMessage(id, { content, senderId: ALICE.id, sender: ALICE });
const received = (...messages: ReturnType<typeof makeMessage>[]): Change => ({ type: 'received', messages });

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

  it('do not come back once they are deleted', () => {
    expect(idsOf(after({ type: 'deleted', messageId: '1' }, received(makeMessage(1), makeMessage(2))))).toEqual(['2']);
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

describe('catching up', () => {
  const known = new Set(['1', '2']);
  const page = { messages: [makeMessage(1), makeMessage(3)], nextBefore: null };

  it('takes away what was deleted meanwhile, and keeps what has just come', () => {
    const list = after(received(makeMessage(1), makeMessage(2), makeMessage(4)), { type: 'caughtUp', page, known });
    expect(idsOf(list)).toEqual(['1', '3', '4']);
  });
});
