// Made by `flask realtime types`; do not edit.
/* eslint-disable */

/** The default answer, to events for which the contract defines no other. */
export interface Acknowledgement {
  ok: true;
}

/** An announcement, as sent to clients. */
export interface Announcement {
  message: string;
  createdAt: string;
}

/** The payload of a client's `typing:start` and `typing:stop`. */
export interface ConversationReference {
  conversationId: string | number;
}

/** The answer to an event that failed. */
export interface ErrorAnswer {
  error: ErrorDetail;
}

/** The details of an error; `retryAfter` is in seconds. */
export interface ErrorDetail {
  code: string;
  message: string;
  retryAfter?: number;
}

/** `realtime:error`: an event without a callback failed. */
export interface ErrorEvent {
  error: ErrorDetail;
  event: string;
}

/** `auth:expiring` and `auth:expired`: when the token expires, ISO 8601 in UTC. */
export interface Expiry {
  expiresAt: string;
}

/** `message:deleted`. */
export interface MessageDeletedPayload {
  conversationId: string | number;
  messageId: string | number;
}

/** `message:send`. */
export interface MessageSendPayload {
  conversationId: string | number;
  clientId: string | number;
  content: string;
}

/** The answer to `message:send`. */
export interface MessageSentAnswer {
  ok: true;
  message: Record<string, any>;
}

/** `messages:delivered`; with the user who has got them, unless several users' receipts are merged. */
export interface MessagesDeliveredPayload {
  conversationId: string | number;
  messageIds: (string | number)[];
  userId?: string;
  upTo?: string | number;
}

/**
 * `messages:read`; the reader is included if the application named one, and the last message where
 * cursors are kept.
 */
export interface MessagesReadPayload {
  conversationId: string | number;
  messageIds: (string | number)[];
  userId?: string;
  upTo?: string | number;
}

/** An event of the log, with its arguments as it was sent, and the time at which it was logged. */
export interface MissedEvent {
  event: string;
  args: unknown[];
  at: string;
}

/**
 * `realtime:ready`: whether the lost connection was recovered, and whether that was asked for and not
 * possible.
 */
export interface Ready {
  recovered: boolean;
  gap: boolean;
}

/** The answer to `auth:refresh`: when the new token expires; null if it does not. */
export interface Refreshed {
  expiresAt: string | null;
}

/** `error.data` of a `connect_error`; `retryAfter` is in seconds. */
export interface RefusalData {
  code: string;
  retryAfter?: number;
}

/** A client's `messages:read` and `messages:delivered`: some messages, or all up to one. */
export interface SeenPayload {
  conversationId: string | number;
  messageIds?: (string | number)[];
  upTo?: string | number;
}

/** The events since a cursor, and the cursor behind them. */
export interface SyncPage {
  events: MissedEvent[];
  cursor: string;
  more: boolean;
}

/** `sync`. */
export interface SyncPayload {
  cursor?: string | null;
  limit?: number;
}

/** The events since a cursor are no longer kept: load everything anew, and go on with this one. */
export interface SyncReset {
  reset: true;
  cursor: string;
}

/** `typing:start` and `typing:stop`, to the other users of a conversation. */
export interface TypingPayload {
  conversationId: string | number;
  userId: string;
}

/** `unread:changed`. */
export interface UnreadChangedPayload {
  conversationId: string | number;
  unreadCount: number;
  mentionCount: number;
}

/** `user:status-changed`, and the answer to a query for a user's status. */
export interface UserStatus {
  userId: string;
  status: 'online' | 'offline';
}

/** Events that the server sends. */
export interface ServerToClientEvents {
  /** Another user is typing. Sent to the other users in the conversation. */
  'typing:start': (payload: TypingPayload) => void;
  /**
   * Another user stopped typing; also sent when the typist disconnects, leaves, or sends nothing for
   * `REALTIME_TYPING_TIMEOUT` seconds. Sent to the other users in the conversation.
   */
  'typing:stop': (payload: TypingPayload) => void;
  /** A message was sent. Sent to every connection joined to the conversation. */
  'message:new': (message: Record<string, any>) => void;
  /** A message was deleted. Sent to every connection joined to the conversation. */
  'message:deleted': (payload: MessageDeletedPayload) => void;
  /**
   * Messages were read; `userId` is the reader, if the application named one. With `upTo`, everything up
   * to that message is read. Sent to every connection joined to the conversation.
   */
  'messages:read': (payload: MessagesReadPayload) => void;
  /**
   * Messages have reached a user. With `upTo`, everything up to that message has. Sent to every other
   * user's connections joined to the conversation.
   */
  'messages:delivered': (payload: MessagesDeliveredPayload) => void;
  /**
   * The user has read messages of a conversation: how many are unread now. `mentionCount` is 0, as
   * nobody can be mentioned yet. Sent to all of the user's connections.
   */
  'unread:changed': (payload: UnreadChangedPayload) => void;
  /** There is a new notification for the user. Sent to all of the user's connections. */
  'notification:new': (notification: Record<string, any>) => void;
  /**
   * A notification was read on one of the user's devices. Sent to all of the user's connections, the
   * sender's too.
   */
  'notification:read': (notificationId: string | number) => void;
  /**
   * All notifications were read on one of the user's devices. Sent to all of the user's connections, the
   * sender's too.
   */
  'notifications:read-all': () => void;
  /** An order of the user changed. Sent to all of the user's connections. */
  'order:update': (order: Record<string, any>) => void;
  /**
   * A user's first connection was opened, or the last one closed. Sent to everyone, or those whom the
   * `presence_audience` hook names.
   */
  'user:status-changed': (payload: UserStatus) => void;
  /**
   * The access token expires in `REALTIME_EXPIRY_WARNING` seconds, or sooner where it is a short-lived
   * one. Send a new one with `auth:refresh`. Sent to the connection whose token it is.
   */
  'auth:expiring': (payload: Expiry) => void;
  /**
   * The access token expired `REALTIME_EXPIRY_GRACE` seconds ago and no new one came. The server
   * disconnects the client next. Sent to the connection whose token it was.
   */
  'auth:expired': (payload: Expiry) => void;
  /** An administrator made an announcement. Sent to every connection. */
  'announcement': (announcement: Announcement) => void;
  /**
   * The connection is open. With `recovered`, all that was missed has come before; with `gap`, events
   * may be missing that were sent while the client was away. Sent to the connection itself, if its
   * client has recovery.
   */
  'realtime:ready': (payload: Ready) => void;
  /** An event that was sent without a callback failed. Sent to the connection that sent the event. */
  'realtime:error': (payload: ErrorEvent) => void;
}

/** Events that clients send. */
export interface ClientToServerEvents {
  /**
   * Join a conversation, to receive what is sent in it. The application's `authorize_join` hook decides;
   * without one every join is refused. Joining twice is no error.
   */
  'join:conversation': (conversationId: string | number, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /** Leave a conversation. Leaving one that the connection is not in is no error. */
  'leave:conversation': (conversationId: string | number, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Ask which users have a connection joined to a conversation. Only for users who have joined, or whom
   * `authorize_join` admits.
   */
  'conversation:get-online-users': (conversationId: string | number, callback: (answer: string[] | ErrorAnswer) => void) => void;
  /** Announce that the user is typing. Only from a connection that has joined the conversation. */
  'typing:start': (payload: ConversationReference, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /** Announce that the user stopped typing. Only from a connection that has joined the conversation. */
  'typing:stop': (payload: ConversationReference, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Ask for the logged events that the user may see and has missed since a cursor, in the order of their
   * commits; over consecutive calls each is given once. `limit` is the maximum number of events, 1 to
   * 500, 100 by default. Without a cursor the answer has no events, and the present cursor. `more` is
   * true if the next call has events already. `reset` is the answer to a cursor whose events are no
   * longer kept. Without a log the answer is `unknown_event`.
   */
  'sync': (payload: SyncPayload, callback: (answer: SyncPage | SyncReset | ErrorAnswer) => void) => void;
  /**
   * Send a message to a conversation. Only for its participants. `clientId` is the client's own id of
   * the message: for 24 hours, sending it again stores nothing, notifies nobody, and gets the same
   * answer. The application's `on_message_send` hook stores it; without one the answer is
   * `unknown_event`. `replyTo`, `threadId`, `mentions` and `attachmentIds` are not supported yet: with
   * one of them the answer is `bad_request`.
   */
  'message:send': (payload: MessageSendPayload, callback: (answer: MessageSentAnswer | ErrorAnswer) => void) => void;
  /**
   * Say that the user has read messages: either `messageIds`, 500 at most, or all up to `upTo`. Only for
   * participants of the conversation. The application's `on_messages_read` hook stores it; without one
   * the answer is `unknown_event`. With the store's cursors, whoever has read a message has read all
   * before it.
   */
  'messages:read': (payload: SeenPayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Say that messages have reached the user: as `messages:read`, with the `on_messages_delivered` hook.
   * A message that was read is delivered.
   */
  'messages:delivered': (payload: SeenPayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Mark a notification as read. The application's `on_notification_read` hook stores it; if it fails,
   * no device is notified.
   */
  'notification:read': (notificationId: string | number, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Mark all notifications as read. The application's `on_notifications_read_all` hook stores it; if it
   * fails, no device is notified.
   */
  'notifications:read-all': (callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Confirm that a notification has reached this device. A critical one that no device confirms, or
   * marks as read, within `REALTIME_CRITICAL_TIMEOUT` goes to the application's other channels, such as
   * e-mail.
   */
  'notification:delivered': (notificationId: string | number, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /** Ask whether a user is online. */
  'user:get-status': (userId: string | number, callback: (answer: UserStatus | ErrorAnswer) => void) => void;
  /** Ask which users are online; at most `REALTIME_MAX_STATUS_IDS` ids, answered in the order requested. */
  'users:get-status': (userIds: (string | number)[], callback: (answer: UserStatus[] | ErrorAnswer) => void) => void;
  /**
   * Go on with a new access token of the same user, without a reconnect. `expiresAt` is null where the
   * new token does not expire. A token that is refused leaves the connection as it was; the codes are
   * those of refused connections, and `forbidden` for another user's token.
   */
  'auth:refresh': (token: string, callback: (answer: Refreshed | ErrorAnswer) => void) => void;
}
