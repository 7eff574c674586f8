import { Pin } from 'lucide-react';

import { Button } from '../../ui/Button';
import { useSidePanel } from '../../ui/SidePanel';
import type { Conversation } from '../conversations/api';
import { PreviewText } from '../formatting/PreviewText';
import { messageStore } from '../messages/api';
import { jumpToMessage } from '../messages/jump';
import { usePinnedMessages } from './usePinnedMessages';

/** Shows above the messages the one that was pinned last, and leads to the others. */
export function PinBanner({ conversation }: { conversation: Conversation }) {
  const { openPanel } = useSidePanel();
  const newest = conversation.pinned.slice(-1);
  const found = usePinnedMessages(conversation.id, newest, messageStore);
  const [id] = newest;
  if (id === undefined) return null;
  const message = found.get(id);
  return (
    <section aria-label="Pinned message" className="flex min-h-10 shrink-0 items-center gap-2 border-b border-line bg-accent-soft px-3 md:px-5">
      <Pin className="size-4 shrink-0 text-accent" aria-hidden />
      <button type="button" onClick={() => jumpToMessage(conversation.id, id, message?.threadId)} className="min-w-0 flex-1 truncate rounded py-2 text-left text-sm">
        <span className="sr-only">Go to the pinned message: </span>
        {message ? (
          <>
            <span className="font-medium">{message.sender.username}</span>{' '}
            <span dir="auto">
              <PreviewText text={message.content} />
            </span>
          </>
        ) : (
          'A pinned message'
        )}
      </button>
      <Button kind="quiet" onClick={() => openPanel('pins')}>
        {conversation.pinned.length === 1 ? '1 pinned' : `${conversation.pinned.length} pinned`}
      </Button>
    </section>
  );
}
