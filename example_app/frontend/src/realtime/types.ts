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

/** A conversation. What each viewer sees otherwise is left out of events to all of them. */
export interface ConversationPayload {
  id: string;
  type: 'direct' | 'group';
  title: string | null;
  participants: Record<string, any>[];
  participantCount: number;
  createdAt: string;
  lastMessage: unknown;
  lastSeq: number;
  pinned: string[];
  unreadCount?: number;
  mentionCount?: number;
  muted?: boolean | string;
}

/** The payload of a client's `typing:start` and `typing:stop`. */
export interface ConversationReference {
  conversationId: string | number;
}

/** `conversation:removed`. */
export interface ConversationRemovedPayload {
  conversationId: string;
}

/** One of a user's devices, for the user. */
export interface DevicePresence {
  device: string;
  since: string;
  state: 'active' | 'idle';
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

/** `member:left`. */
export interface MemberLeftPayload {
  conversationId: string;
  userId: string;
  by: string | null;
  reason: 'left' | 'removed';
}

/** `member:joined` and `member:updated`; `by` is null if the application itself did it. */
export interface MemberPayload {
  conversationId: string;
  userId: string;
  role: 'owner' | 'moderator' | 'member';
  by: string | null;
}

/** `message:deleted`. */
export interface MessageDeletedPayload {
  conversationId: string | number;
  messageId: string | number;
}

/** `message:edit`. */
export interface MessageEditPayload {
  conversationId: string | number;
  messageId: string | number;
  content: string;
}

/** The payload of a client's `message:pin` and `message:unpin`. */
export interface MessageReference {
  conversationId: string | number;
  messageId: string | number;
}

/** `message:delete`. */
export interface MessageReferencePayload {
  conversationId: string | number;
  messageId: string | number;
}

/** `message:send`. */
export interface MessageSendPayload {
  conversationId: string | number;
  clientId: string | number;
  content: string;
  replyTo?: string | number | null;
  threadId?: string | number | null;
  mentions?: (string | number)[] | null;
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
 * `presence:changed`, and an entry of the answer to `presence:get`; the user's own has the devices
 * too.
 */
export interface PresenceOfUser {
  userId: string;
  status: 'online' | 'offline';
  state: 'online' | 'away' | 'busy' | 'invisible' | 'offline';
  text: string | null;
  lastSeenAt: string | null;
  devices?: DevicePresence[];
}

/** `presence:set`. */
export interface PresenceSetPayload {
  state: 'online' | 'away' | 'busy' | 'invisible';
  text?: string | null;
  until?: string | null;
}

/** `reaction:added` and `reaction:removed`: how many users react to the message with the emoji now. */
export interface ReactionChangedPayload {
  conversationId: string;
  messageId: string;
  emoji: string;
  userId: string;
  count: number;
}

/** `reaction:add` and `reaction:remove`. */
export interface ReactionPayload {
  conversationId: string | number;
  messageId: string | number;
  emoji: string;
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

/** `thread:updated`. */
export interface ThreadUpdatedPayload {
  conversationId: string;
  messageId: string;
  count: number;
  lastAt: string;
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
  /** The user takes part in a conversation from now on. Sent to all connections of each new participant. */
  'conversation:new': (conversation: Record<string, any>) => void;
  /**
   * The title or the pinned messages have changed; `unreadCount`, `mentionCount` and `muted`, which each
   * user sees otherwise, are not in it. Or the user has muted the conversation, or ended that; they are
   * in it. Sent to every connection joined to the conversation; where only `muted` has changed, all of
   * the user's connections.
   */
  'conversation:updated': (conversation: ConversationPayload) => void;
  /** The user takes no part in the conversation any more. Sent to all connections of the user. */
  'conversation:removed': (payload: ConversationRemovedPayload) => void;
  /** A user was added to the conversation. Sent to every connection joined to the conversation. */
  'member:joined': (payload: MemberPayload) => void;
  /** A member has another role. Sent to every connection joined to the conversation. */
  'member:updated': (payload: MemberPayload) => void;
  /**
   * A user takes no part in the conversation any more. Sent to every connection joined to the
   * conversation, but for the user's own.
   */
  'member:left': (payload: MemberLeftPayload) => void;
  /** Another user is typing. Sent to the other users in the conversation. */
  'typing:start': (payload: TypingPayload) => void;
  /**
   * Another user stopped typing, on all devices of one server; also sent when the typist disconnects,
   * leaves, or sends nothing for `REALTIME_TYPING_TIMEOUT` seconds. Sent to the other users in the
   * conversation.
   */
  'typing:stop': (payload: TypingPayload) => void;
  /** A message was sent. Sent to every connection joined to the conversation. */
  'message:new': (message: Record<string, any>) => void;
  /**
   * A message was edited; `isRead` and `status` are as its sender sees them. Sent to every connection
   * joined to the conversation.
   */
  'message:updated': (message: Record<string, any>) => void;
  /** A message was deleted. Sent to every connection joined to the conversation. */
  'message:deleted': (payload: MessageDeletedPayload) => void;
  /** A reply was sent in the thread of a message. Sent to every connection joined to the conversation. */
  'thread:updated': (payload: ThreadUpdatedPayload) => void;
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
   * The user has read messages of a conversation: how many are unread now, and how many of those mention
   * the user. Sent to all of the user's connections.
   */
  'unread:changed': (payload: UnreadChangedPayload) => void;
  /** A user has reacted to a message with an emoji. Sent to every connection joined to the conversation. */
  'reaction:added': (payload: ReactionChangedPayload) => void;
  /** A user has taken a reaction to a message back. Sent to every connection joined to the conversation. */
  'reaction:removed': (payload: ReactionChangedPayload) => void;
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
   * A user set a state or a text, which is over now, or came online with one, or all of the user's
   * devices are idle, or one is active again. The user's own devices are also told of a device that
   * became idle or active. Users who set nothing come online and go offline with `user:status-changed`
   * alone, unless others may know an earlier state of theirs. Sent to the audience of `user:status-
   * changed`; with `devices`, the user's own connections.
   */
  'presence:changed': (payload: PresenceOfUser) => void;
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
  /**
   * Pin a message in its conversation: in a group its owners and moderators may, in a direct
   * conversation both. At most 50 messages are pinned in one. Pinning one twice is no error, and
   * notifies nobody.
   */
  'message:pin': (payload: MessageReference, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /** Unpin a message; as `message:pin`. */
  'message:unpin': (payload: MessageReference, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
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
   * answer. `replyTo` is a message that this one quotes, `threadId` the one whose thread it is in, and
   * `mentions` holds ids of participants, at most 50, or `*` for everyone, which moderators and owners
   * may. The application's `on_message_send` hook stores it; without one the answer is `unknown_event`.
   * `attachmentIds` is not supported yet: with one the answer is `bad_request`.
   */
  'message:send': (payload: MessageSendPayload, callback: (answer: MessageSentAnswer | ErrorAnswer) => void) => void;
  /**
   * Change the content of one's own message, for as long after its sending as `REALTIME_EDIT_WINDOW`
   * says. Giving it the content that it has is no error, and tells nobody.
   */
  'message:edit': (payload: MessageEditPayload, callback: (answer: MessageSentAnswer | ErrorAnswer) => void) => void;
  /**
   * Delete a message: one's own or, as a moderator or owner of the conversation, anybody's. Its content
   * goes, and it stays in its place with `deletedAt`.
   */
  'message:delete': (payload: MessageReferencePayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
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
   * React to a message with an emoji. Only for participants of the conversation: others get `forbidden`;
   * a message that was deleted is `not_found`. A user reacts to a message with an emoji once: doing it
   * again is no error, and nobody is told. `emoji` is exactly one emoji. A message has at most 50 kinds
   * of reactions: one more is `forbidden`. Without a store of reactions the answer is `unknown_event`.
   */
  'reaction:add': (payload: ReactionPayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Take a reaction back; otherwise as `reaction:add`. Taking back what is not there is no error, and
   * nobody is told.
   */
  'reaction:remove': (payload: ReactionPayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
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
   * Set the user's state on all devices, with a `text` of at most 100 characters. At `until`, in ISO
   * 8601, the user is plain online again. To others a user who is `invisible` is offline.
   */
  'presence:set': (payload: PresenceSetPayload, callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Ask for the presence of users: whether they are online, the state and text that they have set, and
   * when those who are offline were last seen. At most `REALTIME_MAX_STATUS_IDS` ids, answered in the
   * order requested. The user's own entry also has the `devices`.
   */
  'presence:get': (userIds: (string | number)[], callback: (answer: PresenceOfUser[] | ErrorAnswer) => void) => void;
  /**
   * Say that the device is idle. A user all of whose devices are idle is `away`, unless another state is
   * set.
   */
  'presence:idle': (callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /** Say that the device is not idle any more. */
  'presence:active': (callback?: (answer: Acknowledgement | ErrorAnswer) => void) => void;
  /**
   * Go on with a new access token of the same user, without a reconnect. `expiresAt` is null where the
   * new token does not expire. A token that is refused leaves the connection as it was; the codes are
   * those of refused connections, and `forbidden` for another user's token.
   */
  'auth:refresh': (token: string, callback: (answer: Refreshed | ErrorAnswer) => void) => void;
}
