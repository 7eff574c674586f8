import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';

import { Avatar } from '../../ui/Avatar';
import { dateAndTime, dayName, isSameDay, timeOfDay } from '../../ui/time';
import { useLongPress } from '../../ui/useLongPress';
import { MentionNames } from '../formatting/MentionText';
import { MessageText } from '../formatting/MessageText';
import { ReactionBar } from '../reactions/ReactionBar';
import { Receipt } from '../receipts/Receipt';
import { ThreadSummary } from '../threads/ThreadSummary';
import type { MessageActions } from './actions';
import { EVERYONE } from './mentions';
import { MessageMenu } from './MessageMenu';
import type { Message } from './messageList';
import { usePeople } from './people';
import { Quote } from './Quote';
import type { JumpTarget } from './useMessages';

const GROUP_MS = 5 * 60_000;

interface Props {
  message: Message;
  previous: Message | undefined;
  isOwn: boolean;
  isFirstUnread: boolean;
  /** The names of days change with it. */
  today: string;
  canDelete: boolean;
  /** Given where the reader has jumped to this message: it has the focus then. */
  target: JumpTarget | null;
  actions: MessageActions;
}

export const MessageItem = memo(function MessageItem({ message, previous, isOwn, isFirstUnread, canDelete, target, actions }: Props) {
  const isNewDay = !previous || !isSameDay(previous.createdAt, message.createdAt);
  const isFirst = isNewDay || isFirstUnread || !continues(previous, message);
  const isDeleted = message.deletedAt !== null;
  const itself = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!target) return;
    let frame = 0;
    const focus = () => {
      itself.current?.focus({ preventScroll: true });
      // The list hides its rows until it knows how high they are, and what is hidden takes no focus.
      if (document.activeElement !== itself.current) frame = requestAnimationFrame(focus);
    };
    focus();
    return () => cancelAnimationFrame(frame);
  }, [target]);

  const hadFocus = useRef(false);
  useLayoutEffect(() => {
    // The button of its menu, which may have had the focus, is gone.
    if (isDeleted && hadFocus.current && !itself.current?.contains(document.activeElement)) itself.current?.focus({ preventScroll: true });
  }, [isDeleted]);

  const [isMenuOpen, setIsMenuOpen] = useState(false);
  const press = useLongPress(() => setIsMenuOpen(true));
  const menu = !isDeleted && (
    <MessageMenu
      message={message}
      isOwn={isOwn}
      canDelete={canDelete}
      actions={actions}
      isOpen={isMenuOpen}
      onOpenChange={setIsMenuOpen}
    />
  );
  return (
    <div className={isFirst ? 'pt-3 compact:pt-1.5' : 'pt-0.5 compact:pt-px'}>
      {isNewDay && <DayLine createdAt={message.createdAt} />}
      {isFirstUnread && <UnreadLine />}
      <div
        ref={itself}
        tabIndex={-1}
        onFocus={() => {
          hadFocus.current = true;
        }}
        onBlur={() => {
          hadFocus.current = false;
        }}
        className={`group flex items-end gap-2 rounded-2xl outline-offset-2 focus:outline-2 focus:outline-accent ${isOwn ? 'justify-end' : ''}`}
      >
        {!isOwn && <SenderPicture message={message} isShown={isFirst} />}
        {isOwn && menu}
        <div
          {...(!isDeleted && press)}
          className={`max-w-[min(34rem,80%)] min-w-0 rounded-2xl px-3.5 py-2 compact:px-2.5 compact:py-1 pointer-coarse:select-none [-webkit-touch-callout:none] ${bubbleColours(isOwn)}`}
        >
          <p className={isFirst && !isOwn ? 'mb-0.5 text-xs font-semibold text-muted' : 'sr-only'}>
            {isOwn ? 'You' : message.sender.username}
          </p>
          {isDeleted ? <p className="text-[0.9375rem] italic">Message deleted</p> : <Content message={message} onJump={actions.onJump} />}
          <p className={`mt-0.5 flex items-center justify-end gap-1 text-xs ${isOwn ? '' : 'text-muted'}`}>
            {message.editedAt !== null && !isDeleted && <span title={dateAndTime(message.editedAt)}>edited</span>}
            <time dateTime={message.createdAt} title={dateAndTime(message.createdAt)}>
              {timeOfDay(message.createdAt)}
            </time>
            {isOwn && !isDeleted && <Receipt status={message.status} isRead={message.isRead} />}
          </p>
        </div>
        {!isOwn && menu}
      </div>
      <Below message={message} isOwn={isOwn} actions={actions} />
    </div>
  );
});

function Content({ message, onJump }: { message: Message; onJump: MessageActions['onJump'] }) {
  const people = usePeople();
  const { content, mentions, replyTo } = message;
  const names = useMemo(
    () => [...people.people, EVERYONE].filter(({ id }) => mentions.includes(id)).map(({ username }) => username),
    [people, mentions],
  );
  return (
    <MentionNames value={names}>
      {replyTo !== null && <Quote messageId={replyTo} onJump={onJump} />}
      <MessageText text={content} />
    </MentionNames>
  );
}

/** What belongs to a message and is no part of its text. */
function Below({ message, isOwn, actions }: Pick<Props, 'message' | 'isOwn' | 'actions'>) {
  const { onThread, onReact } = actions;
  const hasThread = onThread !== undefined && message.thread !== null;
  if (message.reactions.length === 0 && !hasThread) return null;
  return (
    <div className={`mt-1 flex flex-wrap items-center gap-1 pointer-coarse:mt-1.5 pointer-coarse:gap-2 pointer-coarse:pb-1 ${isOwn ? 'justify-end' : 'ps-10'}`}>
      <ReactionBar message={message} onReact={onReact} />
      {onThread && <ThreadSummary message={message} onOpen={onThread} />}
    </div>
  );
}

/** Whether a message belongs to the one before it: the same sender, shortly after. */
function continues(previous: Message, message: Message): boolean {
  const pause = Date.parse(message.createdAt) - Date.parse(previous.createdAt);
  return previous.senderId === message.senderId && pause < GROUP_MS;
}

export function bubbleColours(isOwn: boolean): string {
  return isOwn
    ? 'bg-bubble text-on-bubble'
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

function UnreadLine() {
  return (
    <h3 className="mb-2 flex items-center gap-3 text-xs font-semibold text-danger">
      <span className="h-px flex-1 bg-current" />
      New
      <span className="h-px flex-1 bg-current" />
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
