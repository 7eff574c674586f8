import 'fake-indexeddb/auto';

import { act, waitFor } from '@testing-library/react';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { ALICE } from '../../testing/messages';
import { renderOutboxHook } from '../../testing/realtime';
import { openTexts } from './indexedTexts';
import { useDraft } from './useDraft';

beforeEach(() => {
  vi.stubGlobal('indexedDB', new IDBFactory());
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function open(conversationId: string) {
  const { result, unmount } = renderOutboxHook(openSocket(), () => useDraft(conversationId));
  return { text: () => result.current[0], write: (text: string) => act(() => result.current[1](text)), unmount };
}

it('is kept for its conversation when the page goes', async () => {
  const first = open('1');
  first.write('hel');
  first.write('hello');
  first.unmount();
  const [again, other] = [open('1'), open('2')];
  await waitFor(() => expect(again.text()).toBe('hello'));
  expect(other.text()).toBe('');
});

it('does not come over what is being written', async () => {
  await (await openTexts(ALICE.id)).keepDraft('1', 'before');
  const { text, write } = open('1');
  write('now');
  await waitFor(async () => expect(await (await openTexts(ALICE.id)).draft('1')).toBe('now'));
  expect(text()).toBe('now');
});
