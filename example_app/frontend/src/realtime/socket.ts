import type { Socket } from 'socket.io-client';

import type { ApplicationAnswers, ApplicationEvents } from './events';
import type { ClientToServerEvents, ErrorAnswer, ServerToClientEvents } from './types';

/** Events of which an application declares some itself: its own ones, and payloads that the extension leaves open. */
export type WithOwn<Events, Own> = Omit<Events, keyof Own> & Own;

export type IncomingEvents<Own = ApplicationEvents> = WithOwn<ServerToClientEvents, Own>;

export type OutgoingEvents<Own = ApplicationAnswers> = WithOwn<ClientToServerEvents, Own>;

export type RealtimeSocket<Own = ApplicationEvents> = Socket<IncomingEvents<Own>, OutgoingEvents>;

/** `error` of a `connect_error`; the server's refusals carry data. */
export interface ConnectError extends Error {
  data?: { code?: string; retryAfter?: number };
}

/** What the connection says of itself. */
export interface ConnectionEvents {
  connect: () => void;
  disconnect: (reason: string) => void;
  connect_error: (error: ConnectError) => void;
}

export type SocketEvents = IncomingEvents & ConnectionEvents;

/** The values that a client sends with an event, its callback left out. */
export type Sent<Name extends keyof OutgoingEvents> =
  Required<Parameters<OutgoingEvents[Name]>> extends [...infer Values, infer _Callback] ? Values : never;

/** What the server answers to an event where it does not answer with an error. */
export type Answer<Name extends keyof OutgoingEvents> =
  Required<Parameters<OutgoingEvents[Name]>> extends [...infer _Values, (answer: infer Given) => void]
    ? Exclude<Given, ErrorAnswer>
    : never;

type Listener = (...args: any[]) => void;

/** A socket for events whose name is a type variable, which Socket.IO's own types do not follow. */
interface AnySocket {
  on(name: any, listener: Listener): unknown;
  off(name: any, listener: Listener): unknown;
  timeout(milliseconds: number): { emitWithAck(name: any, ...values: any[]): Promise<any> };
}

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

const FINAL_CODES = new Set(['bad_request', 'forbidden', 'not_found', 'unauthorized', 'payload_too_large', 'unknown_event']);

/** Whether asking again would be answered the same. */
export function isFinal(error: unknown): boolean {
  return error instanceof RealtimeError && FINAL_CODES.has(error.code);
}

const ANSWER_TIMEOUT_MS = 10_000;

const isErrorAnswer = (answer: unknown): answer is ErrorAnswer =>
  typeof answer === 'object' && answer !== null && 'error' in answer && Boolean(answer.error);

/** Send an event and return the answer; an error answer, and no answer in time, are thrown. */
export async function request<Name extends keyof OutgoingEvents>(
  socket: RealtimeSocket,
  name: Name,
  ...values: Sent<Name>
): Promise<Answer<Name>> {
  // Socket.IO would keep the event until it is connected again, long after anybody waits for the answer.
  if (!socket.connected) throw new Error('There is no connection');
  const sender: AnySocket = socket;
  const answer: Answer<Name> | ErrorAnswer = await sender.timeout(ANSWER_TIMEOUT_MS).emitWithAck(name, ...values);
  if (!isErrorAnswer(answer)) return answer;
  const { code, message, retryAfter } = answer.error;
  throw new RealtimeError(code, message, retryAfter);
}

/** Listen to events of a socket. Returns a function that stops listening. */
export function listen(socket: RealtimeSocket, handlers: Partial<SocketEvents>): () => void {
  const source: AnySocket = socket;
  const listeners: [string, Listener][] = Object.entries(handlers);
  for (const [name, listener] of listeners) source.on(name, listener);
  return () => {
    for (const [name, listener] of listeners) source.off(name, listener);
  };
}
