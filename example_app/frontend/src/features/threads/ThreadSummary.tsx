import { MessagesSquare } from 'lucide-react';

import { shortTime } from '../../ui/time';
import type { Message } from '../messages/messageList';

interface Props {
  message: Message;
  onOpen: (message: Message) => void;
}

/** Says how many replies are in a message's thread, and opens it. */
export function ThreadSummary({ message, onOpen }: Props) {
  if (message.thread === null) return null;
  const { count, lastAt } = message.thread;
  return (
    <button
      type="button"
      onClick={() => onOpen(message)}
      className="finger flex min-h-7 items-center gap-1.5 rounded-full px-2 text-xs font-medium text-accent hover:bg-sunken pointer-coarse:min-h-9"
    >
      <MessagesSquare className="size-3.5" aria-hidden />
      {count === 1 ? '1 reply' : `${count} replies`}
      <span className="font-normal text-muted">{shortTime(lastAt)}</span>
    </button>
  );
}
