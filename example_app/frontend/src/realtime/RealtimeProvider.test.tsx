import { act, renderHook } from '@testing-library/react';
import { io } from 'socket.io-client';
import { beforeEach, expect, it, vi } from 'vitest';

import { FakeSocket } from '../testing/fakeSocket';
import { RealtimeProvider, useRealtime } from './RealtimeProvider';
import type { TokenSource } from './supervision';

vi.mock('socket.io-client', () => ({ io: vi.fn() }));

const TOKENS: TokenSource = { current: () => 'a', renew: async () => 'a' };

let sockets: FakeSocket[];

const tokensOf = (token: string): TokenSource => ({ current: () => token, renew: async () => token });

beforeEach(() => {
  sockets = [];
  vi.mocked(io).mockReset().mockImplementation(() => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket.asSocket;
  });
});

function open(first: TokenSource | null) {
  let tokens = first;
  const hook = renderHook(useRealtime, {
    wrapper: ({ children }) => <RealtimeProvider tokens={tokens}>{children}</RealtimeProvider>,
  });
  const logIn = (next: TokenSource | null) => {
    tokens = next;
    hook.rerender();
  };
  return { ...hook, logIn };
}

it('opens one connection, and gives it and how it fares to the components inside', () => {
  const { result, rerender } = open(tokensOf('a'));
  rerender();
  expect(sockets).toHaveLength(1);
  expect([sockets[0]?.connects, result.current.status]).toEqual([1, 'connecting']);
  expect(result.current.socket).toBe(sockets[0]);
  act(() => sockets[0]?.open());
  expect(result.current.status).toBe('connected');
  act(() => sockets[0]?.refuse('forbidden', 'Not you'));
  expect([result.current.status, result.current.refusal]).toEqual(['refused', { code: 'forbidden', message: 'Not you' }]);
});

it('connects with the token of the moment', () => {
  let token = 'old';
  open({ current: () => token, renew: async () => token });
  const auth = vi.mocked(io).mock.calls[0]?.[1]?.auth;
  if (typeof auth !== 'function') throw new Error('auth has to be a function');
  token = 'new';
  const send = vi.fn();
  auth(send);
  expect(send.mock.calls).toEqual([[{ token: 'new' }]]);
});

it('connects with the name that the device has then', () => {
  let device = 'Desk';
  const { rerender } = renderHook(useRealtime, {
    wrapper: ({ children }) => <RealtimeProvider tokens={TOKENS} device={device}>{children}</RealtimeProvider>,
  });
  const auth = vi.mocked(io).mock.calls[0]?.[1]?.auth;
  if (typeof auth !== 'function') throw new Error('auth has to be a function');
  const send = vi.fn();
  for (const name of ['Desk', 'Phone', '']) {
    device = name;
    rerender();
    auth(send);
  }
  expect(send.mock.calls).toEqual([[{ token: 'a', device: 'Desk' }], [{ token: 'a', device: 'Phone' }], [{ token: 'a' }]]);
  expect(sockets).toHaveLength(1);
});

it('connects again when it is asked to', () => {
  const { result } = open(tokensOf('a'));
  act(() => sockets[0]?.refuse('forbidden'));
  act(() => result.current.reconnect());
  expect(sockets[0]?.connects).toBe(2);
});

it('has no connection without tokens', () => {
  const { result, logIn } = open(null);
  expect([sockets.length, result.current.socket, result.current.status]).toEqual([0, null, 'idle']);
  logIn(tokensOf('a'));
  expect([sockets.length, result.current.status]).toEqual([1, 'connecting']);
});

it('opens another connection for another user, and closes the one before', () => {
  const { result, logIn } = open(tokensOf('a'));
  const [first] = sockets;
  const disconnect = vi.spyOn(sockets[0] ?? new FakeSocket(), 'disconnect');
  logIn(tokensOf('b'));
  expect([disconnect.mock.calls.length, first?.listenerCount]).toEqual([1, 0]);
  expect(result.current.socket).toBe(sockets[1]);
});

it('closes the connection when it goes', () => {
  const { unmount } = open(tokensOf('a'));
  const disconnect = vi.spyOn(sockets[0] ?? new FakeSocket(), 'disconnect');
  unmount();
  expect([disconnect.mock.calls.length, sockets[0]?.listenerCount]).toEqual([1, 0]);
});

it('says of each connection whether it is the one that was lost, and whether something may be missing', () => {
  const { result } = open(tokensOf('a'));
  expect(result.current.ready).toBeNull();
  for (const ready of [
    { recovered: false, gap: false },
    { recovered: true, gap: false },
    { recovered: false, gap: true },
  ]) {
    act(() => {
      sockets[0]?.open();
      sockets[0]?.receive('realtime:ready', ready);
    });
    expect(result.current.ready).toEqual(ready);
    act(() => sockets[0]?.lose());
    expect(result.current.ready).toBeNull();
  }
});
