import { expect, it } from 'vitest';

import { ALICE, makeMessage } from '../../testing/messages';
import { followers, withoutArrived, type Outgoing } from './texts';

const own = (id: number, content: string) => makeMessage(id, { content, senderId: ALICE.id, sender: ALICE });

function waiting(number: number, changes: Partial<Outgoing> = {}): Outgoing {
  const written = { clientId: `id ${number}`, content: 'hello', writtenAt: 0, after: '4', isAttempted: true, problem: null };
  return { number, userId: ALICE.id, conversationId: '1', ...written, ...changes };
}

const left = (outgoing: Outgoing[], ...messages: ReturnType<typeof makeMessage>[]) =>
  withoutArrived(outgoing, messages, ALICE.id).map(({ number }) => number);

it('leaves out what has arrived, before it is answered', () => {
  expect(left([waiting(1)], own(5, 'hello'))).toEqual([]);
  expect(left([waiting(1, { after: null })], own(1, 'hello'))).toEqual([]);
});

it('does not take an older message for it, or that of another', () => {
  expect(left([waiting(1)], own(4, 'hello'), makeMessage(6, { content: 'hello' }))).toEqual([1]);
});

it('takes one message for one each time that the same was written', () => {
  expect(left([waiting(1), waiting(2)], own(5, 'hello'))).toEqual([2]);
  expect(left([waiting(1), waiting(2)], own(5, 'hello'), own(6, 'hello'))).toEqual([]);
});

it('knows by its id what has arrived, where messages have one, whatever is known of the place and the text', () => {
  const arrived = makeMessage(5, { senderId: ALICE.id, sender: ALICE, content: 'edited since', clientId: 'id 1' });
  expect(left([waiting(1, { after: undefined })], arrived)).toEqual([]);
  expect(left([waiting(2)], { ...arrived, content: 'hello' })).toEqual([2]);
});

const UNKNOWN = [{ isAttempted: false }, { problem: 'Not here' }, { after: undefined }];

it.each(UNKNOWN)('shows what cannot be known to have arrived: %s', (changes) => {
  expect(left([waiting(1, changes)], own(5, 'hello'))).toEqual([1]);
});

it('knows of what follows that it is newer than what has arrived', () => {
  const all = [waiting(1), waiting(2), waiting(3, { conversationId: '2' }), waiting(4, { after: undefined }), waiting(5, { after: '9' })];
  const [first, ...others] = all;
  if (!first) throw new Error('There is a first one');
  expect(followers([first, ...others], first, '7').map(({ number, after }) => [number, after])).toEqual([
    [2, '7'],
    [4, '7'],
  ]);
});
