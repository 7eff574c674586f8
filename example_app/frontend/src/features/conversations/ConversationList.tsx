import { BellOff, Plus, Search, Users } from 'lucide-react';

import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { useSidePanel } from '../../ui/SidePanel';
import { dateAndTime, shortTime } from '../../ui/time';
import { useToday } from '../../ui/useToday';
import { PreviewText } from '../formatting/PreviewText';
import { isOnline, type Presences } from '../presence/presence';
import { typingText } from '../typing-indicators/typingText';
import { useTypists } from '../typing-indicators/useTyping';
import { previewOf } from './activity';
import type { Conversation } from './api';
import { isMuted } from './changes';
import { conversationName, namesOfOthers, othersIn } from './names';
import { conversationLink } from './useOpenConversation';
import { LIST_HEADING_ID } from './useReturnFocus';

interface Props {
  conversations: Conversation[];
  isLoaded: boolean;
  /** Loads further conversations; null where there are none. */
  onMore: (() => void) | null;
  openId: string | null;
  /** Null while there is no connection to know it from. */
  online: Presences | null;
  userId: string;
  onNew: () => void;
}

export function ConversationList({ conversations, isLoaded, onMore, onNew, ...shared }: Props) {
  // So that what was written today is from yesterday tomorrow.
  useToday();
  const { openPanel } = useSidePanel();
  return (
    <nav aria-label="Conversations" className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center justify-between px-4 pt-4 pb-2">
        <h2 id={LIST_HEADING_ID} tabIndex={-1} className="flex-1 text-lg font-semibold tracking-tight outline-none">
          Conversations
        </h2>
        <Button kind="icon" aria-label="Search in conversations" title="Search" onClick={() => openPanel('search')}>
          <Search className="size-5" aria-hidden />
        </Button>
        <Button kind="icon" aria-label="New conversation" onClick={onNew} className="-mr-2">
          <Plus className="size-5" aria-hidden />
        </Button>
      </div>
      {!isLoaded && <p className="px-4 py-2 text-sm text-muted">Loading…</p>}
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
  const lineId = `conversation-${conversation.id}-line`;
  const unread = isOpen ? 0 : conversation.unreadCount;
  const typing = typingText(others.filter(({ id }) => typists.includes(id)).map(({ username }) => username));
  return (
    <li
      className={`relative flex items-center gap-3 rounded-xl px-2.5 py-2.5 compact:py-1 transition-colors ${isOpen ? 'bg-accent-soft' : 'hover:bg-sunken'}`}
    >
      {only ? <Avatar id={only.id} name={only.username} isOnline={isOnline(online, only.id)} /> : <GroupPicture />}
      <div className="min-w-0 flex-1">
        {/* The link covers the whole item, but its name is only what tells one conversation from another. */}
        <div className="flex items-baseline gap-2">
          <a
            href={conversationLink(conversation.id)}
            id={`conversation-${conversation.id}`}
            dir="auto"
            aria-describedby={lineId}
            aria-current={isOpen ? 'page' : undefined}
            className={`block min-w-0 flex-1 truncate outline-none after:absolute after:inset-0 after:rounded-xl focus-visible:after:outline-2 focus-visible:after:outline-accent ${unread > 0 ? 'font-semibold' : 'font-medium'}`}
          >
            {name}
            {unread > 0 && <span className="sr-only">{unread} unread</span>}
          </a>
          {isMuted(conversation) && <BellOff role="img" aria-label="Muted" className="size-3.5 shrink-0 self-center text-muted" />}
          {conversation.lastMessage && <LastTime at={conversation.lastMessage.createdAt} />}
        </div>
        <p id={lineId} dir="auto" className={`truncate text-sm ${typing ? 'text-accent' : 'text-muted'}`}>
          {typing || <LastLine conversation={conversation} userId={userId} />}
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

function LastLine({ conversation, userId }: { conversation: Conversation; userId: string }) {
  const preview = previewOf(conversation, userId);
  if (preview === null || preview.text === '') return participantsText(conversation, userId);
  return (
    <>
      {preview.sender !== null && `${preview.sender}: `}
      <PreviewText text={preview.text} />
    </>
  );
}

function LastTime({ at }: { at: string }) {
  return (
    <time dateTime={at} title={dateAndTime(at)} className="shrink-0 text-xs text-muted">
      {shortTime(at)}
    </time>
  );
}

function participantsText(conversation: Conversation, userId: string): string {
  if (conversation.participants.every(({ id }) => id === userId)) return 'Only you';
  const isDirect = conversation.title === null && othersIn(conversation, userId).length === 1;
  return isDirect ? 'Direct conversation' : `You, ${namesOfOthers(conversation, userId)}`;
}

function GroupPicture() {
  return (
    <span aria-hidden className="grid size-10 shrink-0 place-items-center rounded-full bg-sunken text-muted">
      <Users className="size-5" />
    </span>
  );
}
