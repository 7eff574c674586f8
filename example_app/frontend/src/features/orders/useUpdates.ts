import { useState } from 'react';

import { useSocketEvent } from '../../realtime/useSocketEvent';

export interface OrderUpdate {
  id: string;
  userId: string;
  status: string;
  createdAt: string;
}

/** An order or an announcement: the server does not keep them for this page, so the page does while it is open. */
export interface Update {
  key: number;
  kind: 'order' | 'announcement';
  title: string;
  text: string;
  createdAt: string;
}

const MOST_UPDATES = 50;

let lastKey = 0;

export function useUpdates(onNew: (update: Update) => void): Update[] {
  const [updates, setUpdates] = useState<Update[]>([]);

  function add(update: Omit<Update, 'key'>) {
    const added = { key: ++lastKey, ...update };
    setUpdates((known) => [added, ...known].slice(0, MOST_UPDATES));
    onNew(added);
  }

  useSocketEvent('order:update', ({ id, status, createdAt }) =>
    add({ kind: 'order', title: `Order ${id}`, text: status, createdAt }),
  );
  useSocketEvent('announcement', ({ message, createdAt }) =>
    add({ kind: 'announcement', title: 'Announcement', text: message, createdAt }),
  );

  return updates;
}
