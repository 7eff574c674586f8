import * as Popover from '@radix-ui/react-popover';
import { Bell } from 'lucide-react';
import { useRef } from 'react';

import { Button } from '../../ui/Button';
import { useToasts } from '../../ui/Toasts';
import { dateAndTime } from '../../ui/time';
import { useJumpFromPanel } from '../messages/useJumpFromPanel';
import { UpdateList } from '../orders/UpdateList';
import type { Update } from '../orders/useUpdates';
import { pushStore } from './api';
import { useBrowserPermission } from './browserNotifications';
import { mentionOf, type Mention } from './mention';
import type { NotificationItem, useNotifications } from './useNotifications';
import { usePush } from './usePush';

interface Props {
  notifications: ReturnType<typeof useNotifications>;
  updates: Update[];
}

export function NotificationCentre({ notifications, updates }: Props) {
  const { unreadCount } = notifications;
  const browser = useBrowserPermission();
  usePush(pushStore, browser.permission);
  const { hideAll } = useToasts();
  // The message that one has gone to has the focus then, and not the bell.
  const hasJumped = useRef(false);

  function handleClosed(event: Event) {
    if (hasJumped.current) event.preventDefault();
    hasJumped.current = false;
  }

  return (
    // What the toasts say is listed here.
    <Popover.Root onOpenChange={hideAll}>
      <Popover.Trigger asChild>
        <Button
          kind="icon"
          className="relative"
          aria-label={unreadCount > 0 ? `Notifications, ${unreadCount} unread` : 'Notifications'}
        >
          <Bell className="size-5" aria-hidden />
          {unreadCount > 0 && (
            <span className="absolute top-0.5 right-0 grid h-4.5 min-w-4.5 place-items-center rounded-full bg-accent px-1 text-[0.6875rem] font-semibold text-on-accent">
              {unreadCount > 99 ? '99+' : unreadCount}
            </span>
          )}
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          aria-label="Notifications"
          align="end"
          sideOffset={12}
          collisionPadding={12}
          onCloseAutoFocus={handleClosed}
          className="enter z-70 flex max-h-[min(36rem,var(--radix-popover-content-available-height))] w-[min(24rem,calc(100vw-1.5rem))] flex-col overflow-hidden rounded-2xl border border-line bg-raised shadow-xl outline-none"
        >
          <Panel
            notifications={notifications}
            updates={updates}
            browser={browser}
            onJump={() => {
              hasJumped.current = true;
            }}
          />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

interface PanelProps extends Props {
  browser: ReturnType<typeof useBrowserPermission>;
  onJump: () => void;
}

function Panel({ notifications, updates, browser, onJump }: PanelProps) {
  const { show } = useToasts();
  const complain = () => show('That could not be stored', 'Please try again when you are connected.');
  return (
    <>
      <div className="flex items-center justify-between gap-2 border-b border-line px-4 py-2">
        <h2 className="font-semibold">Notifications</h2>
        <Button
          kind="quiet"
          disabled={notifications.unreadCount === 0}
          onClick={() => void notifications.markAllRead().catch(complain)}
          className="-mr-2"
        >
          Mark all as read
        </Button>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <ul aria-label="Notifications" className="divide-y divide-line">
          {notifications.notifications.map((item) => (
            <NotificationRow
              key={item.id}
              item={item}
              onRead={() => void notifications.markRead(item.id).catch(complain)}
              onJump={onJump}
            />
          ))}
        </ul>
        {notifications.notifications.length === 0 && (
          <p className="px-4 py-6 text-center text-sm text-muted">{notifications.isLoaded ? 'Nothing here yet.' : 'Loading…'}</p>
        )}
        {notifications.hasEarlier && (
          <Button kind="quiet" className="w-full" onClick={() => void notifications.loadEarlier().catch(complain)}>
            Show earlier ones
          </Button>
        )}
        {updates.length > 0 && <UpdateList updates={updates} />}
      </div>
      <BrowserPermissionRow {...browser} />
    </>
  );
}

interface RowProps {
  item: NotificationItem;
  onRead: () => void;
  onJump: () => void;
}

function NotificationRow({ item, onRead, onJump }: RowProps) {
  const mentioned = mentionOf(item);
  const jumpToMessage = useJumpFromPanel();

  function jump({ conversationId, messageId, threadId }: Mention) {
    onJump();
    if (!item.isRead) onRead();
    jumpToMessage(conversationId, messageId, threadId);
  }

  return (
    <li className={`px-4 py-3 ${item.isRead ? '' : 'bg-accent-soft'}`}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3">
        <p dir="auto" className={`min-w-0 text-sm break-words ${item.isRead ? 'font-medium' : 'font-semibold'}`}>
          {!item.isRead && <span className="sr-only">Unread: </span>}
          {item.title}
        </p>
        <time dateTime={item.createdAt} className="shrink-0 text-xs text-muted">
          {dateAndTime(item.createdAt)}
        </time>
      </div>
      <p dir="auto" className="mt-0.5 text-sm break-words whitespace-pre-wrap">{item.message}</p>
      <div className="mt-1 flex gap-4 text-sm font-medium text-accent empty:hidden">
        {item.link !== null && (
          <a href={item.link} target="_blank" rel="noreferrer" className="py-1 underline underline-offset-2">
            Open
          </a>
        )}
        {mentioned && (
          <Popover.Close className="py-1 underline underline-offset-2" onClick={() => jump(mentioned)}>
            Go to the message
          </Popover.Close>
        )}
        {!item.isRead && (
          <button type="button" onClick={onRead} className="py-1" aria-label={`Mark as read: ${item.title}`}>
            Mark as read
          </button>
        )}
      </div>
    </li>
  );
}

function BrowserPermissionRow({ permission, request }: ReturnType<typeof useBrowserPermission>) {
  if (permission === 'unsupported') return null;
  return (
    <div className="border-t border-line px-4 py-2.5 text-sm text-muted">
      {permission === 'default' && (
        <Button className="w-full" onClick={() => void request()}>
          Turn on browser notifications
        </Button>
      )}
      {permission === 'granted' && 'Browser notifications are on, for when you look elsewhere. Critical ones come while this page is closed, too.'}
      {permission === 'denied' && 'Browser notifications are blocked in the browser’s settings for this page.'}
    </div>
  );
}
