import { CircleAlert, Clock } from 'lucide-react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import type { Outgoing } from '../outbox/texts';
import { bubbleColours } from './MessageItem';

interface Props {
  outgoing: Outgoing;
  onRetry: (outgoing: Outgoing) => void;
  onDiscard: (outgoing: Outgoing) => void;
}

export function OutgoingItem({ outgoing, onRetry, onDiscard }: Props) {
  const { status } = useRealtime();
  const { content, problem } = outgoing;
  return (
    <li className="flex flex-col items-end pt-3">
      <div className={`max-w-[min(34rem,80%)] rounded-2xl px-3.5 py-2 ${bubbleColours(true)}`}>
        <p className="sr-only">You</p>
        <p className="text-[0.9375rem] leading-normal break-words whitespace-pre-wrap">{content}</p>
        {problem === null && (
          <p className="mt-0.5 flex items-center justify-end gap-1 text-xs">
            <Clock className="size-3.5" aria-hidden /> {status === 'connected' ? 'Sending…' : 'Waiting for the connection…'}
          </p>
        )}
      </div>
      {problem !== null && (
        <div role="alert" className="mt-1 flex flex-wrap items-center justify-end gap-1 text-sm text-danger">
          <CircleAlert className="size-4" aria-hidden />
          <span className="mr-1">Not sent: {problem}</span>
          <TextButton label="Try again" onClick={() => onRetry(outgoing)} />
          <TextButton label="Discard" onClick={() => onDiscard(outgoing)} />
        </div>
      )}
    </li>
  );
}

function TextButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" onClick={onClick} className="rounded px-1.5 py-1 font-medium underline underline-offset-2">
      {label}
    </button>
  );
}
