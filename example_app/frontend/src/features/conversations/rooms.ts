import { request, type RealtimeSocket } from '../../realtime/socket';

interface Rooms {
  /** How many parts of the page need each conversation. */
  holders: Map<string, number>;
  /** The joins of one connection; a new connection has joined nothing. */
  joins: Map<string, Promise<unknown>>;
  /** Those of them that were answered. */
  joined: Set<string>;
  connectionId: string | undefined;
}

const roomsBySocket = new WeakMap<RealtimeSocket, Rooms>();

function roomsOf(socket: RealtimeSocket): Rooms {
  let rooms = roomsBySocket.get(socket);
  if (!rooms) {
    rooms = { holders: new Map(), joins: new Map(), joined: new Set(), connectionId: socket.id };
    roomsBySocket.set(socket, rooms);
  }
  if (rooms.connectionId !== socket.id) {
    rooms.joins.clear();
    rooms.joined.clear();
    rooms.connectionId = socket.id;
  }
  return rooms;
}

/**
 * Keep a conversation joined for a part of the page. The socket leaves it when the last part has released it, so that two
 * hooks can use the same conversation. Returns a function that releases it.
 */
export function retainRoom(socket: RealtimeSocket, conversationId: string): () => void {
  const { holders } = roomsOf(socket);
  holders.set(conversationId, (holders.get(conversationId) ?? 0) + 1);
  return () => {
    const left = (holders.get(conversationId) ?? 1) - 1;
    if (left > 0) {
      holders.set(conversationId, left);
      return;
    }
    holders.delete(conversationId);
    const { joins, joined } = roomsOf(socket);
    const isJoined = joins.delete(conversationId);
    joined.delete(conversationId);
    if (isJoined && socket.connected) socket.emit('leave:conversation', conversationId);
  };
}

/** Join a conversation, once for each connection however many ask for it. */
export function enterRoom(socket: RealtimeSocket, conversationId: string): Promise<unknown> {
  const { joins, joined } = roomsOf(socket);
  let join = joins.get(conversationId);
  if (!join) {
    join = request(socket, 'join:conversation', conversationId);
    joins.set(conversationId, join);
    const started = join;
    started.then(
      () => {
        if (joins.get(conversationId) === started) joined.add(conversationId);
      },
      // A join that failed may succeed another time.
      () => joins.delete(conversationId),
    );
  }
  return join;
}

/** Join conversations, and return whether any of them was not joined yet. */
export async function enterRooms(socket: RealtimeSocket, conversationIds: string[]): Promise<boolean> {
  const { joined } = roomsOf(socket);
  const isAnyNew = conversationIds.some((id) => !joined.has(id));
  await Promise.all(conversationIds.map((id) => enterRoom(socket, id)));
  return isAnyNew;
}
