import { useEffect, useRef, useState } from 'react';

import type { Announcement, OrderUpdate } from '../events';
import type { RealtimeSocket } from '../realtime/socket';

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

export function useUpdates(socket: RealtimeSocket | null, onNew: (update: Update) => void): Update[] {
  const [updates, setUpdates] = useState<Update[]>([]);
  const tell = useRef(onNew);
  useEffect(() => {
    tell.current = onNew;
  });

  useEffect(() => {
    if (!socket) return;
    const add = (update: Omit<Update, 'key'>) => {
      const added = { key: ++lastKey, ...update };
      setUpdates((known) => [added, ...known].slice(0, MOST_UPDATES));
      tell.current(added);
    };
    const onOrder = (payload: object) => {
      const order = payload as OrderUpdate;
      add({ kind: 'order', title: `Order ${order.id}`, text: order.status, createdAt: order.createdAt });
    };
    const onAnnouncement = ({ message, createdAt }: Announcement) =>
      add({ kind: 'announcement', title: 'Announcement', text: message, createdAt });
    socket.on('order:update', onOrder);
    socket.on('announcement', onAnnouncement);
    return () => {
      socket.off('order:update', onOrder);
      socket.off('announcement', onAnnouncement);
    };
  }, [socket]);

  return updates;
}
