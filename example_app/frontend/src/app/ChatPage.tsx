import { useCallback, useEffect, useState } from 'react';

import type { User } from '../features/authentication/session';
import { useIsAdministrator } from '../features/administration/useIsAdministrator';
import { useSessionEnd } from '../features/authentication/useSessionEnd';
import { startDirectConversation, type Conversation } from '../features/conversations/api';
import { ConversationList } from '../features/conversations/ConversationList';
import { ConversationPane } from '../features/conversations/ConversationPane';
import { conversationName } from '../features/conversations/names';
import { NewConversation } from '../features/conversations/NewConversation';
import { useInbox } from '../features/conversations/useInbox';
import { closeConversation, openConversation, useOpenConversation } from '../features/conversations/useOpenConversation';
import { useReturnFocus } from '../features/conversations/useReturnFocus';
import type { Message } from '../features/messages/messageList';
import { notificationStore } from '../features/notifications/api';
import { showBrowserNotification } from '../features/notifications/browserNotifications';
import { useNotifications } from '../features/notifications/useNotifications';
import { useUpdates } from '../features/orders/useUpdates';
import { useWaiting } from '../features/outbox/OutboxProvider';
import { PeopleList } from '../features/presence/PeopleList';
import { useIdle } from '../features/presence/useIdle';
import { usePresence } from '../features/presence/usePresence';
import { useDelivered } from '../features/receipts/useReceipts';
import { useRealtime } from '../realtime/RealtimeProvider';
import { useAnnouncer } from '../ui/Announcer';
import { failureText } from '../ui/failure';
import { dialogForLater, loadAhead, OnceNeeded } from '../ui/later';
import { ToastRegion, useToasts } from '../ui/Toasts';
import { ConnectionBanner } from './ConnectionStatus';
import { Header } from './Header';
import { ReturnStatus } from './ReturnStatus';
import { SidePanels } from './SidePanels';

const AdminPanel = dialogForLater(() => import('./AdminPanel'));
const StatusDialog = dialogForLater(() => import('../features/presence/StatusDialog'));

// What the user came for is loaded by then.
const LOAD_AHEAD_MS = 2_000;

export function ChatPage({ user }: { user: User }) {
  const { status, refusal, reconnect } = useRealtime();
  const openId = useOpenConversation();
  const waiting = useWaiting();
  const announce = useAnnouncer();
  const { show } = useToasts();
  const [isCreating, setIsCreating] = useState(false);
  const [isAdministering, setIsAdministering] = useState(false);
  const [isSettingStatus, setIsSettingStatus] = useState(false);

  useSessionEnd(status === 'refused' ? refusal : null);
  useReturnFocus(openId);

  const onMessage = useCallback(
    (message: Message, isMuted: boolean) => {
      if (isMuted) return;
      announce(`${message.sender.username}: ${message.content}`);
      showBrowserNotification(message.sender.username, message.content, `message-${message.id}`);
    },
    [announce],
  );
  const onRemoved = useCallback(
    (conversation: Conversation) => {
      show('Conversation left', `You no longer take part in ${conversationName(conversation, user.id)}.`);
      if (conversation.id === openId) closeConversation();
    },
    [show, user.id, openId],
  );
  const inbox = useInbox(user.id, onMessage, onRemoved);
  useDelivered(user.id);
  useIdle();
  const present = usePresence(inbox.people.map(({ id }) => id));
  const online = status === 'connected' ? present : null;
  const notifications = useNotifications(notificationStore, (item) => {
    show(item.title, item.message);
    showBrowserNotification(item.title, item.message, `notification-${item.id}`);
  });
  const updates = useUpdates(({ title, text, createdAt }) => {
    show(title, text);
    showBrowserNotification(title, text, `update-${createdAt}`);
  });

  const unread = inbox.conversations.reduce((sum, { unreadCount }) => sum + unreadCount, 0);
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}flask_realtime example`;
  }, [unread]);

  useEffect(() => {
    if (status !== 'connected') return;
    const timer = setTimeout(loadAhead, LOAD_AHEAD_MS);
    return () => clearTimeout(timer);
  }, [status]);

  const isAdministrator = useIsAdministrator();
  const open = inbox.conversations.find(({ id }) => id === openId);
  // The address may name a conversation further down the list.
  const isFurtherDown = openId !== null && !open && inbox.hasMore;
  const { loadMore } = inbox;
  useEffect(() => {
    if (isFurtherDown) loadMore();
  }, [isFurtherDown, loadMore, inbox.conversations.length]);

  const { refresh } = inbox;
  const writeTo = useCallback(
    (userId: string) => {
      startDirectConversation(userId).then(
        ({ id }) => {
          refresh();
          openConversation(id);
        },
        (failure) => show('The conversation was not opened', failureText(failure)),
      );
    },
    [refresh, show],
  );
  const isNarrowlyHidden = openId !== null ? 'max-md:hidden' : '';
  return (
    <div className="flex h-dvh flex-col">
      <Header
        user={user}
        status={status}
        notifications={notifications}
        updates={updates}
        presence={online?.get(user.id)}
        onStatus={() => setIsSettingStatus(true)}
        onAdminister={isAdministrator ? () => setIsAdministering(true) : undefined}
      />
      <ConnectionBanner status={status} refusal={refusal} waiting={waiting.length} onRetry={reconnect} />
      <ReturnStatus />
      <main className="relative flex min-h-0 flex-1">
        <div className={`flex w-full flex-col border-line bg-surface md:w-80 md:border-r ${isNarrowlyHidden}`}>
          <ConversationList
            conversations={inbox.conversations}
            isLoaded={inbox.isLoaded}
            onMore={inbox.hasMore ? inbox.loadMore : null}
            openId={openId}
            online={online}
            userId={user.id}
            onNew={() => setIsCreating(true)}
          />
          <PeopleList
            people={inbox.people}
            presences={online}
            userId={user.id}
            onMessage={writeTo}
            onStatus={() => setIsSettingStatus(true)}
          />
        </div>
        <div className={`flex min-w-0 flex-1 flex-col ${openId === null ? 'max-md:hidden' : ''}`}>
          {open ? (
            <ConversationPane key={open.id} conversation={open} user={user} online={online} />
          ) : (
            <NothingOpen isWanted={openId !== null} isUnknown={openId !== null && inbox.isLoaded && !inbox.hasMore} />
          )}
        </div>
        <SidePanels
          conversations={inbox.conversations}
          open={open}
          user={user}
          people={inbox.people}
          presences={online}
          onMessage={writeTo}
        />
        <ToastRegion />
      </main>
      <NewConversation
        isOpen={isCreating}
        onOpenChange={setIsCreating}
        people={inbox.people}
        userId={user.id}
        onCreated={(conversationId) => {
          setIsCreating(false);
          inbox.refresh();
          openConversation(conversationId);
        }}
      />
      <OnceNeeded isNeeded={isSettingStatus}>
        <StatusDialog isOpen={isSettingStatus} onOpenChange={setIsSettingStatus} presence={online?.get(user.id)} />
      </OnceNeeded>
      <OnceNeeded isNeeded={isAdministering}>
        <AdminPanel isOpen={isAdministering} onOpenChange={setIsAdministering} people={inbox.people} />
      </OnceNeeded>
    </div>
  );
}

interface NothingProps {
  /** Whether the address names a conversation, and whether it is none of the user's. */
  isWanted: boolean;
  isUnknown: boolean;
}

function NothingOpen({ isWanted, isUnknown }: NothingProps) {
  const text = isWanted ? 'Loading…' : 'Choose a conversation.';
  return (
    <div className="m-auto grid justify-items-center gap-3 p-6 text-center text-sm text-muted">
      {isUnknown ? 'Conversation not found.' : text}
      {isUnknown && (
        <button type="button" onClick={closeConversation} className="font-medium text-accent underline">
          Show all conversations
        </button>
      )}
    </div>
  );
}
