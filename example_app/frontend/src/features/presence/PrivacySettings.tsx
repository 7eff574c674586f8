import { useEffect, useState } from 'react';

import { failureText } from '../../ui/failure';
import { loadPrivacy, setPrivacy as storePrivacy, type Privacy } from './api';

const SWITCHES: Record<keyof Privacy, string> = {
  sendTyping: 'Let others see when I write',
  sendReceipts: 'Let others see what I have got and read',
};

/** What users let others hear of them; the server keeps it. */
export function PrivacySettings() {
  const [privacy, setPrivacy] = useState<Privacy | null>(null);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    loadPrivacy().then(setPrivacy, (failure) => setError(failureText(failure)));
  }, []);

  async function change(changes: Partial<Privacy>) {
    const before = privacy;
    setError(null);
    setPrivacy((known) => known && { ...known, ...changes });
    try {
      await storePrivacy(changes);
    } catch (failure) {
      setPrivacy(before);
      setError(failureText(failure));
    }
  }

  return (
    <fieldset>
      <legend className="mb-1 text-sm font-medium">Privacy</legend>
      {(Object.keys(SWITCHES) as (keyof Privacy)[]).map((name) => (
        <label key={name} className="flex min-h-10 pointer-coarse:min-h-11 cursor-pointer items-center gap-3 text-sm">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            disabled={privacy === null}
            checked={privacy?.[name] ?? true}
            onChange={({ target }) => void change({ [name]: target.checked })}
          />
          {SWITCHES[name]}
        </label>
      ))}
      <p role="alert" className="text-sm text-danger empty:hidden">
        {error}
      </p>
    </fieldset>
  );
}
