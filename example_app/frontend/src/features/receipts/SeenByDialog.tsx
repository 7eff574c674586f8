import { useEffect, useState } from 'react';

import { failureText } from '../../ui/failure';
import { Modal, type DialogProps } from '../../ui/Modal';
import { dateAndTime } from '../../ui/time';
import type { Message } from '../messages/messageList';
import { namesOf, usePeople } from '../messages/people';
import { loadReceipts, type MessageReceipts, type ReceiptOfUser } from './api';

interface Props extends DialogProps {
  message: Message | null;
}

/** Says who has read a message, and whom it has reached. */
export default function SeenByDialog({ message, isOpen, onOpenChange }: Props) {
  return (
    <Modal title="Seen by" description="Who has read the message, and whom it has reached." isOpen={isOpen} onOpenChange={onOpenChange}>
      {message && <Receipts key={message.id} message={message} />}
    </Modal>
  );
}

function Receipts({ message }: { message: Message }) {
  const [receipts, setReceipts] = useState<MessageReceipts | null>(null);
  const [failure, setFailure] = useState<unknown>(null);

  useEffect(() => {
    let isWanted = true;
    loadReceipts(message).then(
      (found) => isWanted && setReceipts(found),
      (error: unknown) => isWanted && setFailure(error),
    );
    return () => {
      isWanted = false;
    };
  }, [message]);

  if (failure !== null) return <p role="alert" className="text-sm text-danger">{failureText(failure)}</p>;
  if (receipts === null) return <p role="status" className="text-sm text-muted">Loading…</p>;
  const readers = new Set(receipts.read.map(({ userId }) => userId));
  return (
    <div className="grid gap-4">
      <ReceiptList title="Read" receipts={receipts.read} />
      <ReceiptList title="Delivered" receipts={receipts.delivered.filter(({ userId }) => !readers.has(userId))} />
    </div>
  );
}

function ReceiptList({ title, receipts }: { title: string; receipts: ReceiptOfUser[] }) {
  const people = usePeople();
  return (
    <section aria-label={title}>
      <h3 className="text-sm font-semibold">
        {title}
        {receipts.length > 0 && <span className="font-normal text-muted"> by {receipts.length}</span>}
      </h3>
      {receipts.length === 0 && <p className="text-sm text-muted">Nobody</p>}
      <ul>
        {receipts.map(({ userId, at }) => (
          <li key={userId} className="flex justify-between gap-3 py-1 text-sm">
            <span className="truncate">{namesOf([userId], people)[0]}</span>
            <time dateTime={at} className="shrink-0 text-muted">
              {dateAndTime(at)}
            </time>
          </li>
        ))}
      </ul>
    </section>
  );
}
