import 'fake-indexeddb/auto';

import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, it, vi } from 'vitest';

import { ALICE, BOB } from '../../testing/messages';
import { openTexts } from './indexedTexts';
import type { Written } from './texts';

function written(content: string, changes: Partial<Written> = {}): Written {
  const known = { clientId: `id of ${content}`, writtenAt: 0, after: null, isAttempted: false, problem: null };
  return { userId: ALICE.id, conversationId: '1', content, ...known, ...changes };
}

beforeEach(() => {
  vi.stubGlobal('indexedDB', new IDBFactory());
});

const contents = async (userId: string) => (await (await openTexts(userId)).list()).map(({ content }) => content);

it('keeps messages in the order in which they were written, for their own user', async () => {
  const [alice, bob] = [await openTexts(ALICE.id), await openTexts(BOB.id)];
  for (const content of ['one', 'two', 'three']) await alice.add(written(content));
  await bob.add(written('four', { userId: BOB.id }));
  expect([await contents(ALICE.id), await contents(BOB.id)]).toEqual([['one', 'two', 'three'], ['four']]);
});

it('keeps drafts for their own user and conversation, until they are empty', async () => {
  const texts = await openTexts(ALICE.id);
  await texts.keepDraft('1', 'hel');
  await texts.keepDraft('2', 'other');
  const drafts = async (userId: string) => {
    const reopened = await openTexts(userId);
    return Promise.all(['1', '2'].map((conversationId) => reopened.draft(conversationId)));
  };
  expect([await drafts(ALICE.id), await drafts(BOB.id)]).toEqual([['hel', 'other'], ['', '']]);
  await texts.keepDraft('1', '');
  expect(await drafts(ALICE.id)).toEqual(['', 'other']);
});

it('keeps a draft although the page goes before the browser has stored it', async () => {
  const before = await openTexts(ALICE.id);
  vi.stubGlobal('indexedDB', new IDBFactory()); // What is in progress is undone.
  const [after, ofBob] = [await openTexts(ALICE.id), await openTexts(BOB.id)];
  const storing = before.keepDraft('1', 'hello');
  expect([await after.draft('1'), await ofBob.draft('1')]).toEqual(['hello', '']);
  await storing;
  expect([await after.draft('1'), sessionStorage.length]).toEqual(['hello', 0]);
});

it('has a text as a draft or as a message, never as both', async () => {
  const texts = await openTexts(ALICE.id);
  await texts.keepDraft('1', 'hello');
  await texts.add(written('hello'));
  expect([await contents(ALICE.id), await texts.draft('1')]).toEqual([['hello'], '']);
});

it('changes what is still there', async () => {
  const texts = await openTexts(ALICE.id);
  await texts.add(written('one'));
  const [one] = await texts.list();
  const number = one?.number ?? 0;
  expect(await texts.change(number, { isAttempted: true })).toEqual({ ...one, isAttempted: true });
  await texts.discard(number);
  expect([await texts.change(number, { problem: 'No' }), await texts.list()]).toEqual([undefined, []]);
});

it('deletes what is sent, and what follows is newer', async () => {
  const texts = await openTexts(ALICE.id);
  for (const content of ['one', 'two']) await texts.add(written(content));
  const [one] = await texts.list();
  if (one) await texts.finish(one, '7');
  expect((await texts.list()).map(({ content, after }) => [content, after])).toEqual([['two', '7']]);
});

it('forgets the texts of one user, and not those of another', async () => {
  const [alice, bob] = [await openTexts(ALICE.id), await openTexts(BOB.id)];
  for (const texts of [alice, bob]) await texts.keepDraft('1', 'draft');
  await alice.add(written('one'));
  await bob.add(written('two', { userId: BOB.id, conversationId: '2' }));
  await alice.forget();
  expect([await contents(ALICE.id), await alice.draft('1')]).toEqual([[], '']);
  expect([await contents(BOB.id), await bob.draft('1')]).toEqual([['two'], 'draft']);
});

it('keeps texts in the page alone where the browser keeps nothing', async () => {
  vi.stubGlobal('indexedDB', {
    open() {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    },
  });
  const texts = await openTexts(ALICE.id);
  await texts.add(written('one'));
  expect((await texts.list()).map(({ content }) => content)).toEqual(['one']);
  expect(await contents(ALICE.id)).toEqual([]);
});
