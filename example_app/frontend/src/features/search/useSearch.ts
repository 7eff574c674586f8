import { useCallback, useEffect, useRef, useState } from 'react';

import type { SearchHit, SearchPage } from './api';

/** One search for what was typed, rather than one for each key. */
const DELAY_MS = 300;

export type Search = (query: string, conversationId: string | null, before: string | null) => Promise<SearchPage>;

interface Found {
  /** What was searched for; null before the first search. */
  query: string | null;
  hits: SearchHit[];
  nextBefore: string | null;
  error: unknown;
}

const NOTHING: Found = { query: null, hits: [], nextBefore: null, error: null };

/**
 * Search while somebody types, and answer the latest question only.
 *
 * @param query - The words; nothing is searched for while there are none.
 * @param conversationId - Where; null for everywhere.
 * @param search - Asks the server. The same function from render to render.
 */
export function useSearch(query: string, conversationId: string | null, search: Search) {
  const [found, setFound] = useState<Found>(NOTHING);
  const [isSearching, setIsSearching] = useState(false);
  const question = useRef(0);
  const words = query.trim();

  const ask = useCallback(
    async (known: SearchHit[], before: string | null) => {
      const number = ++question.current;
      setIsSearching(true);
      try {
        const { hits, nextBefore } = await search(words, conversationId, before);
        if (number === question.current) setFound({ query: words, hits: [...known, ...hits], nextBefore, error: null });
      } catch (error) {
        if (number === question.current) setFound({ query: words, hits: known, nextBefore: before, error });
      } finally {
        if (number === question.current) setIsSearching(false);
      }
    },
    [words, conversationId, search],
  );

  useEffect(() => {
    question.current += 1;
    if (words === '') {
      setFound(NOTHING);
      setIsSearching(false);
      return;
    }
    const timer = setTimeout(() => void ask([], null), DELAY_MS);
    return () => clearTimeout(timer);
  }, [words, ask]);

  const loadMore = useCallback(() => void ask(found.hits, found.nextBefore), [ask, found]);
  return { ...found, isSearching, loadMore };
}
