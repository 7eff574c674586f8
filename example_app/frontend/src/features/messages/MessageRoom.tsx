import { Pencil, Reply } from 'lucide-react';
import { useEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react';

import { failureText } from '../../ui/failure';
import { dialogForLater, OnceNeeded } from '../../ui/later';
import { useToasts } from '../../ui/Toasts';
import type { User } from '../authentication/session';
import type { Conversation } from '../conversations/api';
import { usePins } from '../pins/usePins';
import { PickReaction } from '../reactions/PickReaction';
import { useReact } from '../reactions/useReact';
import type { MessageActions } from './actions';
import { messageStore } from './api';
import { Composer } from './Composer';
import { ComposerNote } from './ComposerNote';
import { DeleteDialog } from './DeleteDialog';
import { MessageLookup } from './lookup';
import { EVERYONE } from './mentions';
import type { Message } from './messageList';
import { MessageView } from './MessageView';
import { PeopleProvider } from './people';
import { useComposing } from './useComposing';
import type { useMessages } from './useMessages';

const SeenByDialog = dialogForLater(() => import('../receipts/SeenByDialog'));

interface Props {
  conversation: Conversation;
  user: User;
  thread: ReturnType<typeof useMessages>;
  threadId: string | null;
  field: RefObject<HTMLTextAreaElement | null>;
  /** To whom, or to what, one writes here. */
  name: string;
  words: { list: string; beginning: string; empty: string; field: string; action: string };
  onThread?: (message: Message) => void;
  onWrite?: (text: string) => void;
  onLeave?: () => void;
  /** What stands between the messages and the field. */
  children?: ReactNode;
}

/** Shows the messages of a conversation or a thread, with all that can be done with them, and the field to write another. */
export function MessageRoom({ conversation, user, thread, threadId, field, name, words, onThread, ...more }: Props) {
  const { onWrite, onLeave, children } = more;
  const { show } = useToasts();
  const [messageToDelete, setMessageToDelete] = useState<Message | null>(null);
  const [messageToReactTo, setMessageToReactTo] = useState<Message | null>(null);
  const [messageSeen, setMessageSeen] = useState<Message | null>(null);

  const { id: conversationId, participants } = conversation;
  const role = participants.find(({ id }) => id === user.id)?.role;
  const isModerator = role === 'owner' || role === 'moderator';
  const mentionable = useMemo(() => {
    const others = participants.filter(({ id }) => id !== user.id);
    return isModerator && others.length > 1 ? [...others, EVERYONE] : others;
  }, [participants, isModerator, user.id]);
  const composing = useComposing({ conversationId, threadId, thread, field, mentionable });
  const people = useMemo(() => ({ userId: user.id, people: participants }), [user.id, participants]);

  const react = useReact(user.id);

  function remove(message: Message) {
    setMessageToDelete(null);
    thread.remove(message.id).catch((error: unknown) => show('The message was not deleted', failureText(error)));
  }

  const jump = (messageId: string) => thread.jumpTo(messageId).catch((error: Error) => show('Not found', error.message));
  const pinning = usePins(conversation, user.id);
  const handlers = { jump, composing, onThread, pinning };
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  const hasPins = pinning.mayPin;
  const hasThreads = onThread !== undefined;
  const { retry, discard } = thread;
  const actions = useMemo<MessageActions>(
    () => ({
      onDelete: setMessageToDelete,
      onEdit: (message) => latest.current.composing.edit(message),
      onReply: (message) => latest.current.composing.reply(message),
      onReact: react,
      onPickReaction: setMessageToReactTo,
      onSeenBy: setMessageSeen,
      onJump: (messageId) => void latest.current.jump(messageId),
      ...(hasThreads && { onThread: (message: Message) => latest.current.onThread?.(message) }),
      ...(hasPins && {
        pins: {
          isPinned: ({ id }: Message) => latest.current.pinning.isPinned(id),
          onPin: ({ id }: Message) => {
            const { isPinned, pin, unpin } = latest.current.pinning;
            (isPinned(id) ? unpin : pin)(id);
          },
        },
      }),
      onRetry: (one) => void retry(one),
      onDiscard: (one) => void discard(one),
    }),
    [hasThreads, hasPins, react, retry, discard],
  );

  function editLast() {
    const last = thread.messages.findLast(({ senderId, deletedAt }) => senderId === user.id && deletedAt === null);
    if (last) composing.edit(last);
  }

  const { quoted, edited } = composing;
  return (
    <PeopleProvider value={people}>
      <MessageLookup conversationId={conversationId} messages={thread.messages} store={messageStore}>
        <MessageView
          key={thread.generation}
          thread={thread}
          userId={user.id}
          mayDeleteAll={isModerator}
          label={words.list}
          beginning={words.beginning}
          empty={words.empty}
          actions={actions}
        />
      </MessageLookup>
      {children}
      <Composer
        field={field}
        name={name}
        text={composing.text}
        label={words.field}
        action={edited ? 'Save' : words.action}
        people={mentionable}
        onInput={(text) => {
          composing.change(text);
          onWrite?.(text);
        }}
        onLeave={() => onLeave?.()}
        onSend={(text) => {
          onLeave?.();
          composing.send(text);
        }}
        onEscape={composing.cancel}
        onRecall={editLast}
      >
        {quoted && <ComposerNote Icon={Reply} title={`Reply to ${quoted.sender.username}`} text={quoted.deletedAt === null ? quoted.content : 'Message deleted'} onCancel={composing.cancel} />}
        {edited && <ComposerNote Icon={Pencil} title="Edit message" text={edited.content} onCancel={composing.cancel} />}
      </Composer>
      <DeleteDialog message={messageToDelete} onCancel={() => setMessageToDelete(null)} onConfirm={remove} />
      <PickReaction message={messageToReactTo} onReact={react} onClose={() => setMessageToReactTo(null)} />
      <OnceNeeded isNeeded={messageSeen !== null}>
        <SeenByDialog message={messageSeen} isOpen={messageSeen !== null} onOpenChange={() => setMessageSeen(null)} />
      </OnceNeeded>
    </PeopleProvider>
  );
}
