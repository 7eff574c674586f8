import { CircleAlert, Clock } from 'lucide-react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { MessageText } from '../formatting/MessageText';
import type { Outgoing } from '../outbox/texts';
import { bubbleColours } from './MessageItem';
import { Quote } from './Quote';

interface Props {
  outgoing: Outgoing;
  onRetry: (outgoing: Outgoing) => void;
  onDiscard: (outgoing: Outgoing) => void;
  onJump: (messageId: string) => void;
}

export function OutgoingItem({ outgoing, onRetry, onDiscard, onJump }: Props) {
  const { status } = useRealtime();
  const { content, replyTo, problem } = outgoing;
  return (
    <div className="flex flex-col items-end pt-3">
      <div className={`max-w-[min(34rem,80%)] min-w-0 rounded-2xl px-3.5 py-2 ${bubbleColours(true)}`}>
        <p className="sr-only">You</p>
        {replyTo !== undefined && <Quote messageId={replyTo} onJump={onJump} />}
        <MessageText text={content} />
        {problem === null && (
          <p className="mt-0.5 flex items-center justify-end gap-1 text-xs">
            <Clock className="size-3.5" aria-hidden /> {status === 'connected' ? 'Sending…' : 'Waiting for the connection…'}
          </p>
        )}
      </div>
      {problem !== null && (
        <div role="alert" className="mt-1 flex flex-wrap items-center justify-end gap-1 pointer-coarse:gap-3 pointer-coarse:py-2 text-sm text-danger">
          <CircleAlert className="size-4" aria-hidden />
          <span className="mr-1">Not sent: {problem}</span>
          <TextButton label="Try again" onClick={() => onRetry(outgoing)} />
          <TextButton label="Discard" onClick={() => onDiscard(outgoing)} />
        </div>
      )}
    </div>
  );
}

function TextButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" onClick={onClick} className="finger rounded px-1.5 py-1 font-medium underline underline-offset-2">
      {label}
    </button>
  );
}
