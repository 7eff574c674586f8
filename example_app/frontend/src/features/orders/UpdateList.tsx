import { Megaphone, Package } from 'lucide-react';

import { dateAndTime } from '../../ui/time';
import type { Update } from './useUpdates';

export function UpdateList({ updates }: { updates: Update[] }) {
  return (
    <section aria-labelledby="updates" className="border-t border-line">
      <h3 id="updates" className="px-4 pt-3 text-sm font-semibold text-muted">
        Orders and announcements
      </h3>
      <ul aria-label="Orders and announcements">
        {updates.map(({ key, kind, title, text, createdAt }) => {
          const Icon = kind === 'order' ? Package : Megaphone;
          return (
            <li key={key} className="flex gap-3 px-4 py-3">
              <Icon className="mt-0.5 size-4 shrink-0 text-muted" aria-hidden />
              <div className="min-w-0 flex-1">
                <p className="flex items-baseline justify-between gap-3 text-sm font-medium">
                  {title}
                  <time dateTime={createdAt} className="shrink-0 text-xs font-normal text-muted">
                    {dateAndTime(createdAt)}
                  </time>
                </p>
                <p className="text-sm break-words">{text}</p>
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
