import type { PresenceOfUser } from '../../realtime/types';
import { Avatar } from '../../ui/Avatar';
import type { Person } from './api';
import { isOnline, presenceText, type Presences } from './presence';

interface Props {
  people: Person[];
  /** Null while there is no connection to know it from. */
  presences: Presences | null;
  userId: string;
  /** Opens the conversation with one other user. */
  onMessage: (userId: string) => void;
  /** Opens the user's own status. */
  onStatus: () => void;
}

export function PeopleList({ people, presences, userId, onMessage, onStatus }: Props) {
  return (
    <section aria-labelledby="people" className="border-t border-line px-2 py-3">
      <h2 id="people" className="mb-1 px-2 text-sm font-semibold text-muted">
        People
      </h2>
      <ul className="max-h-[min(11rem,22dvh)] overflow-y-auto">
        {people.map(({ id, username }) => (
          <li key={id}>
            <button
              type="button"
              onClick={() => (id === userId ? onStatus() : onMessage(id))}
              className="flex w-full items-center gap-2.5 rounded-lg px-2 py-1 pointer-coarse:min-h-11 text-left text-sm -outline-offset-2 hover:bg-sunken"
            >
              <Avatar id={id} name={username} isOnline={isOnline(presences, id)} size="small" />
              <span className="min-w-0 flex-1 truncate">
                <span className="sr-only">{id === userId ? 'Set the status of ' : 'Write to '}</span>
                {username}
                {id === userId && <span className="text-muted"> (you)</span>}
              </span>
              {presences && <PresenceLine presence={presences.get(id)} />}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PresenceLine({ presence }: { presence: PresenceOfUser | undefined }) {
  const text = presence ? presenceText(presence) : 'offline';
  return (
    <span title={text} className={`max-w-1/2 truncate ${presence?.state === 'online' ? 'text-online' : 'text-muted'}`}>
      {text}
    </span>
  );
}
