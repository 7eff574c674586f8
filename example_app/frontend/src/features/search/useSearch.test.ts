import { act, renderHook, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';

import { makeMessage } from '../../testing/messages';
import type { SearchPage } from './api';
import { useSearch } from './useSearch';

const page = (ids: number[], nextBefore: string | null = null): SearchPage => ({
  hits: ids.map((id) => ({ message: makeMessage(id), snippet: `message ${id}` })),
  nextBefore,
});

function open(answers: Record<string, Promise<SearchPage>>) {
  const asked: string[] = [];
  const search = (query: string, conversationId: string | null, before: string | null) => {
    const key = [query, conversationId, before].filter(Boolean).join(' ');
    asked.push(key);
    return answers[key] ?? Promise.reject(new TypeError('Failed to fetch'));
  };
  const hook = renderHook(({ query }) => useSearch(query, '1', search), { initialProps: { query: '' } });
  return { ...hook, asked, ids: () => hook.result.current.hits.map(({ message }) => message.id) };
}

it('asks for nothing as long as nothing is written, and once for what is typed fast', async () => {
  const { rerender, asked, ids, result } = open({ 'fox 1': Promise.resolve(page([3, 2])) });
  for (const query of ['  ', 'f', 'fo', 'fox ']) rerender({ query });
  await waitFor(() => expect(ids()).toEqual(['3', '2']));
  expect(asked).toEqual(['fox 1']);
  rerender({ query: '' });
  expect([result.current.query, ids()]).toEqual([null, []]);
});

it('shows no answer to a question that has been replaced', async () => {
  let answerLate: (found: SearchPage) => void = () => undefined;
  const late = new Promise<SearchPage>((resolve) => (answerLate = resolve));
  const { rerender, asked, ids } = open({ 'fox 1': late, 'dog 1': Promise.resolve(page([7])) });
  rerender({ query: 'fox' });
  await waitFor(() => expect(asked).toEqual(['fox 1']));
  rerender({ query: 'dog' });
  await waitFor(() => expect(ids()).toEqual(['7']));
  await act(async () => answerLate(page([1])));
  expect(ids()).toEqual(['7']);
});

it('adds older hits, and keeps those that are there where this fails', async () => {
  const { rerender, result, ids } = open({ 'fox 1': Promise.resolve(page([9], '9')), 'fox 1 9': Promise.resolve(page([4], '4')) });
  rerender({ query: 'fox' });
  await waitFor(() => expect(ids()).toEqual(['9']));
  act(result.current.loadMore);
  await waitFor(() => expect(ids()).toEqual(['9', '4']));
  act(result.current.loadMore);
  await waitFor(() => expect(result.current.error).toBeInstanceOf(TypeError));
  expect([ids(), result.current.nextBefore]).toEqual([['9', '4'], '4']);
});
