import { Check, CheckCheck } from 'lucide-react';

import type { MessageStatus } from './status';

const LABELS = { sent: 'Sent', delivered: 'Delivered', read: 'Read' };

interface Props {
  status: MessageStatus;
  /** Whether anybody else has read it: all that there is to say without a status. */
  isRead: boolean;
}

/** One tick for a message that is stored, two when all others have it, and two bold ones when all others have read it. */
export function Receipt({ status, isRead }: Props) {
  const shown = status ?? (isRead ? 'read' : 'sent');
  const Icon = shown === 'sent' ? Check : CheckCheck;
  return (
    <span role="img" aria-label={LABELS[shown]} title={LABELS[shown]}>
      <Icon className="size-3.5" strokeWidth={shown === 'read' ? 3 : 1.5} aria-hidden />
    </span>
  );
}
