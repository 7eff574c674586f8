import * as Menu from '@radix-ui/react-dropdown-menu';
import { LogOut, MessageSquare, ShieldCheck } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { logOut } from '../features/authentication/api';
import type { User } from '../features/authentication/session';
import { closeConversation } from '../features/conversations/useOpenConversation';
import { pushStore } from '../features/notifications/api';
import { NotificationCentre } from '../features/notifications/NotificationCentre';
import { unsubscribeFromPush } from '../features/notifications/push';
import type { useNotifications } from '../features/notifications/useNotifications';
import type { Update } from '../features/orders/useUpdates';
import { useOutbox, useWaiting } from '../features/outbox/OutboxProvider';
import type { ConnectionStatus as Status } from '../realtime/supervision';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { ConnectionStatus } from './ConnectionStatus';
import { LogOutDialog } from './LogOutDialog';

interface Props {
  user: User;
  status: Status;
  notifications: ReturnType<typeof useNotifications>;
  updates: Update[];
  /** Left out for users who are no administrators. */
  onAdminister: (() => void) | undefined;
}

export function Header({ user, status, notifications, updates, onAdminister }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The log-in page, which had the focus, is gone. An open conversation takes it from here.
    heading.current?.focus();
  }, []);
  return (
    <header className="flex items-center gap-1 border-b border-line bg-surface px-4 py-2">
      <MessageSquare className="size-5 text-accent" aria-hidden />
      <h1 ref={heading} tabIndex={-1} className="ml-1.5 font-semibold tracking-tight outline-none max-sm:sr-only">flask_realtime</h1>
      <div className="ml-2 flex-1 sm:ml-4">
        <ConnectionStatus status={status} />
      </div>
      {onAdminister && (
        <Button kind="icon" aria-label="Administration" title="Administration" onClick={onAdminister}>
          <ShieldCheck className="size-5" aria-hidden />
        </Button>
      )}
      <NotificationCentre notifications={notifications} updates={updates} />
      <UserMenu user={user} />
    </header>
  );
}

function UserMenu({ user }: { user: User }) {
  const outbox = useOutbox();
  const waiting = useWaiting().length;
  const [isAsking, setIsAsking] = useState(false);

  async function leave() {
    closeConversation();
    await outbox.forget();
    await logOut(() => unsubscribeFromPush(pushStore));
    // What was written while the server was asked.
    await outbox.forget();
  }

  return (
    <>
      <AccountMenu user={user} onLogOut={() => (waiting > 0 ? setIsAsking(true) : void leave())} />
      <LogOutDialog isOpen={isAsking} waiting={waiting} onCancel={() => setIsAsking(false)} onConfirm={() => void leave()} />
    </>
  );
}

function AccountMenu({ user, onLogOut }: { user: User; onLogOut: () => void }) {
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger asChild>
        <button type="button" aria-label={`Account of ${user.username}`} className="ml-1 rounded-full p-1">
          <Avatar id={user.id} name={user.username} size="small" />
        </button>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content
          align="end"
          sideOffset={8}
          collisionPadding={12}
          className="enter z-70 min-w-48 rounded-xl border border-line bg-raised p-1.5 shadow-xl"
        >
          <Menu.Label className="px-3 py-2 text-sm text-muted">
            Logged in as <span className="font-semibold text-ink">{user.username}</span>
          </Menu.Label>
          <Menu.Item
            onSelect={onLogOut}
            className="flex min-h-10 items-center gap-2 rounded-lg px-3 text-sm outline-none data-highlighted:bg-sunken"
          >
            <LogOut className="size-4" aria-hidden /> Log out
          </Menu.Item>
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}
