import { renderHook } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import { openSocket } from '../testing/fakeSocket';
import { renderRealtimeHook } from '../testing/realtime';
import { useEachConnection, useSocketEvent } from './useSocketEvent';

const payload = { conversationId: '1', userId: '2' };

it('calls the handler with what the event carries', () => {
  const socket = openSocket();
  const handler = vi.fn();
  renderRealtimeHook(socket, () => useSocketEvent('typing:start', handler));
  socket.receive('typing:start', payload);
  socket.receive('typing:stop', payload);
  expect(handler.mock.calls).toEqual([[payload]]);
});

it('calls the newest handler, without subscribing anew', () => {
  const socket = openSocket();
  const on = vi.spyOn(socket, 'on');
  const off = vi.spyOn(socket, 'off');
  const [first, second] = [vi.fn(), vi.fn()];
  const { rerender } = renderRealtimeHook(socket, (handler: () => void) => useSocketEvent('typing:start', handler), first);
  rerender(second);
  socket.receive('typing:start', payload);
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1]);
  expect([on.mock.calls.length, off.mock.calls.length]).toEqual([1, 0]);
});

it('listens to another event when the name changes', () => {
  const socket = openSocket();
  const handler = vi.fn();
  const { rerender } = renderRealtimeHook<void, 'typing:start' | 'typing:stop'>(
    socket,
    (name) => useSocketEvent(name, handler),
    'typing:start',
  );
  rerender('typing:stop');
  socket.receive('typing:start', payload);
  expect(handler).not.toHaveBeenCalled();
  socket.receive('typing:stop', payload);
  expect(handler).toHaveBeenCalledOnce();
});

it('stops listening when the component goes', () => {
  const socket = openSocket();
  const handler = vi.fn();
  const { unmount } = renderRealtimeHook(socket, () => useSocketEvent('typing:start', handler));
  unmount();
  socket.receive('typing:start', payload);
  expect([handler.mock.calls.length, socket.listenerCount]).toEqual([0, 0]);
});

it('says what is missing outside of a provider', () => {
  // React writes the error to the console too.
  vi.spyOn(console, 'error').mockReturnValue(undefined);
  expect(() => renderHook(() => useSocketEvent('connect', () => undefined))).toThrow('RealtimeProvider');
});

it('calls for the connection that there is, and for each that follows', () => {
  const socket = openSocket();
  const handler = vi.fn();
  const { rerender, unmount } = renderRealtimeHook(socket, useEachConnection, handler);
  expect(handler).toHaveBeenCalledTimes(1);
  rerender(handler);
  expect(handler).toHaveBeenCalledTimes(1);
  socket.lose();
  socket.open();
  expect(handler).toHaveBeenCalledTimes(2);
  unmount();
  expect(socket.listenerCount).toBe(0);
});
