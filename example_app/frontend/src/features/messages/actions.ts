import type { Outgoing } from '../outbox/texts';
import type { Message } from './messageList';

/** What can be done with messages. What is left out cannot be done where they are shown. */
export interface MessageActions {
  onDelete: (message: Message) => void;
  onEdit: (message: Message) => void;
  onReply: (message: Message) => void;
  onReact: (message: Message, emoji: string) => void;
  /** Choose an emoji to react with. */
  onPickReaction: (message: Message) => void;
  onSeenBy: (message: Message) => void;
  onJump: (messageId: string) => void;
  onThread?: (message: Message) => void;
  pins?: {
    isPinned: (message: Message) => boolean;
    onPin: (message: Message) => void;
  };
  onRetry: (outgoing: Outgoing) => void;
  onDiscard: (outgoing: Outgoing) => void;
}
