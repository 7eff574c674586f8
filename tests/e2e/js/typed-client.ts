// A client of the application `declaring` of tests/described_apps.py. An error is expected in the lines that say so, and in no others.
import { io, type Socket } from 'socket.io-client';
import type { ClientToServerEvents, Comment, ErrorAnswer, RefusalData, ServerToClientEvents, UserStatus, Vote } from './types';

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io('http://localhost:3000', { auth: { token: 'token' } });

export function isError(answer: object): answer is ErrorAnswer {
  return 'error' in answer;
}

socket.on('connect_error', (error: Error & { data?: RefusalData }) => console.error(error.message, error.data?.code));
socket.on('typing:start', ({ conversationId, userId }) => console.log(conversationId, userId.length));
socket.on('messages:read', ({ messageIds, userId }) => console.log(messageIds.length, userId?.length));
socket.on('message:new', (message) => console.log(message.content));
socket.on('notifications:read-all', () => console.log('all'));
socket.on('realtime:error', ({ error, event }) => console.error(event, error.code, error.retryAfter?.toFixed()));
// @ts-expect-error - there is no such event
socket.on('message:newer', () => undefined);
// @ts-expect-error - clients send it
socket.on('join:conversation', () => undefined);
// @ts-expect-error - the payload has no such field
socket.on('typing:stop', ({ userName }) => console.log(userName));

socket.emit('join:conversation', 7);
socket.emit('join:conversation', '7', (answer) => console.log(isError(answer) ? answer.error.message : answer.ok));
socket.emit('notifications:read-all');
socket.emit('typing:start', { conversationId: 7 });
socket.emit('conversation:get-online-users', 7, (users) => console.log(isError(users) ? users.error.code : users.join()));
// @ts-expect-error - an id is missing
socket.emit('join:conversation');
// @ts-expect-error - an object is no id
socket.emit('join:conversation', { conversationId: 7 });
// @ts-expect-error - a question needs a callback
socket.emit('user:get-status', '7');
// @ts-expect-error - the answer may be an error
socket.emit('users:get-status', ['7', 8], (statuses) => console.log(statuses.length));

export async function status(userId: string): Promise<UserStatus> {
  const answer = await socket.emitWithAck('user:get-status', userId);
  if (isError(answer)) {
    throw new Error(answer.error.message);
  }
  return answer;
}

const vote: Vote = { poll: 'lunch', choice: 1 };
const comment: Comment = { text: 'Soup', answers: [{ text: 'Again?' }], colour: "dark 'green'", place: [1, 2], stars: { taste: 5 } };
socket.emit('poll:vote', vote, (answer) => console.log(isError(answer) ? answer.error.code : answer.votes?.soup));
socket.emit('poll:comment', comment);
socket.emit('poll:mark', [{ kind: 'cross' }, { kind: 'circle', radius: 2 }]);
socket.emit('any number', 1, { of: 'things' });
socket.emit("don't", 1, 2);
// @ts-expect-error - a field is missing
socket.emit('poll:vote', { poll: 'lunch' });
// @ts-expect-error - there is no such mark
socket.emit('poll:mark', [{ kind: 'square' }]);
// @ts-expect-error - it has two arguments
socket.emit("don't", 1);
