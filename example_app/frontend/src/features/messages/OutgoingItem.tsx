import { CircleAlert, Clock } from 'lucide-react';

import { bubbleColours } from './MessageItem';
import type { Outgoing } from './messageList';

interface Props {
  outgoing: Outgoing;
  onRetry: (key: string) => void;
  onDiscard: (key: string) => void;
}

export function OutgoingItem({ outgoing, onRetry, onDiscard }: Props) {
  const hasFailed = outgoing.state === 'failed';
  return (
    <li className="flex flex-col items-end pt-3">
      <div className={`max-w-[min(34rem,80%)] rounded-2xl px-3.5 py-2 ${bubbleColours(true)} ${hasFailed ? '' : 'opacity-75'}`}>
        <p className="sr-only">You</p>
        <p className="text-[0.9375rem] leading-normal break-words whitespace-pre-wrap">{outgoing.content}</p>
        {!hasFailed && (
          <p className="mt-0.5 flex items-center justify-end gap-1 text-xs">
            <Clock className="size-3.5" aria-hidden /> Sending…
          </p>
        )}
      </div>
      {hasFailed && (
        <div role="alert" className="mt-1 flex items-center gap-1 text-sm text-danger">
          <CircleAlert className="size-4" aria-hidden />
          <span className="mr-1">Not sent</span>
          <TextButton label="Retry" onClick={() => onRetry(outgoing.key)} />
          <TextButton label="Discard" onClick={() => onDiscard(outgoing.key)} />
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
