import * as Menu from '@radix-ui/react-dropdown-menu';
import { Ellipsis } from 'lucide-react';

import { Avatar } from '../../ui/Avatar';
import { MENU, MENU_ITEM } from '../../ui/menu';
import type { Role } from '../conversations/api';
import { isOnline, type Presences } from '../presence/presence';
import type { Member } from './api';
import type { Rules } from './rules';

interface Props {
  member: Member;
  isSelf: boolean;
  rules: Rules;
  presences: Presences | null;
  onMessage: (userId: string) => void;
  onRole: (member: Member, role: Role) => void;
  onRemove: (member: Member) => void;
}

export function MemberRow({ member, isSelf, rules, presences, onMessage, onRole, onRemove }: Props) {
  const { id, username, role } = member;
  return (
    <li className="flex items-center gap-3 rounded-xl px-2 py-1.5">
      <Avatar id={id} name={username} isOnline={isOnline(presences, id)} size="small" />
      <div className="min-w-0 flex-1 text-sm">
        <p dir="auto" className="truncate font-medium">
          {username}
          {isSelf && <span className="font-normal text-muted"> (you)</span>}
        </p>
        <p className="text-muted">{role}</p>
      </div>
      {!isSelf && (
        <Menu.Root modal={false}>
          <Menu.Trigger asChild>
            <button
              type="button"
              aria-label={`Actions for ${username}`}
              className="grid size-10 pointer-coarse:size-11 shrink-0 place-items-center rounded-full text-muted hover:bg-sunken hover:text-ink"
            >
              <Ellipsis className="size-4" aria-hidden />
            </button>
          </Menu.Trigger>
          {/* Within the landmark that the panel is in. */}
          <Menu.Portal container={document.querySelector('main')}>
            <Menu.Content
              align="end"
              sideOffset={4}
              collisionPadding={12}
              className={`${MENU} z-50 min-w-44`}
            >
              <Item label="Message" onSelect={() => onMessage(id)} />
              {rules.roles.map((other) => (
                <Item key={other} label={`Make ${other}`} onSelect={() => onRole(member, other)} />
              ))}
              {rules.mayRemove && <Item label="Remove" isDangerous onSelect={() => onRemove(member)} />}
            </Menu.Content>
          </Menu.Portal>
        </Menu.Root>
      )}
    </li>
  );
}

function Item({ label, isDangerous = false, onSelect }: { label: string; isDangerous?: boolean; onSelect: () => void }) {
  return (
    <Menu.Item onSelect={onSelect} className={`${MENU_ITEM} ${isDangerous ? 'text-danger' : ''}`}>
      {label}
    </Menu.Item>
  );
}
