import type { Message, MessagePage } from '../features/messages/messageList';
import type { MessageStore, Place } from '../features/messages/useMessages';
import type { MessageSendPayload } from '../realtime/types';
import type { FakeSocket } from './fakeSocket';

export const ALICE = { id: '1', username: 'alice' };
export const BOB = { id: '2', username: 'bob' };

export function makeMessage(id: number, changes: Partial<Message> = {}): Message {
  return {
    id: String(id),
    conversationId: '1',
    seq: id,
    senderId: BOB.id,
    sender: BOB,
    content: `message ${id}`,
    createdAt: new Date(Date.UTC(2026, 0, 1) + id * 1000).toISOString(),
    editedAt: null,
    deletedAt: null,
    replyTo: null,
    threadId: null,
    thread: null,
    mentions: [],
    reactions: [],
    isRead: false,
    status: 'sent',
    ...changes,
  };
}

/** A store that pages as the server does. */
export class FakeStore implements MessageStore {
  messages: Message[];
  readonly read: string[][] = [];
  /** What happens between storing what was sent and answering: a rejection is a connection that is lost there. */
  onSend: (message: Message) => Promise<void> = async () => undefined;
  isDown = false;
  /** What pages wait for that are not the newest. */
  onPart: () => Promise<void> = async () => undefined;
  loads = 0;
  private readonly pageSize: number;
  private readonly sent = new Map<string, Message>();

  constructor(count = 0, pageSize = 3) {
    this.pageSize = pageSize;
    this.messages = Array.from({ length: count }, (_, index) => makeMessage(index + 1));
  }

  add(changes: Partial<Message> = {}): Message {
    const message = makeMessage(Number(this.messages.at(-1)?.id ?? 0) + 1, changes);
    this.messages.push(message);
    return message;
  }

  delete(id: string) {
    this.messages = this.messages.filter((message) => message.id !== id);
  }

  load = async (_conversationId: string, { before, after, around, thread = null }: Place): Promise<MessagePage> => {
    this.loads += 1;
    if (this.isDown) throw new TypeError('Failed to fetch');
    if ([before, after, around].some((place) => place !== undefined)) await this.onPart();
    const all = this.messages.filter(({ threadId }) => threadId === thread);
    if (after !== undefined) return this.page(all, all.findIndex(({ id }) => id === after) + 1);
    if (around !== undefined) return this.page(all, all.findIndex(({ id }) => id === around) - 1);
    const end = all.filter(({ id }) => before === undefined || Number(id) < Number(before)).length;
    return this.page(all, end - this.pageSize, end);
  };

  private page(all: Message[], start: number, end = start + this.pageSize): MessagePage {
    const messages = all.slice(Math.max(0, start), end);
    return {
      messages,
      nextBefore: start > 0 ? (messages[0]?.id ?? null) : null,
      nextAfter: end < all.length ? (messages.at(-1)?.id ?? null) : null,
    };
  }

  /** Have a socket's `message:send` store here, once for each of the client's ids, as the server does. */
  serve(socket: FakeSocket) {
    socket.answers.set('message:send', (payload) => this.send(payload as MessageSendPayload));
  }

  private async send({ conversationId, clientId, content, replyTo = null, threadId = null }: MessageSendPayload) {
    const key = `${conversationId} ${clientId}`;
    const links = { replyTo: replyTo === null ? null : String(replyTo), threadId: threadId === null ? null : String(threadId) };
    const own = { senderId: ALICE.id, sender: ALICE };
    const message = this.sent.get(key) ?? this.add({ conversationId: String(conversationId), content, ...links, ...own });
    this.sent.set(key, message);
    await this.onSend(message);
    return { ok: true, message };
  }

  markRead = async (_conversationId: string, messageIds: string[]) => {
    this.read.push(messageIds);
  };

  remove = async (_conversationId: string, messageId: string) => this.delete(messageId);

  find = async (_conversationId: string, messageId: string) => this.messages.find(({ id }) => id === messageId) ?? null;

  edit = async (_conversationId: string, messageId: string, content: string): Promise<Message> => {
    const edited = makeMessage(Number(messageId), { content, editedAt: new Date(0).toISOString() });
    this.messages = this.messages.map((message) => (message.id === messageId ? edited : message));
    return edited;
  };
}
