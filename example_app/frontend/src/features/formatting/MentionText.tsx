import { createContext, useContext } from 'react';

import { splitMentions } from '../messages/mentions';

/** Names of those whom the message that is shown mentions. */
export const MentionNames = createContext<string[]>([]);

/** Shows a part of a text, with the people marked whom it mentions. */
export function MentionText({ text }: { text: string }) {
  const names = useContext(MentionNames);
  return splitMentions(text, names).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <span key={index} data-mention className="rounded bg-current/8 px-0.5 font-semibold">
        {part}
      </span>
    ),
  );
}
