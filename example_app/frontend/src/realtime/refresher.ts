import { useSyncExternalStore } from 'react';

import { isFinal, RealtimeError } from './socket';

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 15_000;

export interface Refresher {
  /** Load again. While it loads, the next load is only noted, and follows. */
  refresh(): void;
  /** Say that something has changed which a load that is under way may or may not have seen. */
  touch(): void;
  stop(): void;
}

/**
 * Load something again and again, never twice at the same time.
 *
 * @param load - Fetches it. Its failures are repeated after a growing delay, or the server's `retryAfter` where that is longer, unless
 *   the server has refused.
 * @param apply - Takes what was loaded.
 * @param failed - Is told of each failure.
 */
export function makeRefresher<Result>(
  load: () => Promise<Result>,
  apply: (result: Result) => void,
  failed: (error: unknown) => void,
): Refresher {
  let isLoading = false;
  let isStale = false;
  let isStopped = false;
  let delay = FIRST_DELAY_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function onFailure(error: unknown) {
    failed(error);
    if (isFinal(error)) {
      setBehind(self, false);
      return;
    }
    timer = setTimeout(refresh, Math.max(delay, waitOf(error)));
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }

  async function run() {
    setBehind(self, true);
    isLoading = true;
    isStale = false;
    try {
      const result = await load();
      if (isStopped) return;
      delay = FIRST_DELAY_MS;
      apply(result);
    } catch (error) {
      if (!isStopped) onFailure(error);
      return;
    } finally {
      isLoading = false;
    }
    if (isStale) refresh();
    else setBehind(self, false);
  }

  function refresh() {
    clearTimeout(timer);
    if (isLoading) isStale = true;
    else if (!isStopped) void run();
  }

  const self: Refresher = {
    refresh,
    touch: () => {
      isStale = true;
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      setBehind(self, false);
    },
  };
  return self;
}

const waitOf = (error: unknown) => (error instanceof RealtimeError ? (error.retryAfter ?? 0) * 1000 : 0);

const behind = new Set<Refresher>();
const listeners = new Set<() => void>();

function setBehind(refresher: Refresher, isBehind: boolean) {
  if (isBehind === behind.has(refresher)) return;
  if (isBehind) behind.add(refresher);
  else behind.delete(refresher);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Whether anything that a `Refresher` of the page loads is not loaded yet, or is to be loaded again. */
export function useIsBehind(): boolean {
  return useSyncExternalStore(subscribe, () => behind.size > 0);
}
