import { PinOff } from 'lucide-react';
import { useRef } from 'react';

import { Button } from '../../ui/Button';
import { SidePanel } from '../../ui/SidePanel';
import { dateAndTime, shortTime } from '../../ui/time';
import type { User } from '../authentication/session';
import type { Conversation } from '../conversations/api';
import { PreviewText } from '../formatting/PreviewText';
import { messageStore } from '../messages/api';
import type { Message } from '../messages/messageList';
import { useJumpFromPanel } from '../messages/useJumpFromPanel';
import { usePinnedMessages } from './usePinnedMessages';
import { usePins } from './usePins';

interface Props {
  conversation: Conversation;
  user: User;
}

/** Lists the pinned messages of a conversation, the one pinned last first. */
export default function PinsPanel({ conversation, user }: Props) {
  const ids = [...conversation.pinned].reverse();
  const found = usePinnedMessages(conversation.id, ids, messageStore);
  const { mayPin, unpin } = usePins(conversation, user.id);
  const jump = useJumpFromPanel();
  const list = useRef<HTMLUListElement>(null);

  function handleUnpin(id: string) {
    unpin(id);
    // The button, which has the focus, goes.
    list.current?.focus();
  }

  return (
    <SidePanel title="Pinned messages">
      {ids.length === 0 && <p className="p-4 text-sm text-muted">Nothing is pinned here.</p>}
      <ul ref={list} tabIndex={-1} className="min-h-0 flex-1 space-y-1 overflow-y-auto p-2 outline-none">
        {ids.map((id) => (
          <li key={id} className="flex items-start gap-1">
            <button
              type="button"
              onClick={() => jump(conversation.id, id, found.get(id)?.threadId)}
              className="min-w-0 flex-1 rounded-xl px-3 py-2 text-left text-sm hover:bg-sunken"
            >
              <PinnedMessage message={found.get(id)} />
            </button>
            {mayPin && (
              <Button kind="icon" aria-label={`Unpin: ${found.get(id)?.content ?? 'message'}`} onClick={() => handleUnpin(id)}>
                <PinOff className="size-4" aria-hidden />
              </Button>
            )}
          </li>
        ))}
      </ul>
    </SidePanel>
  );
}

function PinnedMessage({ message }: { message: Message | null | undefined }) {
  if (!message) return <span className="text-muted">{message === null ? 'A message that cannot be shown here' : 'Loading…'}</span>;
  return (
    <>
      <span className="flex items-baseline gap-2">
        <span className="min-w-0 flex-1 truncate font-medium">
          {message.sender.username}
          {message.threadId !== null && <span className="font-normal text-muted"> in a thread</span>}
        </span>
        <time dateTime={message.createdAt} title={dateAndTime(message.createdAt)} className="text-xs text-muted">
          {shortTime(message.createdAt)}
        </time>
      </span>
      <span dir="auto" className="line-clamp-4 break-words whitespace-pre-wrap">
        <PreviewText text={message.content} />
      </span>
    </>
  );
}
