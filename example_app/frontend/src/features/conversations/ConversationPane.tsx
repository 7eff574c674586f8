import { ArrowLeft } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { RealtimeError } from '../../realtime/socket';
import { Button } from '../../ui/Button';
import { useToasts } from '../../ui/Toasts';
import type { User } from '../authentication/session';
import { messageStore } from '../messages/api';
import { Composer } from '../messages/Composer';
import { DeleteDialog } from '../messages/DeleteDialog';
import type { Message } from '../messages/messageList';
import { MessageView } from '../messages/MessageView';
import { useMessages } from '../messages/useMessages';
import { useDraft } from '../outbox/useDraft';
import { TypingLine } from '../typing-indicators/TypingLine';
import { typingText } from '../typing-indicators/typingText';
import { useTyping } from '../typing-indicators/useTyping';
import type { Conversation } from './api';
import { conversationName, othersIn } from './names';
import { closeConversation } from './useOpenConversation';

const WIDE = '(min-width: 48rem)';

interface Props {
  conversation: Conversation;
  user: User;
  isAdministrator: boolean;
  /** Null while there is no connection to know it from. */
  online: ReadonlySet<string> | null;
}

export function ConversationPane({ conversation, user, isAdministrator, online }: Props) {
  const thread = useMessages(conversation.id, user.id, messageStore);
  const { typingUserIds, handleInput, stopTyping } = useTyping(conversation.id);
  const [draft, setDraft] = useDraft(conversation.id);
  const [messageToDelete, setMessageToDelete] = useState<Message | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const { show } = useToasts();

  useEffect(() => {
    // On a phone the field would bring up the keyboard over what one came to read.
    (window.matchMedia(WIDE).matches ? field : heading).current?.focus();
  }, []);

  function remove(message: Message) {
    setMessageToDelete(null);
    thread.remove(message.id).catch((error: Error) => show('The message was not deleted', error.message));
  }

  function change(text: string) {
    setDraft(text);
    handleInput(text);
  }

  function send(text: string) {
    stopTyping();
    thread.send(text).catch(() => {
      setDraft(text);
      show('The message was not sent', 'The browser cannot keep it.');
    });
    setDraft('');
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
      {thread.error !== null && !thread.isLoaded && <LoadFailure error={thread.error} onRetry={thread.reload} />}
      <MessageView thread={thread} userId={user.id} mayDeleteAll={isAdministrator} onDelete={setMessageToDelete} />
      <TypingLine text={typing} />
      <Composer
        field={field}
        name={name}
        text={draft}
        onInput={change}
        onLeave={stopTyping}
        onSend={send}
      />
      <DeleteDialog message={messageToDelete} onCancel={() => setMessageToDelete(null)} onConfirm={remove} />
    </section>
  );
}

function onlineText(others: User[], online: ReadonlySet<string> | null): string {
  if (!online) return 'Not connected';
  const there = others.filter(({ id }) => online.has(id)).map(({ username }) => username);
  if (others.length === 1) return there.length === 1 ? 'online' : 'offline';
  return there.length === 0 ? 'Nobody else is online' : `${there.join(', ')} online`;
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
