import { renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';

import { RealtimeContext, type Realtime } from '../realtime/RealtimeProvider';
import { OutboxProvider } from '../features/outbox/OutboxProvider';
import type { FakeSocket } from './fakeSocket';
import { ALICE } from './messages';

/** Render a hook as within a `RealtimeProvider` that has opened this socket. */
export function renderRealtimeHook<Result, Props>(socket: FakeSocket, hook: (props: Props) => Result, initialProps?: Props) {
  const realtime: Realtime = { socket: socket.asSocket, ready: null, status: 'connected', refusal: null, reconnect: () => undefined };
  const wrapper = ({ children }: { children: ReactNode }) => <RealtimeContext value={realtime}>{children}</RealtimeContext>;
  return renderHook(hook, initialProps === undefined ? { wrapper } : { wrapper, initialProps });
}

/** Render a hook as within the `OutboxProvider` of alice too. */
export function renderOutboxHook<Result>(socket: FakeSocket, hook: () => Result) {
  const realtime: Realtime = { socket: socket.asSocket, ready: null, status: 'connected', refusal: null, reconnect: () => undefined };
  const wrapper = ({ children }: { children: ReactNode }) => (
    <RealtimeContext value={realtime}>
      <OutboxProvider userId={ALICE.id}>{children}</OutboxProvider>
    </RealtimeContext>
  );
  return renderHook(hook, { wrapper });
}
