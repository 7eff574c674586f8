import { joinNames } from '../../ui/names';
import { namesOf, usePeople } from '../messages/people';
import { hasReacted } from './api';
import type { Message } from '../messages/messageList';

const MOST_NAMES = 10;

interface Props {
  message: Message;
  onReact: (message: Message, emoji: string) => void;
}

/** Shows the reactions to a message, each a button that adds one's own or takes it back. */
export function ReactionBar({ message, onReact }: Props) {
  const people = usePeople();
  if (message.reactions.length === 0) return null;
  return (
    <ul aria-label="Reactions" className="flex flex-wrap gap-1 pointer-coarse:gap-2">
      {message.reactions.map(({ emoji, count, userIds }) => {
        const known = namesOf(userIds, people);
        const names = known.length > MOST_NAMES ? joinNames(known, count) : known.join(', ');
        return (
          <li key={emoji}>
            <button
              type="button"
              aria-label={`${emoji} ${count}: ${names}`}
              aria-pressed={hasReacted(message, emoji, people.userId)}
              title={names}
              onClick={() => onReact(message, emoji)}
              className="finger flex min-h-7 items-center gap-1 rounded-full border border-line bg-surface px-2 text-sm aria-pressed:border-accent aria-pressed:bg-accent-soft pointer-coarse:min-h-9"
            >
              <span aria-hidden>{emoji}</span> <span className="text-xs font-medium">{count}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
