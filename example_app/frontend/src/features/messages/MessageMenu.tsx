import * as Menu from '@radix-ui/react-dropdown-menu';
import { Copy, Ellipsis, Eye, MessagesSquare, Pencil, Pin, PinOff, Reply, SmilePlus, Trash2, type LucideIcon } from 'lucide-react';
import { useRef } from 'react';

import { MENU, MENU_ITEM } from '../../ui/menu';
import { useToasts } from '../../ui/Toasts';
import { hasReacted } from '../reactions/api';
import { QUICK } from '../reactions/emoji';
import type { MessageActions } from './actions';
import type { Message } from './messageList';
import { usePeople } from './people';

const MAX_LABEL_LENGTH = 60;

interface Props {
  message: Message;
  isOwn: boolean;
  canDelete: boolean;
  actions: MessageActions;
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
}

/** What can be done with a message. */
export function MessageMenu({ message, isOwn, canDelete, actions, isOpen, onOpenChange }: Props) {
  const { show } = useToasts();
  const { onThread, pins } = actions;
  // What is chosen may need the focus, which else returns to the button.
  const takesFocus = useRef(false);

  function copy() {
    navigator.clipboard.writeText(message.content).catch(() => show('The text was not copied', 'The browser does not allow it.'));
  }

  function withFocus(action: (message: Message) => void) {
    return () => {
      takesFocus.current = true;
      action(message);
    };
  }

  function handleClosed(event: Event) {
    if (takesFocus.current) event.preventDefault();
    takesFocus.current = false;
  }

  return (
    <Menu.Root modal={false} open={isOpen} onOpenChange={onOpenChange}>
      <Menu.Trigger asChild>
        <button
          type="button"
          aria-label={`Actions for message: ${message.content.slice(0, MAX_LABEL_LENGTH)}`}
          className="finger mb-1 pointer-coarse:mb-1.5 grid size-8 shrink-0 place-items-center rounded-full text-muted opacity-0 transition-opacity group-hover:opacity-100 hover:bg-sunken hover:text-ink focus-visible:opacity-100 data-[state=open]:opacity-100 pointer-coarse:opacity-70"
        >
          <Ellipsis className="size-4" aria-hidden />
        </button>
      </Menu.Trigger>
      {/* Within the landmark that the message is in. */}
      <Menu.Portal container={document.querySelector('main')}>
        <Menu.Content
          sideOffset={4}
          collisionPadding={12}
          onCloseAutoFocus={handleClosed}
          className={`${MENU} z-50 min-w-44`}
        >
          <QuickReactions message={message} onReact={actions.onReact} />
          <Item Icon={SmilePlus} label="More reactions…" onSelect={() => actions.onPickReaction(message)} />
          <Item Icon={Reply} label="Reply" onSelect={withFocus(actions.onReply)} />
          {onThread && <Item Icon={MessagesSquare} label="Reply in thread" onSelect={withFocus(onThread)} />}
          {isOwn && <Item Icon={Pencil} label="Edit" onSelect={withFocus(actions.onEdit)} />}
          <Item Icon={Copy} label="Copy text" onSelect={copy} />
          <Item Icon={Eye} label="Seen by…" onSelect={() => actions.onSeenBy(message)} />
          {pins && <PinItem isPinned={pins.isPinned(message)} onSelect={() => pins.onPin(message)} />}
          {canDelete && <Item Icon={Trash2} label="Delete" isDangerous onSelect={() => actions.onDelete(message)} />}
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function QuickReactions({ message, onReact }: { message: Message; onReact: MessageActions['onReact'] }) {
  const { userId } = usePeople();
  return (
    <Menu.Group aria-label="Reactions" className="flex justify-between border-b border-line pb-1">
      {QUICK.map((emoji) => (
        <Menu.CheckboxItem
          key={emoji}
          aria-label={`React with ${emoji}`}
          checked={hasReacted(message, emoji, userId)}
          onSelect={() => onReact(message, emoji)}
          className="grid size-10 pointer-coarse:size-11 cursor-pointer place-items-center rounded-lg text-lg -outline-offset-2 data-highlighted:bg-highlight data-[state=checked]:bg-accent-soft"
        >
          {emoji}
        </Menu.CheckboxItem>
      ))}
    </Menu.Group>
  );
}

function PinItem({ isPinned, onSelect }: { isPinned: boolean; onSelect: () => void }) {
  return <Item Icon={isPinned ? PinOff : Pin} label={isPinned ? 'Unpin' : 'Pin'} onSelect={onSelect} />;
}

interface ItemProps {
  Icon: LucideIcon;
  label: string;
  isDangerous?: boolean;
  onSelect: () => void;
}

function Item({ Icon, label, isDangerous = false, onSelect }: ItemProps) {
  return (
    <Menu.Item onSelect={onSelect} className={`${MENU_ITEM} ${isDangerous ? 'text-danger' : ''}`}>
      <Icon className="size-4" aria-hidden /> {label}
    </Menu.Item>
  );
}
