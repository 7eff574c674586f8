import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { openTexts } from './indexedTexts';
import { Outbox } from './outbox';
import { startSender } from './sender';
import type { Outgoing } from './texts';

const OutboxContext = createContext<Outbox | null>(null);

interface Props {
  /** Who is logged in. */
  userId: string;
  children: ReactNode;
}

/** Keep what the user writes until the server has it, for the components inside; within a `RealtimeProvider`. */
export function OutboxProvider({ userId, children }: Props) {
  const { socket } = useRealtime();
  const outbox = useMemo(() => new Outbox(userId, openTexts(userId)), [userId]);
  useEffect(() => outbox.open(), [outbox]);
  useEffect(() => {
    if (socket) return startSender(socket, outbox);
  }, [socket, outbox]);
  return <OutboxContext value={outbox}>{children}</OutboxContext>;
}

export function useOutbox(): Outbox {
  const outbox = useContext(OutboxContext);
  if (!outbox) throw new Error('useOutbox needs an OutboxProvider around the component');
  return outbox;
}

/** Return the messages that wait to be sent, in all conversations. */
export function useWaiting(): readonly Outgoing[] {
  const outbox = useOutbox();
  // Not an external store: React would show its change before that of the list of messages, and a sent message nowhere in between.
  const [waiting, setWaiting] = useState(outbox.waiting);
  useEffect(() => {
    const update = () => setWaiting(outbox.waiting());
    update();
    return outbox.onChange(update);
  }, [outbox]);
  return waiting;
}
