import { SmilePlus } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';

import { Button } from '../../ui/Button';
import { SidePanel } from '../../ui/SidePanel';
import { dateAndTime } from '../../ui/time';
import type { User } from '../authentication/session';
import type { Conversation } from '../conversations/api';
import { MessageText } from '../formatting/MessageText';
import { messageStore } from '../messages/api';
import { useJumps } from '../messages/jump';
import { MessageLookup, useMessage } from '../messages/lookup';
import type { Message } from '../messages/messageList';
import { MessageRoom } from '../messages/MessageRoom';
import { PeopleProvider } from '../messages/people';
import { useMessages } from '../messages/useMessages';
import { PickReaction } from '../reactions/PickReaction';
import { ReactionBar } from '../reactions/ReactionBar';
import { useReact } from '../reactions/useReact';

// On a phone the field would bring up the keyboard over what one came to read.
const WIDE = '(min-width: 48rem)';
const WORDS = {
  list: 'Replies in the thread',
  beginning: 'The beginning of the thread',
  empty: 'No replies yet.',
  field: 'Reply in the thread',
  action: 'Post reply',
};

interface Props {
  conversation: Conversation;
  user: User;
  /** The message whose thread it is. */
  messageId: string;
  /** Messages of the conversation, among which it may be. */
  messages: Message[];
  fallback: () => HTMLElement | null;
}

/** Shows the thread of a message beside the conversation. */
export default function ThreadPanel({ conversation, user, messageId, messages, fallback }: Props) {
  const thread = useMessages(conversation.id, user.id, messageStore, { threadId: messageId });
  const field = useRef<HTMLTextAreaElement>(null);
  const { participants } = conversation;
  const people = useMemo(() => ({ userId: user.id, people: participants }), [user.id, participants]);
  useJumps({ conversationId: conversation.id, threadId: messageId }, thread.isLoaded, thread.jumpTo);
  return (
    <SidePanel title="Thread" first={() => (window.matchMedia(WIDE).matches ? field.current : null)} fallback={fallback}>
      <MessageLookup conversationId={conversation.id} messages={messages} store={messageStore}>
        <PeopleProvider value={people}>
          <Root messageId={messageId} userId={user.id} />
        </PeopleProvider>
      </MessageLookup>
      <MessageRoom
        conversation={conversation}
        user={user}
        thread={thread}
        threadId={messageId}
        field={field}
        name="the thread"
        words={WORDS}
      />
    </SidePanel>
  );
}

function Root({ messageId, userId }: { messageId: string; userId: string }) {
  const message = useMessage(messageId);
  return (
    <article aria-label="Message of the thread" className="max-h-40 shrink-0 overflow-y-auto border-b border-line bg-surface px-4 py-3">
      {message && (
        <>
          <p className="text-xs text-muted">
            <span className="font-semibold">{message.sender.username}</span> {dateAndTime(message.createdAt)}
          </p>
          {message.deletedAt === null ? <Content message={message} userId={userId} /> : <p className="text-sm italic">Message deleted</p>}
        </>
      )}
    </article>
  );
}

function Content({ message, userId }: { message: Message; userId: string }) {
  const react = useReact(userId);
  const [isPicking, setIsPicking] = useState(false);
  return (
    <>
      <MessageText text={message.content} />
      <div className="mt-1 flex flex-wrap items-center gap-1">
        <ReactionBar message={message} onReact={react} />
        <Button kind="quiet" className="min-h-7 px-2" aria-label="Add a reaction" title="Add a reaction" onClick={() => setIsPicking(true)}>
          <SmilePlus className="size-4" aria-hidden />
        </Button>
      </div>
      <PickReaction message={isPicking ? message : null} onReact={react} onClose={() => setIsPicking(false)} />
    </>
  );
}
