import { CloudOff, Hourglass, LoaderCircle, ShieldAlert, WifiOff } from 'lucide-react';

import type { ConnectionStatus as Status, Refusal } from '../realtime/supervision';
import { Button } from '../ui/Button';

const TEXT: Record<Status, string> = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  waiting: 'Waiting…',
  offline: 'Offline',
  refused: 'Refused',
};

const DOT: Record<Status, string> = {
  idle: 'bg-muted',
  connecting: 'bg-warning',
  connected: 'bg-online',
  reconnecting: 'bg-warning',
  waiting: 'bg-warning',
  offline: 'bg-muted',
  refused: 'bg-danger',
};

export function ConnectionStatus({ status }: { status: Status }) {
  return (
    <p role="status" aria-label="Connection" className="flex items-center gap-2 text-sm whitespace-nowrap text-muted">
      <span aria-hidden className={`size-2 rounded-full ${DOT[status]}`} />
      {TEXT[status]}
    </p>
  );
}

interface BannerProps {
  status: Status;
  refusal: Refusal | null;
  waiting: number;
  onRetry: () => void;
}

/** What to know and to do while there is no connection, and how much waits for it. */
export function ConnectionBanner({ status, refusal, waiting, onRetry }: BannerProps) {
  if (status === 'idle' || status === 'connected') return null;
  // The first connection is there in a moment, mostly: only who has written something wants to know of it.
  if (status === 'connecting' && waiting === 0) return null;
  const { Icon, text } = explain(status, refusal);
  const colours = status === 'refused' ? 'bg-danger-soft text-danger' : 'bg-warning-soft text-warning';
  return (
    <div role="region" aria-label="Connection problem" className={`flex items-center gap-3 px-4 py-2 text-sm ${colours}`}>
      <Icon className={`size-4 shrink-0 ${Icon === LoaderCircle ? 'animate-spin' : ''}`} aria-hidden />
      <p className="flex-1">
        {text}
        {waiting > 0 && ` ${waiting === 1 ? 'One message waits' : `${waiting} messages wait`} to be sent.`}
      </p>
      {status !== 'offline' && (
        <Button kind="secondary" className="min-h-9 text-ink" onClick={onRetry}>
          Try now
        </Button>
      )}
    </div>
  );
}

function explain(status: Status, refusal: Refusal | null) {
  if (status === 'offline') return { Icon: WifiOff, text: 'You are offline. What you miss is loaded when you are back.' };
  if (status === 'connecting') return { Icon: LoaderCircle, text: 'Connecting.' };
  if (status === 'reconnecting') return { Icon: LoaderCircle, text: 'The connection was lost. Trying again; what you miss is loaded then.' };
  if (status === 'waiting') return { Icon: Hourglass, text: `${refusal?.message ?? 'The server is busy'}. The connection is tried again in a moment.` };
  if (refusal) return { Icon: ShieldAlert, text: `The server refuses the connection: ${refusal.message}.` };
  return { Icon: CloudOff, text: 'There is no connection.' };
}
