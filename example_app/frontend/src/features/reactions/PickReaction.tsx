import { dialogForLater, OnceNeeded } from '../../ui/later';
import type { Message } from '../messages/messageList';

const ReactionPicker = dialogForLater(() => import('./ReactionPicker'));

interface Props {
  /** What one is about to react to; null for nothing. */
  message: Message | null;
  onReact: (message: Message, emoji: string) => void;
  onClose: () => void;
}

/** Lets one choose an emoji to react to a message with. */
export function PickReaction({ message, onReact, onClose }: Props) {
  return (
    <OnceNeeded isNeeded={message !== null}>
      <ReactionPicker
        isOpen={message !== null}
        onOpenChange={onClose}
        onPick={(emoji) => {
          if (message) onReact(message, emoji);
          onClose();
        }}
      />
    </OnceNeeded>
  );
}
