import type { RealtimeSocket } from '../realtime/socket';

type Listener = (...args: unknown[]) => void;
type Answer = (...args: unknown[]) => unknown;

/** The part of a Socket.IO socket that the hooks use, with the server's side in the test's hand. */
export class FakeSocket {
  connected = false;
  active = true;
  id: string | undefined;
  /** What was sent, with and without a callback. */
  readonly sent: [string, ...unknown[]][] = [];
  readonly answers = new Map<string, Answer>();
  connects = 0;
  private connections = 0;
  private readonly listeners = new Map<string, Set<Listener>>();

  get volatile() {
    return this;
  }

  /** The same object, as the hooks know it. */
  get asSocket(): RealtimeSocket {
    return this as unknown as RealtimeSocket;
  }

  on(event: string, listener: Listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)?.add(listener);
    return this;
  }

  off(event: string, listener: Listener) {
    this.listeners.get(event)?.delete(listener);
    return this;
  }

  emit(event: string, ...args: unknown[]) {
    this.sent.push([event, ...args]);
    return this;
  }

  timeout() {
    return {
      emitWithAck: async (event: string, ...args: unknown[]) => {
        this.emit(event, ...args);
        return this.answers.get(event)?.(...args) ?? { ok: true };
      },
    };
  }

  connect() {
    this.connects += 1;
    return this;
  }

  disconnect() {
    return this;
  }

  /** The server sends an event, or the connection says something of itself. */
  receive(event: string, ...args: unknown[]) {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener(...args);
  }

  open() {
    this.connected = true;
    this.id = `connection-${++this.connections}`;
    this.receive('connect');
  }

  lose(reason = 'transport close') {
    this.connected = false;
    this.active = reason !== 'io server disconnect';
    this.id = undefined;
    this.receive('disconnect', reason);
  }

  refuse(code: string, message = 'No', retryAfter?: number) {
    this.active = false;
    this.receive('connect_error', Object.assign(new Error(message), { data: { code, retryAfter } }));
  }

  sentEvents(event: string) {
    return this.sent.filter(([name]) => name === event).map(([, ...args]) => args);
  }

  get listenerCount() {
    return [...this.listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

export function openSocket(): FakeSocket {
  const socket = new FakeSocket();
  socket.open();
  return socket;
}
