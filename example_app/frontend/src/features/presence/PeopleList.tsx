import { Avatar } from '../../ui/Avatar';
import type { Person } from './api';

interface Props {
  people: Person[];
  /** Null while there is no connection to know it from. */
  online: ReadonlySet<string> | null;
  userId: string;
}

export function PeopleList({ people, online, userId }: Props) {
  return (
    <section aria-labelledby="people" className="border-t border-line px-4 py-3">
      <h2 id="people" className="mb-2 text-sm font-semibold text-muted">
        People
      </h2>
      <ul className="max-h-44 space-y-1 overflow-y-auto">
        {people.map(({ id, username }) => {
          const isOnline = online?.has(id);
          return (
            <li key={id} className="flex items-center gap-2.5 py-0.5 text-sm">
              <Avatar id={id} name={username} isOnline={isOnline} size="small" />
              <span className="min-w-0 flex-1 truncate">
                {username}
                {id === userId && <span className="text-muted"> (you)</span>}
              </span>
              {online && (
                <span className={isOnline ? 'text-online' : 'text-muted'}>{isOnline ? 'online' : 'offline'}</span>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
