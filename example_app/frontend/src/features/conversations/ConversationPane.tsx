import { ArrowLeft } from 'lucide-react';
import { useCallback, useEffect, useRef } from 'react';

import { RealtimeError } from '../../realtime/socket';
import { Button } from '../../ui/Button';
import { panelForLater } from '../../ui/later';
import { joinNames } from '../../ui/names';
import { useSidePanel } from '../../ui/SidePanel';
import type { User } from '../authentication/session';
import { messageStore } from '../messages/api';
import { useJumps, useThreadJumps } from '../messages/jump';
import { MessageRoom } from '../messages/MessageRoom';
import { useMessages } from '../messages/useMessages';
import { PinBanner } from '../pins/PinBanner';
import { isOnline, presenceText, type Presences } from '../presence/presence';
import { TypingLine } from '../typing-indicators/TypingLine';
import { typingText } from '../typing-indicators/typingText';
import { useTyping } from '../typing-indicators/useTyping';
import type { Conversation } from './api';
import { ConversationTools } from './ConversationTools';
import { conversationName, othersIn } from './names';
import { closeConversation } from './useOpenConversation';

const WIDE = '(min-width: 48rem)';
const WORDS = {
  list: 'Messages',
  beginning: 'The beginning of the conversation',
  empty: 'No messages yet. Write the first one.',
  field: 'Message',
  action: 'Send',
};

const ThreadPanel = panelForLater('Thread', () => import('../threads/ThreadPanel'));

interface Props {
  conversation: Conversation;
  user: User;
  /** Null while there is no connection to know it from. */
  online: Presences | null;
}

export function ConversationPane({ conversation, user, online }: Props) {
  const thread = useMessages(conversation.id, user.id, messageStore, { unreadCount: conversation.unreadCount });
  const { typingUserIds, handleInput, stopTyping } = useTyping(conversation.id);
  const { panel, subject, openPanel, leavePanel } = useSidePanel();
  const field = useRef<HTMLTextAreaElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    // On a phone the field would bring up the keyboard over what one came to read.
    (window.matchMedia(WIDE).matches ? field : heading).current?.focus();
  }, []);

  useJumps({ conversationId: conversation.id, threadId: null }, thread.isLoaded, thread.jumpTo);
  const openThread = useCallback((messageId: string) => openPanel('thread', messageId), [openPanel]);
  useThreadJumps(conversation.id, openThread);

  const isThread = panel === 'thread';
  const leave = useRef(() => {});
  useEffect(() => {
    leave.current = () => isThread && leavePanel();
  });
  // A thread is one of this conversation, and is left with it.
  useEffect(() => () => leave.current(), []);

  const others = othersIn(conversation, user.id);
  const name = conversationName(conversation, user.id);
  const typing = typingText(others.filter(({ id }) => typingUserIds.includes(id)).map(({ username }) => username));
  return (
    <div className="relative flex min-h-0 flex-1">
      <section aria-labelledby="conversation-name" className="flex min-h-0 min-w-0 flex-1 flex-col">
        <header className="flex h-16 shrink-0 items-center gap-2 border-b border-line bg-surface px-3 md:px-5">
          <Button kind="icon" aria-label="Back to conversations" className="-ml-1 md:hidden" onClick={closeConversation}>
            <ArrowLeft className="size-5" aria-hidden />
          </Button>
          <div className="min-w-0">
            <h2 id="conversation-name" ref={heading} dir="auto" tabIndex={-1} className="truncate font-semibold outline-none">
              {name}
            </h2>
            <p className="truncate text-sm text-muted">{onlineText(others, online)}</p>
          </div>
          <ConversationTools conversation={conversation} />
        </header>
        <PinBanner conversation={conversation} />
        {thread.error !== null && !thread.isLoaded && <LoadFailure error={thread.error} onRetry={thread.reload} />}
        <MessageRoom
          conversation={conversation}
          user={user}
          thread={thread}
          threadId={null}
          field={field}
          name={name}
          words={WORDS}
          onThread={({ id }) => openThread(id)}
          onWrite={handleInput}
          onLeave={stopTyping}
        >
          <TypingLine text={typing} />
        </MessageRoom>
      </section>
      {panel === 'thread' && subject !== null && (
        <ThreadPanel
          key={subject}
          conversation={conversation}
          user={user}
          messageId={subject}
          messages={thread.messages}
          fallback={() => field.current}
        />
      )}
    </div>
  );
}

function onlineText(others: User[], online: Presences | null): string {
  if (!online) return 'Not connected';
  const there = others.filter(({ id }) => isOnline(online, id)).map(({ username }) => username);
  const only = others.length === 1 && others[0] ? online.get(others[0].id) : undefined;
  if (only) return presenceText(only);
  if (others.length === 1) return 'offline';
  return there.length === 0 ? 'Nobody else is online' : `${joinNames(there)} online`;
}

function LoadFailure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const reason = error instanceof RealtimeError ? error.message : 'The server cannot be reached.';
  return (
    <div role="alert" className="m-4 flex items-center gap-3 rounded-lg bg-danger-soft px-3 py-2 text-sm text-danger">
      <span className="flex-1">The messages could not be loaded. {reason}</span>
      <Button onClick={onRetry}>Try again</Button>
    </div>
  );
}
