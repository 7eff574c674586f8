import { ArrowLeft } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { messageStore, type Conversation } from '../api/chat';
import { closeConversation } from '../app/useOpenConversation';
import { RealtimeError, type RealtimeSocket } from '../realtime/socket';
import { useConversation, type Message } from '../realtime/useConversation';
import { useTyping } from '../realtime/useTyping';
import type { User } from '../session/session';
import { Button } from '../ui/Button';
import { useToasts } from '../ui/Toasts';
import { Composer } from './Composer';
import { DeleteDialog } from './DeleteDialog';
import { MessageView } from './MessageView';
import { conversationName, othersIn, typingText } from './names';

const WIDE = '(min-width: 48rem)';

interface Props {
  conversation: Conversation;
  socket: RealtimeSocket | null;
  user: User;
  isAdministrator: boolean;
  /** Null while there is no connection to know it from. */
  online: ReadonlySet<string> | null;
}

export function ConversationPane({ conversation, socket, user, isAdministrator, online }: Props) {
  const held = useConversation(socket, conversation.id, user.id, messageStore);
  const { typingUserIds, handleInput, stopTyping } = useTyping(socket, conversation.id);
  const [doomed, setDoomed] = useState<Message | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const { show } = useToasts();

  useEffect(() => {
    // On a phone the field would bring up the keyboard over what one came to read.
    (window.matchMedia(WIDE).matches ? field : heading).current?.focus();
  }, []);

  function remove(message: Message) {
    setDoomed(null);
    held.remove(message.id).catch((error: Error) => show('The message was not deleted', error.message));
  }

  const others = othersIn(conversation, user.id);
  const name = conversationName(conversation, user.id);
  const typing = typingText(others.filter(({ id }) => typingUserIds.includes(id)).map(({ username }) => username));
  return (
    <section aria-labelledby="conversation-name" className="flex min-h-0 flex-1 flex-col">
      <header className="flex items-center gap-2 border-b border-line bg-surface px-3 py-2.5 md:px-5">
        <Button kind="icon" aria-label="Back to conversations" className="-ml-1 md:hidden" onClick={closeConversation}>
          <ArrowLeft className="size-5" aria-hidden />
        </Button>
        <div className="min-w-0">
          <h2 id="conversation-name" ref={heading} tabIndex={-1} className="truncate font-semibold outline-none">
            {name}
          </h2>
          <p className="truncate text-sm text-muted">{onlineText(others, online)}</p>
        </div>
      </header>
      {held.error !== null && !held.isLoaded && <LoadFailure error={held.error} onRetry={held.reload} />}
      <MessageView conversation={held} userId={user.id} mayDeleteAll={isAdministrator} onDelete={setDoomed} />
      <TypingLine text={typing} />
      <Composer
        field={field}
        name={name}
        onInput={handleInput}
        onLeave={stopTyping}
        onSend={(text) => {
          stopTyping();
          held.send(text);
        }}
      />
      <DeleteDialog message={doomed} onCancel={() => setDoomed(null)} onConfirm={remove} />
    </section>
  );
}

function onlineText(others: User[], online: ReadonlySet<string> | null): string {
  if (!online) return 'Not connected';
  const there = others.filter(({ id }) => online.has(id)).map(({ username }) => username);
  if (others.length === 1) return there.length === 1 ? 'online' : 'offline';
  return there.length === 0 ? 'Nobody else is online' : `${there.join(', ')} online`;
}

function TypingLine({ text }: { text: string }) {
  return (
    <p role="status" aria-label="Typing" className="flex h-6 items-center gap-2 px-5 text-sm text-muted">
      {text && (
        <>
          <span aria-hidden className="flex gap-1">
            <span className="typing-dot size-1.5 rounded-full bg-accent" />
            <span className="typing-dot size-1.5 rounded-full bg-accent [animation-delay:0.2s]" />
            <span className="typing-dot size-1.5 rounded-full bg-accent [animation-delay:0.4s]" />
          </span>
          {text}
        </>
      )}
    </p>
  );
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
