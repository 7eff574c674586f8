import { useEffect } from 'react';

import type { Refusal } from '../../realtime/supervision';
import { setSession } from './session';

const NOT_ABOUT_THE_TOKEN = new Set(['connection_refused', 'disconnected', 'too_many_connections', 'internal_error']);

/** Go back to the log-in page when the server does not take the tokens any more. */
export function useSessionEnd(refusal: Refusal | null) {
  useEffect(() => {
    if (refusal && !NOT_ABOUT_THE_TOKEN.has(refusal.code)) {
      setSession(null, 'Your log-in has ended. Please log in again.');
    }
  }, [refusal]);
}
