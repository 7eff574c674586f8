import { useRef, useState } from 'react';

import { useMissedEvents } from '../log/useMissedEvents';
import { useSocketEvent } from '../../realtime/useSocketEvent';

export interface OrderUpdate {
  id: string;
  userId: string;
  status: string;
  createdAt: string;
}

/**
 * An order or an announcement: the server does not list them, so the page does while it is open. Orders that were sent while there was
 * no connection it gets from the log.
 */
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
  const orders = useRef(new Set<string>());

  function add(update: Omit<Update, 'key'>) {
    const added = { key: ++lastKey, ...update };
    setUpdates((known) => [added, ...known].slice(0, MOST_UPDATES));
    onNew(added);
  }

  function addOrder({ id, status, createdAt }: OrderUpdate) {
    if (orders.current.has(id)) return;
    orders.current.add(id);
    add({ kind: 'order', title: `Order ${id}`, text: status, createdAt });
  }

  useSocketEvent('order:update', addOrder);
  useMissedEvents({ 'order:update': addOrder });
  useSocketEvent('announcement', ({ message, createdAt }) =>
    add({ kind: 'announcement', title: 'Announcement', text: message, createdAt }),
  );

  return updates;
}
