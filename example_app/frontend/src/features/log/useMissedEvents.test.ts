import { act, waitFor } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import { useMissedEvents } from './useMissedEvents';

const order = (number: number) => ({ id: String(number), userId: '1', status: 'sent', createdAt: '2026-01-31T12:00:00.000Z' });
const event = (number: number) => ({ event: 'order:update', args: [order(number)], at: order(number).createdAt });

/** A server whose log has that many events, two on a page; a cursor is how many of them the client has. */
function serve(count: number) {
  const log = { count, first: 0 };
  const answer = (payload: unknown) => {
    const { cursor } = payload as { cursor: string | null };
    if (cursor !== null && Number(cursor) < log.first) return { reset: true, cursor: String(log.count) };
    const from = cursor === null ? log.count : Number(cursor);
    const to = Math.min(from + 2, log.count);
    const events = Array.from({ length: to - from }, (_, index) => event(from + index));
    return { events, cursor: String(to), more: to < log.count };
  };
  return { log, answer };
}

function open(count: number) {
  const server = serve(count);
  const socket = openSocket();
  socket.answers.set('sync', server.answer);
  const missed = vi.fn();
  const hook = renderRealtimeHook(socket, () => useMissedEvents({ 'order:update': missed }));
  const reconnect = async () => {
    const before = socket.sentEvents('sync').length;
    act(() => socket.lose());
    act(() => socket.open());
    await waitFor(() => expect(socket.sentEvents('sync').length).toBeGreaterThan(before));
  };
  return { ...hook, ...server, socket, missed, reconnect };
}

it('begins with what happens from now on', async () => {
  const { socket, missed } = open(3);
  await waitFor(() => expect(socket.sentEvents('sync')).toEqual([[{ cursor: null }]]));
  expect(missed).not.toHaveBeenCalled();
});

it('hands over what was missed, page after page, and nothing twice', async () => {
  const { log, missed, reconnect } = open(3);
  await waitFor(() => expect(missed).not.toHaveBeenCalled());
  log.count = 8;
  await reconnect();
  await waitFor(() => expect(missed.mock.calls.map(([one]) => one)).toEqual([3, 4, 5, 6, 7].map(order)));
  await reconnect();
  expect(missed).toHaveBeenCalledTimes(5);
});

it('asks once its events come live, so that nothing is missing in between', async () => {
  const socket = openSocket();
  socket.answers.set('sync', serve(3).answer);
  let getReady: () => void = () => undefined;
  const ready = () => new Promise<void>((resolve) => (getReady = resolve));
  renderRealtimeHook(socket, () => useMissedEvents({ 'order:update': vi.fn() }, ready));
  expect(socket.sentEvents('sync')).toEqual([]);
  getReady();
  await waitFor(() => expect(socket.sentEvents('sync')).toEqual([[{ cursor: null }]]));
});

it('leaves what nobody handles', async () => {
  const { log, socket, missed, reconnect } = open(0);
  const other = { event: 'message:deleted', args: [{ conversationId: '1', messageId: '1' }], at: '2026-01-31T12:00:00.000Z' };
  await waitFor(() => expect(socket.sentEvents('sync')).toHaveLength(1));
  socket.answers.set('sync', () => ({ events: [other, event(1)], cursor: String(log.count), more: false }));
  await reconnect();
  await waitFor(() => expect(missed.mock.calls).toEqual([[order(1)]]));
});

it('goes on from the present where the events are no longer kept', async () => {
  const { log, missed, reconnect } = open(3);
  log.count = 8;
  log.first = 6;
  await reconnect();
  log.count = 9;
  await reconnect();
  await waitFor(() => expect(missed.mock.calls).toEqual([[order(8)]]));
});
