import { useEffect, useState, type RefObject } from 'react';

import { failureText } from '../../ui/failure';
import { useToasts } from '../../ui/Toasts';
import type { User } from '../authentication/session';
import { useDraft } from '../outbox/useDraft';
import type { Extras } from '../outbox/texts';
import { EVERYONE, mentionsIn } from './mentions';
import type { Message } from './messageList';
import type { useMessages } from './useMessages';

interface Place {
  conversationId: string;
  threadId: string | null;
  thread: ReturnType<typeof useMessages>;
  field: RefObject<HTMLTextAreaElement | null>;
  /** Who can be mentioned. */
  mentionable: User[];
}

/** Hold what is written in a conversation or a thread: a new message, maybe one that quotes another, or an edit of one. */
export function useComposing({ conversationId, threadId, thread, field, mentionable }: Place) {
  const { show } = useToasts();
  const [draft, setDraft] = useDraft(conversationId, threadId);
  const [quoted, setQuoted] = useState<Message | null>(null);
  const [edited, setEdited] = useState<{ message: Message; text: string } | null>(null);

  // As it is now: it may change, or go, while one writes.
  const asItIs = (message: Message) => thread.messages.find(({ id }) => id === message.id) ?? message;
  const isEditedGone = edited !== null && asItIs(edited.message).deletedAt !== null;
  useEffect(() => {
    if (!isEditedGone || !edited) return;
    setEdited(null);
    if (edited.text === edited.message.content) return;
    if (draft === '') setDraft(edited.text);
    show('The message was deleted', 'What you have written can be sent as a new one.');
  }, [isEditedGone, edited, draft, setDraft, show]);

  const key = edited?.message.id ?? quoted?.id;
  useEffect(() => {
    if (key !== undefined) field.current?.focus();
  }, [key, field]);

  function send(text: string) {
    const extras: Extras = {};
    if (quoted) extras.replyTo = quoted.id;
    const mentions = mentionsIn(text, mentionable);
    if (mentions.length > 0) extras.mentions = mentions.includes(EVERYONE.id) ? [EVERYONE.id] : mentions;
    setQuoted(null);
    thread.send(text, extras).catch(() => {
      setDraft(text);
      setQuoted(quoted);
      show('The message was not sent', 'The browser cannot keep it.');
    });
    setDraft('');
  }

  function save({ message }: { message: Message }, text: string) {
    setEdited(null);
    if (text === asItIs(message).content) return;
    thread.edit(message.id, text).catch((error: unknown) => {
      setEdited({ message, text });
      show('The message was not changed', failureText(error));
    });
  }

  function cancel(): boolean {
    const wasSomething = edited !== null || quoted !== null;
    setEdited(null);
    setQuoted(null);
    return wasSomething;
  }

  return {
    text: edited?.text ?? draft,
    quoted: quoted && asItIs(quoted),
    edited: edited && asItIs(edited.message),
    change: (text: string) => (edited ? setEdited({ ...edited, text }) : setDraft(text)),
    send: (text: string) => (edited ? save(edited, text) : send(text)),
    reply: (message: Message) => {
      setEdited(null);
      setQuoted(message);
      field.current?.focus();
    },
    edit: (message: Message) => {
      setQuoted(null);
      setEdited({ message, text: message.content });
    },
    cancel,
  };
}
