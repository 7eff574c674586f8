import { ArrowDown, LoaderCircle } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';

import { Button } from '../../ui/Button';
import { useToasts } from '../../ui/Toasts';
import { usePageVisible } from '../../ui/usePageVisible';
import { MessageItem } from './MessageItem';
import { compareIds, type Message } from './messageList';
import { OutgoingItem } from './OutgoingItem';
import { useMessageScroll } from './useMessageScroll';
import type { useMessages } from './useMessages';

interface Props {
  thread: ReturnType<typeof useMessages>;
  userId: string;
  mayDeleteAll: boolean;
  onDelete: (message: Message) => void;
}

export function MessageView({ thread, userId, mayDeleteAll, onDelete }: Props) {
  const { messages, outgoing, hasEarlier, isLoaded, isLoadingEarlier, markRead } = thread;
  const { show } = useToasts();
  const isVisible = usePageVisible();

  const { loadEarlier } = thread;
  const loadMore = useCallback(() => {
    loadEarlier().catch(() => show('Earlier messages could not be loaded', 'Please try again.'));
  }, [loadEarlier, show]);

  const ends = { first: messages[0]?.id, last: outgoing.at(-1)?.clientId ?? messages.at(-1)?.id };
  const { scroller, content, isAtBottom, handleScroll, toBottom } = useMessageScroll(ends, loadMore);

  // What has been in view: all that is loaded, up to the newest when the view was at the bottom last.
  const [seen, setSeen] = useState<string | null>(null);
  const newest = messages.at(-1)?.id;
  useEffect(() => {
    if (isVisible && isAtBottom && newest !== undefined) setSeen(newest);
  }, [isVisible, isAtBottom, newest]);
  useEffect(() => {
    if (seen !== null) void markRead(seen);
  }, [seen, markRead, messages]);

  const newestOutgoing = outgoing.at(-1)?.clientId;
  useEffect(() => {
    if (newestOutgoing !== undefined) toBottom();
  }, [newestOutgoing, toBottom]);

  const isUnseen = ({ id, senderId }: Message) => senderId !== userId && seen !== null && compareIds(id, seen) > 0;
  const unseen = messages.filter(isUnseen).length;
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={handleScroll}
        role="region"
        aria-label="Messages"
        aria-busy={!isLoaded || isLoadingEarlier}
        tabIndex={0}
        className="h-full overflow-y-auto px-3 [overflow-anchor:none] -outline-offset-2 sm:px-5"
      >
        <div ref={content} className="mx-auto flex min-h-full max-w-3xl flex-col justify-end pb-2">
          {hasEarlier && <EarlierButton isLoading={isLoadingEarlier} onClick={loadMore} />}
          {isLoaded && messages.length + outgoing.length === 0 && (
            <p className="my-auto text-center text-sm text-muted">No messages yet. Write the first one.</p>
          )}
          <ol>
            {messages.map((message, index) => {
              const isOwn = message.senderId === userId;
              return (
                <MessageItem
                  key={message.id}
                  message={message}
                  previous={messages[index - 1]}
                  isOwn={isOwn}
                  canDelete={isOwn || mayDeleteAll}
                  onDelete={onDelete}
                />
              );
            })}
            {outgoing.map((one) => (
              <OutgoingItem
                key={one.number}
                outgoing={one}
                onRetry={(outgoing) => void thread.retry(outgoing)}
                onDiscard={(outgoing) => void thread.discard(outgoing)}
              />
            ))}
          </ol>
        </div>
      </div>
      {!isAtBottom && (
        <Button className="absolute inset-x-0 bottom-3 mx-auto w-fit rounded-full shadow-md" onClick={toBottom}>
          <ArrowDown className="size-4" aria-hidden />
          {unseen > 0 ? `${unseen} new` : 'Newest messages'}
        </Button>
      )}
    </div>
  );
}

function EarlierButton({ isLoading, onClick }: { isLoading: boolean; onClick: () => void }) {
  return (
    <Button kind="quiet" className="mx-auto mt-2 shrink-0" onClick={onClick} aria-disabled={isLoading}>
      {isLoading && <LoaderCircle className="size-4 animate-spin" aria-hidden />}
      {isLoading ? 'Loading earlier messages…' : 'Load earlier messages'}
    </Button>
  );
}
