import { ArrowDown } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';

import { Button } from '../../ui/Button';
import { useToasts } from '../../ui/Toasts';
import { usePageVisible } from '../../ui/usePageVisible';
import type { MessageActions } from './actions';
import { MessageList, rowsOf, type Row } from './MessageList';
import { compareIds, type Message } from './messageList';
import { useMessageScroll } from './useMessageScroll';
import type { useMessages } from './useMessages';

interface Props {
  thread: ReturnType<typeof useMessages>;
  userId: string;
  mayDeleteAll: boolean;
  /** What the list is called. */
  label: string;
  /** What is said where it begins, and where there is nothing. */
  beginning: string;
  empty: string;
  actions: MessageActions;
}

export function MessageView({ thread, userId, mayDeleteAll, label, beginning, empty, actions }: Props) {
  const { messages, outgoing, firstUnreadId, hasEarlier, isLoaded, isLoadingEarlier, markRead, loadEarlier } = thread;
  const { hasLater, loadLater, returnToLatest, jumpTarget, generation } = thread;
  const { show } = useToasts();
  const isVisible = usePageVisible();

  const loadMore = useCallback(() => {
    loadEarlier().catch(() => show('Earlier messages could not be loaded', 'Please try again.'));
  }, [loadEarlier, show]);

  const loadMoreLater = useCallback(() => {
    loadLater().catch(() => show('Later messages could not be loaded', 'Please try again.'));
  }, [loadLater, show]);

  const rows = useMemo(() => rowsOf(messages, outgoing), [messages, outgoing]);
  // Another part of the conversation is shown for the sake of the message that it opens at.
  const openId = generation === 0 ? firstUnreadId : (jumpTarget?.messageId ?? null);
  const openAt = openId === null ? null : rowIndexOf(rows, openId);
  const content = { isLoaded, rowCount: rows.length, openAt, hasLater };
  const scroll = useMessageScroll(content, loadMore, loadMoreLater);
  const { scroller, list, isAtBottom, lastInView, handleScroll, toBottom, toRow } = scroll;

  // What has been in view: all that is loaded, up to the last that was.
  const [seen, setSeen] = useState<string | null>(null);
  const reached = isAtBottom ? messages.at(-1)?.id : messageAt(rows, lastInView)?.id;
  useEffect(() => {
    if (!isVisible || !isLoaded || reached === undefined) return;
    setSeen((before) => (before === null || compareIds(reached, before) > 0 ? reached : before));
  }, [isVisible, isLoaded, reached]);
  useEffect(() => {
    if (seen !== null) void markRead(seen);
  }, [seen, markRead, messages]);

  const toLatest = useCallback(() => {
    if (!hasLater) toBottom();
    else returnToLatest().catch(() => show('The latest messages could not be loaded', 'Please try again.'));
  }, [hasLater, toBottom, returnToLatest, show]);
  const newestOutgoing = outgoing.at(-1)?.clientId;
  const latest = useRef(toLatest);
  useLayoutEffect(() => {
    latest.current = toLatest;
  });
  useEffect(() => {
    if (newestOutgoing !== undefined) latest.current();
  }, [newestOutgoing]);

  const targetIndex = jumpTarget && rowIndexOf(rows, jumpTarget.messageId);
  const target = useRef(targetIndex);
  useLayoutEffect(() => {
    target.current = targetIndex;
  });
  useEffect(() => {
    if (jumpTarget && target.current !== null) toRow(target.current);
  }, [jumpTarget, toRow]);

  function handleKeyDown(event: KeyboardEvent) {
    // The browser would go to where the end was before the rows there have their heights.
    if (event.key !== 'End' || event.target !== event.currentTarget) return;
    event.preventDefault();
    toBottom();
  }

  const isEmpty = isLoaded && rows.length === 0;
  return (
    <div className="relative min-h-0 flex-1 overflow-hidden">
      {/* New messages are announced by themselves: read out here would be all that is scrolled into view. */}
      <div
        ref={scroller}
        onScroll={handleScroll}
        onKeyDown={handleKeyDown}
        role="log"
        aria-label={label}
        aria-live="off"
        aria-busy={!isLoaded || isLoadingEarlier}
        tabIndex={0}
        className="h-full overflow-x-hidden overflow-y-auto px-3 [overflow-anchor:none] -outline-offset-2 sm:px-5"
      >
        <div className="mx-auto flex min-h-full max-w-3xl flex-col justify-end">
          {isEmpty && <p className="my-auto text-center text-sm text-muted">{empty}</p>}
          {/* What is not sent yet is there before the messages are. */}
          {(isLoaded ? !isEmpty : rows.length > 0) && (
            <MessageList
              rows={rows}
              userId={userId}
              mayDeleteAll={mayDeleteAll}
              beginning={beginning}
              firstUnreadId={firstUnreadId}
              hasEarlier={hasEarlier || !isLoaded}
              isLoadingEarlier={isLoadingEarlier || !isLoaded}
              onEarlier={loadMore}
              target={jumpTarget}
              onResize={scroll.handleResize}
              onScrollEnd={scroll.handleScrollEnd}
              actions={actions}
              scroller={scroller}
              start={scroll.start}
              startHeight={scroll.startHeight}
              ref={list}
            />
          )}
        </div>
      </div>
      {!isAtBottom && <LatestButton count={countUnseen(messages, userId, seen)} onClick={toLatest} />}
    </div>
  );
}

function LatestButton({ count, onClick }: { count: number; onClick: () => void }) {
  return (
    <Button className="absolute inset-x-0 bottom-3 mx-auto w-fit rounded-full shadow-md" onClick={onClick}>
      <ArrowDown className="size-4" aria-hidden />
      {count > 0 ? `${count} new, jump to latest` : 'Jump to latest'}
    </Button>
  );
}

function rowIndexOf(rows: Row[], messageId: string): number | null {
  const index = rows.findIndex((row) => row.kind === 'message' && row.message.id === messageId);
  return index < 0 ? null : index;
}

function messageAt(rows: Row[], index: number): Message | undefined {
  const row = rows[index];
  return row?.kind === 'message' ? row.message : undefined;
}

/** Count what others have written, and nobody has read here, after the last message that was in view. */
function countUnseen(messages: Message[], userId: string, seen: string | null): number {
  let count = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index];
    if (!message || seen === null || compareIds(message.id, seen) <= 0) break;
    if (message.senderId !== userId && !message.isRead) count += 1;
  }
  return count;
}
