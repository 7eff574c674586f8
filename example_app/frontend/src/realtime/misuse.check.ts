/**
 * Mistakes that must not compile, beside what must. Never run: `npm run typecheck` fails where a marked line has no error,
 * or where another one has.
 */

import { listen, request, type RealtimeSocket } from './socket';
import { useSocketEvent } from './useSocketEvent';

export function useEvents() {
  useSocketEvent('typing:start', ({ userId }) => userId.trim());
  useSocketEvent('message:new', ({ sender }) => sender.username.trim());
  useSocketEvent('announcement', ({ message }) => message.trim());
  useSocketEvent('disconnect', (reason) => reason.trim());
  useSocketEvent('notifications:read-all', () => undefined);

  // @ts-expect-error There is no event of this name.
  useSocketEvent('typing:begin', () => undefined);
  // @ts-expect-error Clients send this event, the server does not.
  useSocketEvent('join:conversation', () => undefined);
  // @ts-expect-error The payload has no such key.
  useSocketEvent('typing:start', ({ username }) => username);
  // @ts-expect-error An id may be a number.
  useSocketEvent('notification:read', (notificationId: string) => notificationId);
  // @ts-expect-error The application's message has no such key.
  useSocketEvent('message:new', ({ text }) => text);
  // @ts-expect-error The event carries nothing.
  useSocketEvent('notifications:read-all', (payload: object) => payload);
}

export async function requests(socket: RealtimeSocket) {
  const statuses = await request(socket, 'users:get-status', ['1', 2]);
  statuses.map(({ userId }) => userId.trim());
  const { ok } = await request(socket, 'notifications:read-all');
  const always: true = ok;
  (await request(socket, 'auth:refresh', 'token')).expiresAt?.trim();

  // @ts-expect-error The server sends this event, clients do not.
  await request(socket, 'message:new', {});
  // @ts-expect-error The id is missing.
  await request(socket, 'join:conversation');
  // @ts-expect-error The token is no number.
  await request(socket, 'auth:refresh', 1);
  // @ts-expect-error There is nothing to send with this event.
  await request(socket, 'notifications:read-all', '1');
  // @ts-expect-error The callback is not the caller's to give.
  await request(socket, 'join:conversation', '1', () => undefined);
  // @ts-expect-error The answer is a list.
  statuses.userId;
  return always;
}

export function listening(socket: RealtimeSocket) {
  // @ts-expect-error There is no event of this name.
  listen(socket, { connected: () => undefined });
  // @ts-expect-error The reason is no number.
  return listen(socket, { disconnect: (reason: number) => reason });
}
