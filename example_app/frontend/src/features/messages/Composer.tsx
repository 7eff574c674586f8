import { SendHorizontal } from 'lucide-react';
import { type FormEvent, type KeyboardEvent, type RefObject } from 'react';

const MAX_LENGTH = 4000;

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  name: string;
  text: string;
  onInput: (text: string) => void;
  onLeave: () => void;
  onSend: (text: string) => void;
}

export function Composer({ field, name, text, onInput, onLeave, onSend }: Props) {
  function send() {
    const content = text.trim();
    if (content !== '') onSend(content);
  }

  function handleSubmit(event: FormEvent) {
    event.preventDefault();
    send();
  }

  function handleKeyDown(event: KeyboardEvent) {
    // While an input method composes a character, Enter chooses one.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form onSubmit={handleSubmit} className="flex items-end gap-2 border-t border-line bg-surface p-3">
      <textarea
        ref={field}
        aria-label="Message"
        placeholder={`Write to ${name}`}
        rows={1}
        maxLength={MAX_LENGTH}
        value={text}
        onChange={(event) => onInput(event.target.value)}
        onBlur={onLeave}
        onKeyDown={handleKeyDown}
        className="field-sizing-content max-h-40 min-h-11 flex-1 resize-none rounded-xl border border-line bg-canvas px-3.5 py-2.5 text-base leading-normal placeholder:text-muted sm:text-sm sm:leading-relaxed -outline-offset-1"
      />
      <button
        type="submit"
        aria-label="Send"
        disabled={text.trim() === ''}
        className="grid size-11 shrink-0 place-items-center rounded-xl bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-sunken disabled:text-muted"
      >
        <SendHorizontal className="size-5" aria-hidden />
      </button>
    </form>
  );
}
