import * as Menu from '@radix-ui/react-dropdown-menu';
import { CircleUserRound, LogOut, MessageSquare, Settings, ShieldCheck, type LucideIcon } from 'lucide-react';
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
import { presenceText } from '../features/presence/presence';
import type { ConnectionStatus as Status } from '../realtime/supervision';
import type { PresenceOfUser } from '../realtime/types';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { dialogForLater, OnceNeeded } from '../ui/later';
import { MENU, MENU_ITEM } from '../ui/menu';
import { ConnectionStatus } from './ConnectionStatus';
import { LogOutDialog } from './LogOutDialog';

const SettingsDialog = dialogForLater(() => import('../features/settings/SettingsDialog'));

interface Props {
  user: User;
  status: Status;
  notifications: ReturnType<typeof useNotifications>;
  updates: Update[];
  /** The user's own; undefined while it is not known. */
  presence: PresenceOfUser | undefined;
  onStatus: () => void;
  /** Left out for users who are no administrators. */
  onAdminister: (() => void) | undefined;
}

export function Header({ user, status, notifications, updates, presence, onStatus, onAdminister }: Props) {
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
      <UserMenu user={user} presence={presence} onStatus={onStatus} />
    </header>
  );
}

function UserMenu({ user, presence, onStatus }: Pick<Props, 'user' | 'presence' | 'onStatus'>) {
  const outbox = useOutbox();
  const waiting = useWaiting().length;
  const [isAsking, setIsAsking] = useState(false);
  const [isSetting, setIsSetting] = useState(false);

  async function leave() {
    closeConversation();
    await outbox.forget();
    await logOut(() => unsubscribeFromPush(pushStore));
    // What was written while the server was asked.
    await outbox.forget();
  }

  return (
    <>
      <AccountMenu
        user={user}
        presence={presence}
        onStatus={onStatus}
        onSettings={() => setIsSetting(true)}
        onLogOut={() => (waiting > 0 ? setIsAsking(true) : void leave())}
      />
      <OnceNeeded isNeeded={isSetting}>
        <SettingsDialog isOpen={isSetting} onOpenChange={setIsSetting} />
      </OnceNeeded>
      <LogOutDialog isOpen={isAsking} waiting={waiting} onCancel={() => setIsAsking(false)} onConfirm={() => void leave()} />
    </>
  );
}

interface AccountMenuProps extends Pick<Props, 'user' | 'presence' | 'onStatus'> {
  onSettings: () => void;
  onLogOut: () => void;
}

function AccountMenu({ user, presence, onStatus, onSettings, onLogOut }: AccountMenuProps) {
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger asChild>
        <button type="button" aria-label={`Account of ${user.username}`} className="finger ml-1 rounded-full p-1">
          <Avatar id={user.id} name={user.username} size="small" />
        </button>
      </Menu.Trigger>
      {/* Within the landmark that the button is in. */}
      <Menu.Portal container={document.querySelector('#root header')}>
        <Menu.Content
          align="end"
          sideOffset={8}
          collisionPadding={12}
          className={`${MENU} z-70 max-w-72 min-w-48`}
        >
          <Menu.Label className="px-3 py-2 text-sm text-muted">
            Logged in as <span className="font-semibold text-ink">{user.username}</span>
          </Menu.Label>
          <Item Icon={CircleUserRound} label={`Status: ${presence ? presenceText(presence) : 'not connected'}`} onSelect={onStatus} />
          <Item Icon={Settings} label="Settings" onSelect={onSettings} />
          <Item Icon={LogOut} label="Log out" onSelect={onLogOut} />
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Item({ Icon, label, onSelect }: { Icon: LucideIcon; label: string; onSelect: () => void }) {
  return (
    <Menu.Item onSelect={onSelect} className={MENU_ITEM}>
      <Icon className="size-4" aria-hidden /> {label}
    </Menu.Item>
  );
}
