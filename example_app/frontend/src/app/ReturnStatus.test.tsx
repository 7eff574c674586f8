import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { RealtimeContext } from '../realtime/RealtimeProvider';
import { makeRefresher, type Refresher } from '../realtime/refresher';
import { RealtimeError } from '../realtime/socket';
import type { Ready } from '../realtime/types';
import { ReturnStatus } from './ReturnStatus';

const ignore = () => undefined;

let refresher: Refresher;
let loads: { succeed: () => void; fail: (error: Error) => void }[];
let view: ReturnType<typeof render>;

function page(ready: Ready | null) {
  const realtime = { socket: null, ready, status: 'connected', refusal: null, reconnect: ignore } as const;
  return (
    <RealtimeContext value={realtime}>
      <ReturnStatus />
    </RealtimeContext>
  );
}

const text = () => screen.getByRole('status', { name: 'Missed' }).textContent;
const show = (ready: Ready | null) => act(async () => view.rerender(page(ready)));
const wait = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));
const last = () => loads.at(-1);

beforeEach(() => {
  vi.useFakeTimers();
  loads = [];
  const load = () => new Promise<void>((succeed, fail) => loads.push({ succeed, fail }));
  refresher = makeRefresher(load, ignore, ignore);
  view = render(page(null));
});

afterEach(() => {
  refresher.stop();
  cleanup();
  vi.useRealTimers();
});

it('has nothing to say of the first connection', async () => {
  await show({ recovered: false, gap: false });
  expect(text()).toBe('');
});

it('says that nothing was missed, for a while, after each recovery', async () => {
  for (let count = 0; count < 2; count += 1) {
    await show({ recovered: true, gap: false });
    expect(text()).toBe('Back; nothing missed');
    await wait(7_000);
    expect(text()).toBe('');
    await show(null);
  }
});

it('says that something may be missing until everything is loaded, and not again when it is loaded again', async () => {
  act(() => refresher.refresh());
  await show({ recovered: false, gap: true });
  await wait(60_000);
  expect(text()).toBe('Catching up…');
  await act(async () => last()?.fail(new Error('Failed')));
  expect(text()).toBe('Catching up…');
  await wait(2_000);
  await act(async () => last()?.succeed());
  expect([text(), loads.length]).toEqual(['Back; what was missed is here', 2]);
  act(() => refresher.refresh());
  expect(text()).toBe('Back; what was missed is here');
  await wait(7_000);
  expect(text()).toBe('');
});

it('does not wait for what the server refuses to load', async () => {
  act(() => refresher.refresh());
  await show({ recovered: false, gap: true });
  await act(async () => last()?.fail(new RealtimeError('forbidden', 'No')));
  expect(text()).toBe('Back; what was missed is here');
});

it('is asked for again when the server says, where that is later', async () => {
  act(() => refresher.refresh());
  await act(async () => last()?.fail(new RealtimeError('rate_limited', 'Too many', 30)));
  await wait(29_000);
  expect(loads).toHaveLength(1);
  await wait(2_000);
  expect(loads).toHaveLength(2);
});
