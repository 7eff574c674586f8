import { useState, type FormEvent } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { request } from '../../realtime/socket';
import type { PresenceOfUser, PresenceSetPayload } from '../../realtime/types';
import { Button } from '../../ui/Button';
import { failureText } from '../../ui/failure';
import { SelectField, TextField } from '../../ui/Field';
import { Modal, type DialogProps } from '../../ui/Modal';
import { DURATIONS, untilOf, type Duration } from './durations';

const MAX_TEXT_LENGTH = 100;

const STATES: Record<PresenceSetPayload['state'], string> = {
  online: 'Online, or away when you are',
  away: 'Away',
  busy: 'Busy',
  invisible: 'Invisible: offline to everybody else',
};

interface Props extends DialogProps {
  /** The user's own presence, where it is known. */
  presence: PresenceOfUser | undefined;
}

/** Lets users tell others how they are. */
export default function StatusDialog({ isOpen, onOpenChange, presence }: Props) {
  return (
    <Modal title="Your status" description="On all your devices." isOpen={isOpen} onOpenChange={onOpenChange}>
      <StatusForm presence={presence} onDone={() => onOpenChange(false)} />
    </Modal>
  );
}

function StatusForm({ presence, onDone }: { presence: PresenceOfUser | undefined; onDone: () => void }) {
  const { socket } = useRealtime();
  const [error, setError] = useState<string | null>(null);
  const current = presence && presence.state !== 'offline' ? presence.state : 'online';

  async function handleSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const state = form.get('state') as PresenceSetPayload['state'];
    const text = String(form.get('text')).trim() || null;
    const until = untilOf(form.get('until') as Duration, new Date());
    try {
      if (!socket) throw new Error('There is no connection');
      await request(socket, 'presence:set', { state, text, until });
      onDone();
    } catch (failure) {
      setError(failureText(failure));
    }
  }

  return (
    <form onSubmit={(event) => void handleSubmit(event)} className="grid gap-4">
      <fieldset>
        <legend className="mb-1 text-sm font-medium">State</legend>
        {Object.entries(STATES).map(([state, label]) => (
          <label key={state} className="flex min-h-10 pointer-coarse:min-h-11 cursor-pointer items-center gap-3 text-sm">
            <input type="radio" name="state" value={state} defaultChecked={state === current} className="size-4 accent-accent" />
            {label}
          </label>
        ))}
      </fieldset>
      <TextField
        label="Text"
        name="text"
        defaultValue={presence?.text ?? ''}
        maxLength={MAX_TEXT_LENGTH}
        autoComplete="off"
        placeholder="In a meeting"
      />
      <SelectField label="Until" name="until">
        {Object.entries(DURATIONS).map(([duration, label]) => (
          <option key={duration} value={duration}>
            {label}
          </option>
        ))}
      </SelectField>
      <div role="alert" className="text-sm text-danger empty:hidden">
        {error}
      </div>
      <Button type="submit" kind="primary">
        Set status
      </Button>
    </form>
  );
}
