import type { Socket } from 'socket.io-client';

import type { ClientToServerEvents, ServerToClientEvents } from './types';

/** Events of the application itself; declare them by merging with this interface. */
export interface ApplicationEvents {}

/** What the server says about the token that a connection was opened with. */
export interface TokenEvents {
  'auth:expiring': (payload: { expiresAt: string }) => void;
  'auth:expired': () => void;
}

export type RealtimeSocket = Socket<ServerToClientEvents & TokenEvents & ApplicationEvents, ClientToServerEvents>;

/** The server answered, and said no. */
export class RealtimeError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Seconds after which asking again makes sense, where the server has told it. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = 'RealtimeError';
  }
}

const FINAL_CODES = new Set(['bad_request', 'forbidden', 'not_found', 'unauthorized', 'payload_too_large']);

/** Whether asking again would be answered the same. */
export function isFinal(error: unknown): boolean {
  return error instanceof RealtimeError && FINAL_CODES.has(error.code);
}

const ANSWER_TIMEOUT_MS = 10_000;

/** Send an event and return the answer; an error answer, and no answer in time, are thrown. */
export async function ask<Answer>(socket: RealtimeSocket, event: string, ...args: unknown[]): Promise<Answer> {
  // Socket.IO would keep the event until it is connected again, long after anybody waits for the answer.
  if (!socket.connected) throw new Error('There is no connection');
  const answer: unknown = await (socket as unknown as Socket).timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, ...args);
  const error = (answer as { error?: { code: string; message: string; retryAfter?: number } } | null)?.error;
  if (error) throw new RealtimeError(error.code, error.message, error.retryAfter);
  return answer as Answer;
}

/** Call a function for the connection that there is, and for each that follows. Returns what ends that. */
export function onEachConnection(socket: RealtimeSocket, connected: () => void): () => void {
  if (socket.connected) connected();
  socket.on('connect', connected);
  return () => void socket.off('connect', connected);
}
