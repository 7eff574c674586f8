import { useState, type FormEvent } from 'react';

import { Button } from '../../ui/Button';
import { failureText } from '../../ui/failure';
import { TextField } from '../../ui/Field';
import { Modal } from '../../ui/Modal';
import type { Person } from '../presence/api';
import { createConversation } from './api';

interface Props {
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
  people: Person[];
  userId: string;
  onCreated: (conversationId: string) => void;
}

export function NewConversation({ isOpen, onOpenChange, people, userId, onCreated }: Props) {
  return (
    <Modal
      title="New conversation"
      description="Choose who takes part. A title is optional."
      isOpen={isOpen}
      onOpenChange={onOpenChange}
    >
      <NewConversationForm others={people.filter(({ id }) => id !== userId)} onCreated={onCreated} />
    </Modal>
  );
}

function NewConversationForm({ others, onCreated }: { others: Person[]; onCreated: (conversationId: string) => void }) {
  const [chosen, setChosen] = useState<string[]>([]);
  const [error, setError] = useState<string | null>(null);

  async function handleSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const title = String(new FormData(event.currentTarget).get('title'));
    try {
      onCreated((await createConversation(title, chosen)).id);
    } catch (failure) {
      setError(failureText(failure));
    }
  }

  function toggle(userId: string) {
    setChosen((ids) => (ids.includes(userId) ? ids.filter((id) => id !== userId) : [...ids, userId]));
  }

  return (
    <form onSubmit={(event) => void handleSubmit(event)} className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <fieldset className="min-w-0">
        <legend className="mb-1.5 text-sm font-medium">Participants</legend>
        <div className="max-h-56 overflow-y-auto rounded-lg border border-line">
          {others.map(({ id, username }) => (
            <label key={id} className="flex min-h-11 cursor-pointer items-center gap-3 px-3 hover:bg-sunken">
              <input
                type="checkbox"
                className="size-4 shrink-0 accent-accent"
                checked={chosen.includes(id)}
                onChange={() => toggle(id)}
              />
              <span className="truncate">{username}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <TextField label="Title" name="title" maxLength={200} autoComplete="off" />
      <div role="alert" className="text-sm text-danger empty:hidden">
        {error}
      </div>
      <Button type="submit" kind="primary" disabled={chosen.length === 0}>
        Start conversation
      </Button>
    </form>
  );
}
