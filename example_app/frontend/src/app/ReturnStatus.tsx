import { useEffect, useState } from 'react';

import { useRealtime } from '../realtime/RealtimeProvider';
import { useIsBehind } from '../realtime/refresher';
import type { Ready } from '../realtime/types';

const SHOWN_MS = 6_000;

type Phase = 'none' | 'recovered' | 'catchingUp' | 'caughtUp';

const TEXT: Record<Phase, string> = {
  none: '',
  recovered: 'Back; nothing missed',
  catchingUp: 'Catching up…',
  caughtUp: 'Back; what was missed is here',
};

/** Says after a lost connection whether anything was missed, and when it is there. A live region, so it stays while it is empty. */
export function ReturnStatus() {
  return (
    <p role="status" aria-label="Missed" className="bg-accent-soft px-4 text-center text-sm not-empty:py-1">
      {TEXT[usePhase()]}
    </p>
  );
}

function usePhase(): Phase {
  const { ready } = useRealtime();
  const isBehind = useIsBehind();
  const [phase, setPhase] = useState<Phase>('none');
  useEffect(() => setPhase(phaseOf(ready)), [ready]);
  useEffect(() => {
    // Once only: what is loaded again later is nothing that was missed.
    if (phase === 'catchingUp' && !isBehind) setPhase('caughtUp');
  }, [phase, isBehind]);
  useEffect(() => {
    if (phase === 'none' || phase === 'catchingUp') return;
    const timer = setTimeout(() => setPhase('none'), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [phase, ready]);
  return phase;
}

function phaseOf(ready: Ready | null): Phase {
  if (ready?.recovered) return 'recovered';
  return ready?.gap ? 'catchingUp' : 'none';
}
