import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import { useIdle } from './useIdle';

const MINUTE = 60_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function open() {
  const socket = openSocket();
  const hook = renderRealtimeHook(socket, () => useIdle(5 * MINUTE));
  return { ...hook, socket, told: () => socket.sent.map(([event]) => event) };
}

it('says once that nobody is there, five minutes after the last input', () => {
  const { told } = open();
  vi.advanceTimersByTime(4 * MINUTE);
  window.dispatchEvent(new KeyboardEvent('keydown'));
  vi.advanceTimersByTime(5 * MINUTE - 1);
  expect(told()).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told()).toEqual(['presence:idle']);
  vi.advanceTimersByTime(60 * MINUTE);
  expect(told()).toEqual(['presence:idle']);
});

it('says once that somebody is there again, and notices the next absence', () => {
  const { told } = open();
  vi.advanceTimersByTime(5 * MINUTE);
  window.dispatchEvent(new Event('pointermove'));
  window.dispatchEvent(new Event('pointermove'));
  expect(told()).toEqual(['presence:idle', 'presence:active']);
  vi.advanceTimersByTime(5 * MINUTE);
  expect(told()).toEqual(['presence:idle', 'presence:active', 'presence:idle']);
});

it('tells a new connection, of which the server knows nothing yet', () => {
  const { socket, told } = open();
  vi.advanceTimersByTime(5 * MINUTE);
  socket.lose();
  socket.open();
  expect(told()).toEqual(['presence:idle', 'presence:idle']);
});

it('says nothing more once it is gone', () => {
  const { unmount, told, socket } = open();
  unmount();
  vi.advanceTimersByTime(60 * MINUTE);
  expect(told()).toEqual([]);
  expect(socket.listenerCount).toBe(0);
});
