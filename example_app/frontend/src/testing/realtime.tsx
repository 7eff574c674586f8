import { renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';

import { RealtimeContext, type Realtime } from '../realtime/RealtimeProvider';
import type { FakeSocket } from './fakeSocket';

/** Render a hook as within a `RealtimeProvider` that has opened this socket. */
export function renderRealtimeHook<Result, Props>(socket: FakeSocket, hook: (props: Props) => Result, initialProps?: Props) {
  const realtime: Realtime = { socket: socket.asSocket, status: 'connected', refusal: null, reconnect: () => undefined };
  const wrapper = ({ children }: { children: ReactNode }) => <RealtimeContext value={realtime}>{children}</RealtimeContext>;
  return renderHook(hook, initialProps === undefined ? { wrapper } : { wrapper, initialProps });
}
