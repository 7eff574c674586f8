import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FakeSocket } from '../testing/fakeSocket';
import { superviseConnection, type ConnectionState, type TokenSource } from './supervision';

let socket: FakeSocket;
let states: ConnectionState[];
let stop: () => void;
const renew = vi.fn<TokenSource['renew']>();

const status = () => states.at(-1)?.status;

beforeEach(() => {
  vi.useFakeTimers();
  socket = new FakeSocket();
  states = [];
  renew.mockReset().mockResolvedValue('new token');
  const tokens = { current: () => 'token', renew };
  stop = superviseConnection(socket.asSocket, tokens, (state) => states.push(state));
});

afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('the status', () => {
  it('follows the connection', () => {
    expect(status()).toBe('connecting');
    socket.open();
    expect(status()).toBe('connected');
    socket.lose();
    expect(status()).toBe('reconnecting');
  });

  it('is offline where the browser is', () => {
    socket.open();
    vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    socket.lose();
    expect(status()).toBe('offline');
  });

  it('is offline no longer than the browser, though the server is not reached yet', () => {
    socket.open();
    const onLine = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    socket.lose();
    onLine.mockReturnValue(true);
    window.dispatchEvent(new Event('online'));
    expect([status(), socket.connects]).toEqual(['reconnecting', 1]);
  });

  it('is left alone once supervision has ended', () => {
    stop();
    const before = states.length;
    socket.open();
    expect([states.length, socket.listenerCount]).toEqual([before, 0]);
  });
});

describe('an expired token', () => {
  it('is renewed, and the connection opened with the new one', async () => {
    socket.refuse('token_expired');
    await vi.waitFor(() => expect(socket.connects).toBe(1));
    expect([renew.mock.calls.length, status()]).toEqual([1, 'connecting']);
  });

  it('is renewed once only for one connection', async () => {
    socket.refuse('token_expired');
    await vi.waitFor(() => expect(socket.connects).toBe(1));
    socket.refuse('token_expired');
    expect([renew.mock.calls.length, status()]).toEqual([1, 'refused']);
  });

  it('ends the attempts when the log-in has ended too', async () => {
    renew.mockResolvedValue(null);
    socket.refuse('token_expired');
    await vi.waitFor(() => expect(status()).toBe('refused'));
    expect(socket.connects).toBe(0);
  });

  it('is renewed later if the server does not answer', async () => {
    renew.mockRejectedValueOnce(new TypeError('Failed to fetch'));
    socket.refuse('token_expired');
    await vi.advanceTimersByTimeAsync(10_000);
    expect([renew.mock.calls.length, socket.connects]).toEqual([2, 1]);
  });

  it('is replaced before it expires', async () => {
    socket.open();
    socket.receive('auth:expiring', { expiresAt: '2026-01-01T00:00:00.000Z' });
    await vi.waitFor(() => expect(socket.sentEvents('auth:refresh')).toEqual([['new token']]));
  });

  it('that the server has ended the connection for is renewed first', async () => {
    socket.open();
    socket.receive('auth:expired');
    socket.lose('io server disconnect');
    await vi.waitFor(() => expect(socket.connects).toBe(1));
    expect(renew).toHaveBeenCalledOnce();
  });
});

describe('a connection that the server does not want', () => {
  it.each(['token_revoked', 'connection_refused', 'too_many_connections'])('is not opened again: %s', async (code) => {
    socket.refuse(code, 'Not now');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.connects).toBe(0);
    expect(states.at(-1)).toEqual({ status: 'refused', refusal: { code, message: 'Not now' } });
  });

  it.each([0, 0.999])('is opened again when the server says so, and a little later at random: %s', async (chance) => {
    vi.spyOn(Math, 'random').mockReturnValue(chance);
    socket.refuse('too_many_connections', 'Too many', 20);
    expect(states.at(-1)).toEqual({ status: 'waiting', refusal: { code: 'too_many_connections', message: 'Too many' } });
    const wait = 20_000 * (1 + chance / 4);
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect([socket.connects, status()]).toEqual([0, 'waiting']);
    await vi.advanceTimersByTimeAsync(2);
    expect([socket.connects, status()]).toEqual([1, 'connecting']);
    socket.open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([socket.connects, status()]).toEqual([1, 'connected']);
  });

  it('waits again each time that it is told to', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    for (let count = 1; count <= 5; count += 1) {
      socket.refuse('too_many_connections', 'Too many', 3);
      await vi.advanceTimersByTimeAsync(3_000);
      expect(socket.connects).toBe(count);
    }
  });

  it('is not waited for by two timers, nor after supervision has ended', async () => {
    socket.refuse('too_many_connections', 'Too many', 3);
    socket.refuse('too_many_connections', 'Too many', 3);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.connects).toBe(1);
    socket.refuse('too_many_connections', 'Too many', 3);
    stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.connects).toBe(1);
  });

  it('is tried at once when the user asks for it, and the wait is over', async () => {
    socket.refuse('too_many_connections', 'Too many', 30);
    socket.open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([socket.connects, status()]).toEqual([0, 'connected']);
  });

  it('is opened again after the server has ended it, but not for ever', () => {
    for (let count = 0; count < 3; count += 1) {
      socket.open();
      socket.lose('io server disconnect');
    }
    expect([socket.connects, status()]).toEqual([2, 'refused']);
  });

  it('is left to Socket.IO while the server cannot be reached', () => {
    socket.active = true;
    socket.receive('connect_error', new Error('xhr poll error'));
    expect([socket.connects, status()]).toEqual([0, 'connecting']);
  });
});
