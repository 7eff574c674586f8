import { useState, type FormEvent } from 'react';

import { Button } from '../../ui/Button';
import { TextField } from '../../ui/Field';
import { Modal, type DialogProps } from '../../ui/Modal';
import { findEmoji, mayBeEmoji } from './emoji';

interface Props extends DialogProps {
  onPick: (emoji: string) => void;
}

/** Lets one choose an emoji: a usual one, by its name, or any other. */
export default function ReactionPicker({ isOpen, onOpenChange, onPick }: Props) {
  const [query, setQuery] = useState('');
  const found = findEmoji(query);
  const own = mayBeEmoji(query.trim()) ? query.trim() : null;

  function pick(emoji: string | undefined) {
    if (emoji === undefined) return;
    setQuery('');
    onPick(emoji);
  }

  function handleSubmit(event: FormEvent) {
    event.preventDefault();
    pick(own ?? found[0]?.[0]);
  }

  return (
    <Modal title="Add a reaction" description="Choose an emoji, or search by a word." isOpen={isOpen} onOpenChange={onOpenChange}>
      <form onSubmit={handleSubmit} className="grid gap-3">
        <TextField
          label="Emoji"
          hint="A word, or any emoji of your keyboard"
          autoComplete="off"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <div role="group" aria-label="Emoji found" className="grid grid-cols-8 gap-1 pointer-coarse:grid-cols-[repeat(auto-fill,minmax(2.75rem,1fr))]">
          {found.map(([emoji, words]) => (
            <Button key={emoji} kind="quiet" className="px-0 text-xl" aria-label={`${emoji} ${words.split(' ')[0]}`} onClick={() => pick(emoji)}>
              {emoji}
            </Button>
          ))}
        </div>
        {found.length === 0 && own === null && <p className="text-sm text-muted">No usual emoji of that name.</p>}
        {own !== null && (
          <Button type="submit" kind="primary">
            React with {own}
          </Button>
        )}
      </form>
    </Modal>
  );
}
