import { useId, useLayoutEffect, useRef, useState, type FocusEvent, type KeyboardEvent, type RefObject, type SyntheticEvent } from 'react';

import type { User } from '../authentication/session';
import { completionAt, matching } from './mentions';

const MOST_OPTIONS = 8;

/**
 * Complete the name of somebody while it is written after an at sign.
 *
 * @param field - Where it is written.
 * @param text - What is written there.
 * @param people - Who can be mentioned.
 * @param onInput - Called with the text in which the name is complete.
 */
export function useCompletion(field: RefObject<HTMLTextAreaElement | null>, text: string, people: User[], onInput: (text: string) => void) {
  const listId = useId();
  const [caret, setCaret] = useState<number | null>(null);
  const [active, setActive] = useState(0);
  const [dismissed, setDismissed] = useState<number | null>(null);
  const nextCaret = useRef<number | null>(null);

  const found = caret === null ? null : completionAt(text, caret);
  const isOpen = found !== null && found.start !== dismissed;
  const fitting = isOpen ? matching(people, found.query) : [];
  const options = fitting.slice(0, MOST_OPTIONS);
  const activeIndex = Math.min(active, options.length - 1);

  useLayoutEffect(() => {
    if (nextCaret.current === null) return;
    field.current?.setSelectionRange(nextCaret.current, nextCaret.current);
    nextCaret.current = null;
  }, [field, text]);

  function choose({ username }: User) {
    if (!found || caret === null) return;
    const before = `${text.slice(0, found.start)}@${username} `;
    nextCaret.current = before.length;
    setCaret(null);
    onInput(before + text.slice(caret).trimStart());
    field.current?.focus();
  }

  function follow({ currentTarget }: SyntheticEvent<HTMLTextAreaElement>) {
    const { selectionStart, selectionEnd, value } = currentTarget;
    const isSame = selectionStart === caret;
    setCaret(selectionStart === selectionEnd ? selectionStart : null);
    if (!isSame) setActive(0);
    // An at sign that is written anew offers the list anew.
    if (completionAt(value, selectionStart)?.start !== dismissed) setDismissed(null);
  }

  function dismiss(start: number) {
    setDismissed(start);
    field.current?.focus();
  }

  /** Close the list where the focus leaves both the field and the list. */
  function leave({ relatedTarget }: FocusEvent) {
    const isInside = relatedTarget === field.current || (relatedTarget instanceof HTMLElement && relatedTarget.id === listId);
    if (!isInside) setCaret(null);
  }

  /** Handle a key of the field or the list, if it is about the list. Returns whether it was. */
  function handleKey(event: KeyboardEvent): boolean {
    const chosen = options[activeIndex];
    if (!chosen || !found) return false;
    if (event.key === 'ArrowDown') setActive((activeIndex + 1) % options.length);
    else if (event.key === 'ArrowUp') setActive((activeIndex + options.length - 1) % options.length);
    else if (event.key === 'Enter' || (event.key === 'Tab' && !event.shiftKey)) choose(chosen);
    else if (event.key === 'Escape') dismiss(found.start);
    else return false;
    event.preventDefault();
    return true;
  }

  const optionId = (index: number) => `${listId}-${index}`;
  const activeId = options.length > 0 ? optionId(activeIndex) : undefined;
  const attributes = {
    'aria-autocomplete': 'list' as const,
    'aria-haspopup': 'listbox' as const,
    'aria-controls': options.length > 0 ? listId : undefined,
    'aria-activedescendant': activeId,
  };
  // One that is scrolled can be reached by itself, before the field, and does the same there.
  const listAttributes = { id: listId, tabIndex: 0, 'aria-activedescendant': activeId, onBlur: leave };
  return { options, count: fitting.length, activeIndex, optionId, attributes, listAttributes, choose, follow, leave, handleKey };
}
