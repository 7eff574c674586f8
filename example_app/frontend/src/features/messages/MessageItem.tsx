import { Trash2 } from 'lucide-react';
import { memo } from 'react';

import { Avatar } from '../../ui/Avatar';
import { dateAndTime, dayName, isSameDay, timeOfDay } from '../../ui/time';
import { Receipt } from '../receipts/Receipt';
import type { Message } from './messageList';

const GROUP_MS = 5 * 60_000;
const MAX_LABEL_LENGTH = 60;

interface Props {
  message: Message;
  previous: Message | undefined;
  isOwn: boolean;
  canDelete: boolean;
  onDelete: (message: Message) => void;
}

export const MessageItem = memo(function MessageItem({ message, previous, isOwn, canDelete, onDelete }: Props) {
  const isNewDay = !previous || !isSameDay(previous.createdAt, message.createdAt);
  const isFirst = isNewDay || !continues(previous, message);
  return (
    <li className={isFirst ? 'pt-3' : 'pt-0.5'}>
      {isNewDay && <DayLine createdAt={message.createdAt} />}
      <div className={`group flex items-end gap-2 ${isOwn ? 'justify-end' : ''}`}>
        {!isOwn && <SenderPicture message={message} isShown={isFirst} />}
        {canDelete && isOwn && <DeleteButton message={message} onDelete={onDelete} />}
        <div className={`max-w-[min(34rem,80%)] rounded-2xl px-3.5 py-2 ${bubbleColours(isOwn)}`}>
          <p className={isFirst && !isOwn ? 'mb-0.5 text-xs font-semibold text-muted' : 'sr-only'}>
            {isOwn ? 'You' : message.sender.username}
          </p>
          <p className="text-[0.9375rem] leading-normal break-words whitespace-pre-wrap">{message.content}</p>
          <p className={`mt-0.5 flex items-center justify-end gap-1 text-xs ${isOwn ? '' : 'text-muted'}`}>
            <time dateTime={message.createdAt} title={dateAndTime(message.createdAt)}>
              {timeOfDay(message.createdAt)}
            </time>
            {isOwn && <Receipt status={message.status} isRead={message.isRead} />}
          </p>
        </div>
        {canDelete && !isOwn && <DeleteButton message={message} onDelete={onDelete} />}
      </div>
    </li>
  );
});

/** Whether a message belongs to the one before it: the same sender, shortly after. */
function continues(previous: Message, message: Message): boolean {
  const pause = Date.parse(message.createdAt) - Date.parse(previous.createdAt);
  return previous.senderId === message.senderId && pause < GROUP_MS;
}

export function bubbleColours(isOwn: boolean): string {
  return isOwn
    ? 'bg-teal-700 text-white dark:bg-teal-800 dark:text-teal-50'
    : 'bg-surface border border-line';
}

function DayLine({ createdAt }: { createdAt: string }) {
  return (
    <h3 className="mb-3 flex items-center gap-3 text-xs font-medium text-muted">
      <span className="h-px flex-1 bg-line" />
      {dayName(createdAt)}
      <span className="h-px flex-1 bg-line" />
    </h3>
  );
}

function SenderPicture({ message, isShown }: { message: Message; isShown: boolean }) {
  if (!isShown) return <span className="size-8 shrink-0" />;
  return (
    <span className="self-start pt-1">
      <Avatar id={message.senderId} name={message.sender.username} size="small" />
    </span>
  );
}

function DeleteButton({ message, onDelete }: { message: Message; onDelete: (message: Message) => void }) {
  return (
    <button
      type="button"
      aria-label={`Delete message: ${message.content.slice(0, MAX_LABEL_LENGTH)}`}
      title="Delete"
      onClick={() => onDelete(message)}
      className="mb-1 grid size-8 shrink-0 place-items-center rounded-full text-muted opacity-0 transition-opacity group-hover:opacity-100 hover:bg-sunken hover:text-danger focus-visible:opacity-100 pointer-coarse:opacity-70"
    >
      <Trash2 className="size-4" aria-hidden />
    </button>
  );
}
