import { useEffect, useRef } from 'react';

import { Avatar } from '../../ui/Avatar';
import type { useCompletion } from './useCompletion';

/** Shows the people whose names can complete what is written, above the field. */
export function MentionList({ completion }: { completion: ReturnType<typeof useCompletion> }) {
  const { listAttributes, options, count, activeIndex, optionId, choose, handleKey } = completion;
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // Of a list that is higher than its place, the arrow keys reach what is not in view.
    list.current?.children[activeIndex]?.scrollIntoView({ block: 'nearest' });
  }, [activeIndex]);
  return (
    <>
      {options.length > 0 && (
        <ul
          ref={list}
          role="listbox"
          aria-label="People to mention"
          {...listAttributes}
          onKeyDown={handleKey}
          // The field keeps the focus.
          onMouseDown={(event) => event.preventDefault()}
          className="absolute inset-x-3 bottom-full z-30 mb-1 max-h-[min(21rem,45dvh)] max-w-sm overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-xl"
        >
          {options.map((person, index) => (
            <li
              key={person.id}
              id={optionId(index)}
              role="option"
              aria-selected={index === activeIndex}
              onClick={() => choose(person)}
              className="flex min-h-10 pointer-coarse:min-h-11 cursor-pointer items-center gap-2.5 rounded-lg px-2 text-sm aria-selected:bg-accent-soft"
            >
              <Avatar id={person.id} name={person.username} size="small" /> <span className="truncate">{person.username}</span>
            </li>
          ))}
        </ul>
      )}
      <p role="status" aria-label="People to mention" className="sr-only">
        {options.length > 0 && `${options.length < count ? `The first ${options.length} of ${count}` : count} to mention: choose with the arrow keys and Enter.`}
      </p>
    </>
  );
}
