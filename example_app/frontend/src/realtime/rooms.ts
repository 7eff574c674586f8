import { ask, type RealtimeSocket } from './socket';

interface Rooms {
  /** How many parts of the page need each conversation. */
  holders: Map<string, number>;
  /** The joins of one connection; a new connection has joined nothing. */
  joins: Map<string, Promise<unknown>>;
  connectionId: string | undefined;
}

const roomsBySocket = new WeakMap<RealtimeSocket, Rooms>();

function roomsOf(socket: RealtimeSocket): Rooms {
  let rooms = roomsBySocket.get(socket);
  if (!rooms) {
    rooms = { holders: new Map(), joins: new Map(), connectionId: socket.id };
    roomsBySocket.set(socket, rooms);
  }
  if (rooms.connectionId !== socket.id) {
    rooms.joins.clear();
    rooms.connectionId = socket.id;
  }
  return rooms;
}

/**
 * Say that a part of the page needs a conversation. The socket leaves it when the last part has let go, so that two
 * hooks can use the same conversation. Returns what lets go.
 */
export function holdRoom(socket: RealtimeSocket, conversationId: string): () => void {
  const { holders } = roomsOf(socket);
  holders.set(conversationId, (holders.get(conversationId) ?? 0) + 1);
  return () => {
    const left = (holders.get(conversationId) ?? 1) - 1;
    if (left > 0) {
      holders.set(conversationId, left);
      return;
    }
    holders.delete(conversationId);
    const isJoined = roomsOf(socket).joins.delete(conversationId);
    if (isJoined && socket.connected) socket.emit('leave:conversation', conversationId);
  };
}

/** Join a conversation, once for each connection however many ask for it. */
export function enterRoom(socket: RealtimeSocket, conversationId: string): Promise<unknown> {
  const { joins } = roomsOf(socket);
  let join = joins.get(conversationId);
  if (!join) {
    join = ask(socket, 'join:conversation', conversationId);
    joins.set(conversationId, join);
    // A join that failed may succeed another time.
    join.catch(() => joins.delete(conversationId));
  }
  return join;
}
