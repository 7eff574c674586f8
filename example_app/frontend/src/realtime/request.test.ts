import { expect, it } from 'vitest';

import { openSocket } from '../testing/fakeSocket';
import { request } from './socket';

it('sends the values, and returns the answer', async () => {
  const socket = openSocket();
  socket.answers.set('user:get-status', (userId) => ({ userId, status: 'online' }));
  expect(await request(socket.asSocket, 'user:get-status', '2')).toEqual({ userId: '2', status: 'online' });
  expect(socket.sent).toEqual([['user:get-status', '2']]);
});

it('throws an error answer, with its code and how long to wait', async () => {
  const socket = openSocket();
  const error = { code: 'rate_limited', message: 'Too many', retryAfter: 3 };
  socket.answers.set('user:get-status', () => ({ error }));
  await expect(request(socket.asSocket, 'user:get-status', '2')).rejects.toMatchObject({ name: 'RealtimeError', ...error });
});

it('sends nothing without a connection', async () => {
  const socket = openSocket();
  socket.lose();
  await expect(request(socket.asSocket, 'user:get-status', '2')).rejects.toThrow('There is no connection');
  expect(socket.sent).toEqual([]);
});
