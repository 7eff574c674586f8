import { call } from '../../api/http';
import type { Message } from '../messages/messageList';

export interface ReceiptOfUser {
  userId: string;
  at: string;
}

export interface MessageReceipts {
  delivered: ReceiptOfUser[];
  read: ReceiptOfUser[];
}

/** Ask who has got a message, and who has read it. */
export const loadReceipts = ({ conversationId, id }: Message) =>
  call<MessageReceipts>('GET', `/api/conversations/${encodeURIComponent(conversationId)}/messages/${encodeURIComponent(id)}/receipts`);
