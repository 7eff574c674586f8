import { useCallback, useEffect, useState } from 'react';

import type { User } from '../features/authentication/session';
import { useSessionEnd } from '../features/authentication/useSessionEnd';
import { ConversationList } from '../features/conversations/ConversationList';
import { ConversationPane } from '../features/conversations/ConversationPane';
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
import { usePresence } from '../features/presence/usePresence';
import { useDelivered } from '../features/receipts/useReceipts';
import { useRealtime } from '../realtime/RealtimeProvider';
import { useAnnouncer } from '../ui/Announcer';
import { useToasts } from '../ui/Toasts';
import { AdminPanel } from './AdminPanel';
import { ConnectionBanner } from './ConnectionStatus';
import { Header } from './Header';
import { ReturnStatus } from './ReturnStatus';

// The API does not tell who is an administrator; it refuses the others.
const ADMINISTRATOR = 'alice';

export function ChatPage({ user }: { user: User }) {
  const { status, refusal, reconnect } = useRealtime();
  const openId = useOpenConversation();
  const waiting = useWaiting();
  const announce = useAnnouncer();
  const { show } = useToasts();
  const [isCreating, setIsCreating] = useState(false);
  const [isAdministering, setIsAdministering] = useState(false);

  useSessionEnd(status === 'refused' ? refusal : null);
  useReturnFocus(openId);

  const onMessage = useCallback(
    (message: Message) => {
      announce(`${message.sender.username}: ${message.content}`);
      showBrowserNotification(message.sender.username, message.content, `message-${message.id}`);
    },
    [announce],
  );
  const inbox = useInbox(user.id, onMessage);
  useDelivered(user.id);
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

  const isAdministrator = user.username === ADMINISTRATOR;
  const open = inbox.conversations.find(({ id }) => id === openId);
  // The address may name a conversation further down the list.
  const isFurtherDown = openId !== null && !open && inbox.hasMore;
  const { loadMore } = inbox;
  useEffect(() => {
    if (isFurtherDown) loadMore();
  }, [isFurtherDown, loadMore, inbox.conversations.length]);
  const isNarrowlyHidden = openId !== null ? 'max-md:hidden' : '';
  return (
    <div className="flex h-dvh flex-col">
      <Header
        user={user}
        status={status}
        notifications={notifications}
        updates={updates}
        onAdminister={isAdministrator ? () => setIsAdministering(true) : undefined}
      />
      <ConnectionBanner status={status} refusal={refusal} waiting={waiting.length} onRetry={reconnect} />
      <ReturnStatus />
      <main className="flex min-h-0 flex-1">
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
          <PeopleList people={inbox.people} online={online} userId={user.id} />
        </div>
        <div className={`flex min-w-0 flex-1 flex-col ${openId === null ? 'max-md:hidden' : ''}`}>
          {open ? (
            <ConversationPane
              key={open.id}
              conversation={open}
              user={user}
              isAdministrator={isAdministrator}
              online={online}
            />
          ) : (
            <NothingOpen isUnknown={openId !== null && inbox.isLoaded && !inbox.hasMore} />
          )}
        </div>
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
      {isAdministrator && <AdminPanel isOpen={isAdministering} onOpenChange={setIsAdministering} people={inbox.people} />}
    </div>
  );
}

function NothingOpen({ isUnknown }: { isUnknown: boolean }) {
  return (
    <div className="m-auto grid justify-items-center gap-3 p-6 text-center text-sm text-muted">
      {isUnknown ? 'Conversation not found.' : 'Choose a conversation.'}
      {isUnknown && (
        <button type="button" onClick={closeConversation} className="font-medium text-accent underline">
          Show all conversations
        </button>
      )}
    </div>
  );
}
