import { useEffect, useReducer } from 'react';

import type { Conversation } from './api';
import { nextMuteEnd } from './changes';

/** What a timer can wait at most; who mutes for longer is asked again then. */
const MOST_MS = 2 ** 31 - 1;

/**
 * Be told when a mute ends, of which the server tells nothing.
 *
 * @param conversations - Which may be muted.
 * @param onEnd - Called with the time it is. The same function from render to render.
 */
export function useMuteEnds(conversations: Conversation[], onEnd: (now: number) => void) {
  const [waits, waitAgain] = useReducer((count: number) => count + 1, 0);
  const end = nextMuteEnd(conversations, Date.now());
  useEffect(() => {
    if (end === null) return;
    const timer = setTimeout(() => {
      waitAgain();
      onEnd(Date.now());
    }, Math.min(end - Date.now(), MOST_MS));
    return () => clearTimeout(timer);
  }, [end, waits, onEnd]);
}
