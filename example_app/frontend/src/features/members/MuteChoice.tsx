import { useEffect, useId, useState } from 'react';

import { failureText } from '../../ui/failure';
import { timeToCome } from '../../ui/time';
import { useToasts } from '../../ui/Toasts';
import { muteConversation, type Conversation } from '../conversations/api';
import { isMuted } from '../conversations/changes';

const HOUR_MS = 3_600_000;

const CHOICES = { on: 'On', hour: 'Mute for an hour', off: 'Mute' } as const;

type Choice = keyof typeof CHOICES;

/** Mutes a conversation for an hour, for ever, or not any more. */
export function MuteChoice({ conversation }: { conversation: Conversation }) {
  const { show } = useToasts();
  const name = useId();
  const { muted } = conversation;
  // Shown as chosen until the server has told of it, or has refused it.
  const [wanted, setWanted] = useState<Choice | null>(null);
  useEffect(() => setWanted(null), [muted]);
  const chosen = wanted ?? choiceOf(muted);

  function choose(choice: Choice) {
    const until = choice === 'hour' ? new Date(Date.now() + HOUR_MS).toISOString() : choice === 'off';
    setWanted(choice);
    muteConversation(conversation.id, until).catch((failure) => {
      setWanted(null);
      show('Nothing was changed', failureText(failure));
    });
  }

  return (
    <fieldset className="px-1">
      <legend className="text-sm font-semibold text-muted">Notifications</legend>
      <div className="flex flex-wrap gap-x-4">
        {(Object.keys(CHOICES) as Choice[]).map((choice) => (
          <label key={choice} className="flex min-h-10 pointer-coarse:min-h-11 items-center gap-2 text-sm">
            <input type="radio" name={name} className="size-4 accent-accent" checked={choice === chosen} onChange={() => choose(choice)} />
            {CHOICES[choice]}
          </label>
        ))}
      </div>
      <p role="status" className="text-sm text-muted">
        {mutedText(muted)}
      </p>
    </fieldset>
  );
}

function choiceOf(muted: Conversation['muted']): Choice {
  if (!isMuted({ muted })) return 'on';
  return typeof muted === 'string' ? 'hour' : 'off';
}

function mutedText(muted: Conversation['muted']): string {
  if (!isMuted({ muted })) return 'You are told of new messages.';
  return typeof muted === 'string' ? `Muted until ${timeToCome(muted)}.` : 'Muted.';
}
