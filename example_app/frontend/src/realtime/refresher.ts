import { isFinal } from './socket';

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
 * @param load - Fetches it. Its failures are repeated after a growing delay, unless the server has refused.
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
    if (isFinal(error)) return;
    timer = setTimeout(refresh, delay);
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }

  async function run() {
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
  }

  function refresh() {
    clearTimeout(timer);
    if (isLoading) isStale = true;
    else if (!isStopped) void run();
  }

  return {
    refresh,
    touch: () => {
      isStale = true;
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
