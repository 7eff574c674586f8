import { BellOff, Pin, Search, Users, type LucideIcon } from 'lucide-react';

import { Button } from '../../ui/Button';
import { useSidePanel, type PanelName } from '../../ui/SidePanel';
import type { Conversation } from './api';
import { isMuted } from './changes';

/** Opens what stands beside a conversation. */
export function ConversationTools({ conversation }: { conversation: Conversation }) {
  return (
    <div className="ml-auto flex shrink-0 items-center">
      {isMuted(conversation) && <BellOff role="img" aria-label="Muted" className="mr-2 size-4 text-muted" />}
      <Tool Icon={Search} label="Search messages" name="search" />
      {conversation.pinned.length > 0 && <Tool Icon={Pin} label="Pinned messages" name="pins" />}
      <Tool Icon={Users} label="Members and settings" name="members" />
    </div>
  );
}

function Tool({ Icon, label, name }: { Icon: LucideIcon; label: string; name: PanelName }) {
  const { panel, openPanel, closePanel } = useSidePanel();
  const isOpen = panel === name;
  return (
    <Button kind="icon" aria-label={label} title={label} aria-expanded={isOpen} onClick={() => (isOpen ? closePanel() : openPanel(name))}>
      <Icon className="size-5" aria-hidden />
    </Button>
  );
}
