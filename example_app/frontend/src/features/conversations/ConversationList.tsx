import { Plus, Users } from 'lucide-react';

import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { joinNames } from '../../ui/names';
import { typingText } from '../typing-indicators/typingText';
import { useTypists } from '../typing-indicators/useTyping';
import type { Conversation } from './api';
import { conversationName, othersIn } from './names';
import { conversationLink } from './useOpenConversation';

interface Props {
  conversations: Conversation[];
  isLoaded: boolean;
  /** Loads further conversations; null where there are none. */
  onMore: (() => void) | null;
  openId: string | null;
  /** Null while there is no connection to know it from. */
  online: ReadonlySet<string> | null;
  userId: string;
  onNew: () => void;
}

export function ConversationList({ conversations, isLoaded, onMore, onNew, ...shared }: Props) {
  return (
    <nav aria-label="Conversations" className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center justify-between px-4 pt-4 pb-2">
        <h2 className="text-lg font-semibold tracking-tight">Conversations</h2>
        <Button kind="icon" aria-label="New conversation" onClick={onNew} className="-mr-2">
          <Plus className="size-5" aria-hidden />
        </Button>
      </div>
      <ul className="min-h-0 flex-1 space-y-0.5 overflow-y-auto px-2 pb-2">
        {conversations.map((conversation) => (
          <ConversationItem key={conversation.id} conversation={conversation} {...shared} />
        ))}
        {onMore && (
          <li>
            <Button kind="quiet" className="w-full" onClick={onMore}>
              Show more conversations
            </Button>
          </li>
        )}
      </ul>
      {!isLoaded && <p className="px-4 pb-4 text-sm text-muted">Loading…</p>}
    </nav>
  );
}

type ItemProps = Omit<Props, 'conversations' | 'isLoaded' | 'onMore' | 'onNew'> & { conversation: Conversation };

function ConversationItem({ conversation, openId, online, userId }: ItemProps) {
  const typists = useTypists(conversation.id);
  const name = conversationName(conversation, userId);
  const others = othersIn(conversation, userId);
  const [only] = others.length === 1 ? others : [];
  const isOpen = conversation.id === openId;
  const unread = isOpen ? 0 : conversation.unreadCount;
  const typing = typingText(others.filter(({ id }) => typists.includes(id)).map(({ username }) => username));
  return (
    <li
      className={`relative flex items-center gap-3 rounded-xl px-2.5 py-2.5 transition-colors ${isOpen ? 'bg-accent-soft' : 'hover:bg-sunken'}`}
    >
      {only ? <Avatar id={only.id} name={only.username} isOnline={online?.has(only.id)} /> : <GroupPicture />}
      <div className="min-w-0 flex-1">
        {/* The link covers the whole item, but its name is only what tells one conversation from another. */}
        <a
          href={conversationLink(conversation.id)}
          id={`conversation-${conversation.id}`}
          aria-current={isOpen ? 'page' : undefined}
          className={`block truncate outline-none after:absolute after:inset-0 after:rounded-xl focus-visible:after:outline-2 focus-visible:after:outline-accent ${unread > 0 ? 'font-semibold' : 'font-medium'}`}
        >
          {name}
          {unread > 0 && <span className="sr-only">{unread} unread</span>}
        </a>
        <p className={`truncate text-sm ${typing ? 'text-accent' : 'text-muted'}`}>
          {typing || participantsText(conversation, userId)}
        </p>
      </div>
      {unread > 0 && (
        <span
          aria-hidden
          className="grid h-5 min-w-5 place-items-center rounded-full bg-accent px-1.5 text-xs font-semibold text-on-accent"
        >
          {unread}
        </span>
      )}
    </li>
  );
}

function participantsText(conversation: Conversation, userId: string): string {
  const others = othersIn(conversation, userId).map(({ username }) => username);
  return conversation.title === null && others.length === 1 ? 'Direct conversation' : `You, ${joinNames(others)}`;
}

function GroupPicture() {
  return (
    <span aria-hidden className="grid size-10 shrink-0 place-items-center rounded-full bg-sunken text-muted">
      <Users className="size-5" />
    </span>
  );
}
