/** How far a message has got: stored, with all others, read by all others. Null where the server does not know. */
export type MessageStatus = 'sent' | 'delivered' | 'read' | null;

const ORDER: MessageStatus[] = [null, 'sent', 'delivered', 'read'];

/** The later of two statuses: a message does not go back. */
export function laterStatus(one: MessageStatus, other: MessageStatus): MessageStatus {
  return ORDER.indexOf(one) < ORDER.indexOf(other) ? other : one;
}
