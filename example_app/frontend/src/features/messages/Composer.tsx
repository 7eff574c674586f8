import { SendHorizontal } from 'lucide-react';
import { useId, type FormEvent, type KeyboardEvent, type ReactNode, type RefObject } from 'react';

import type { User } from '../authentication/session';
import { lengthOf, lengthText, MAX_LENGTH } from './length';
import { MentionList } from './MentionList';
import { useCompletion } from './useCompletion';

// Safari ends the composition before the key that ended it comes, which has this code then.
const COMPOSING_KEY_CODE = 229;

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  name: string;
  text: string;
  onInput: (text: string) => void;
  onLeave: () => void;
  onSend: (text: string) => void;
  /** What the field is called, and what the button does with the text. */
  label?: string;
  action?: string;
  /** Who can be mentioned. */
  people?: User[];
  /** What the text is about, above the field. */
  children?: ReactNode;
  /** Escape was pressed. Returns whether there was something to leave. */
  onEscape?: () => boolean;
  /** The arrow up was pressed in the empty field. */
  onRecall?: () => void;
}

const NOBODY: User[] = [];

export function Composer({ field, name, text, onInput, onLeave, onSend, label = 'Message', action = 'Send', ...more }: Props) {
  const { people = NOBODY, children, onEscape, onRecall } = more;
  const completion = useCompletion(field, text, people, onInput);
  const noteId = useId();
  const length = lengthOf(text);
  const isTooLong = length > MAX_LENGTH;

  function send() {
    if (length > 0 && !isTooLong) onSend(text.trim());
  }

  function handleSubmit(event: FormEvent) {
    event.preventDefault();
    send();
  }

  function handleKeyDown(event: KeyboardEvent) {
    // While an input method composes a character, Enter chooses one.
    const isComposing = event.nativeEvent.isComposing || event.keyCode === COMPOSING_KEY_CODE;
    if (isComposing || completion.handleKey(event)) return;
    if (event.key === 'Escape' && onEscape?.()) event.preventDefault();
    if (event.key === 'ArrowUp' && text === '' && onRecall) {
      event.preventDefault();
      onRecall();
    }
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    send();
  }

  return (
    <form onSubmit={handleSubmit} className="relative border-t border-line bg-surface p-3">
      <MentionList completion={completion} />
      {children}
      <div className="flex items-end gap-2">
        <textarea
          ref={field}
          dir="auto"
          aria-label={label}
          {...completion.attributes}
          aria-describedby={noteId}
          aria-invalid={isTooLong}
          placeholder={`Write to ${name}`}
          rows={1}
          value={text}
          onChange={(event) => {
            completion.follow(event);
            onInput(event.target.value);
          }}
          onSelect={completion.follow}
          onBlur={(event) => {
            completion.leave(event);
            onLeave();
          }}
          onKeyDown={handleKeyDown}
          className="field-sizing-content max-h-[min(10rem,20dvh)] min-h-11 placeholder-shown:overflow-hidden placeholder-shown:text-ellipsis placeholder-shown:whitespace-nowrap min-w-0 flex-1 resize-none rounded-xl border border-line bg-canvas px-3.5 py-2.5 text-base leading-normal placeholder:text-muted aria-invalid:border-danger sm:text-sm sm:leading-relaxed -outline-offset-1"
        />
        <button
          type="submit"
          aria-label={action}
          aria-describedby={noteId}
          title={isTooLong ? lengthText(length) : undefined}
          // A disabled button could not be asked why.
          disabled={length === 0}
          aria-disabled={isTooLong}
          className="grid size-11 shrink-0 place-items-center rounded-xl bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-sunken disabled:text-muted aria-disabled:bg-sunken aria-disabled:text-muted"
        >
          <SendHorizontal className="size-5" aria-hidden />
        </button>
      </div>
      <p id={noteId} className={`px-1 text-xs not-empty:pt-1.5 ${isTooLong ? 'text-danger' : 'text-muted'}`}>
        {lengthText(length)}
      </p>
      {/* Said once, while the number above changes with every key. */}
      <p role="status" aria-label="Length" className="sr-only">
        {isTooLong && 'The message is too long to be sent.'}
      </p>
    </form>
  );
}
