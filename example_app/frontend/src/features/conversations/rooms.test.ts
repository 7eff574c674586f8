import { expect, it } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { enterRoom, enterRooms, retainRoom } from './rooms';

it('joins once for each connection, however many ask', async () => {
  const socket = openSocket();
  await Promise.all([enterRoom(socket.asSocket, '1'), enterRoom(socket.asSocket, '1')]);
  expect(socket.sentEvents('join:conversation')).toHaveLength(1);
  socket.lose();
  socket.open();
  await enterRoom(socket.asSocket, '1');
  expect(socket.sentEvents('join:conversation')).toHaveLength(2);
});

it('leaves when the last holder has let go', async () => {
  const socket = openSocket();
  const [first, second] = [retainRoom(socket.asSocket, '1'), retainRoom(socket.asSocket, '1')];
  await enterRoom(socket.asSocket, '1');
  first();
  expect(socket.sentEvents('leave:conversation')).toEqual([]);
  second();
  expect(socket.sentEvents('leave:conversation')).toEqual([['1']]);
});

it('asks again after a refusal', async () => {
  const socket = openSocket();
  socket.answers.set('join:conversation', () => ({ error: { code: 'forbidden', message: 'No' } }));
  await expect(enterRoom(socket.asSocket, '1')).rejects.toThrow('No');
  socket.answers.clear();
  await expect(enterRoom(socket.asSocket, '1')).resolves.toEqual({ ok: true });
});

it('tells whether any conversation was not joined yet', async () => {
  const socket = openSocket();
  const enter = (...ids: string[]) => enterRooms(socket.asSocket, ids);
  expect([await enter('1', '2'), await enter('2', '1'), await enter('2', '3'), await enter()]).toEqual([true, false, true, false]);
  retainRoom(socket.asSocket, '2')();
  expect([await enter('1'), await enter('1', '2')]).toEqual([false, true]);
  socket.lose();
  socket.open();
  expect(await enter('1')).toBe(true);
});
