import { useEffect, useRef } from 'react';

import type { User } from '../features/authentication/session';
import type { Conversation } from '../features/conversations/api';
import type { Presences } from '../features/presence/presence';
import { panelForLater } from '../ui/later';
import { useSidePanel } from '../ui/SidePanel';

const MembersPanel = panelForLater('Members', () => import('../features/members/MembersPanel'));
const PinsPanel = panelForLater('Pinned messages', () => import('../features/pins/PinsPanel'));
const SearchPanel = panelForLater('Search', () => import('../features/search/SearchPanel'));

interface Props {
  conversations: Conversation[];
  open: Conversation | undefined;
  user: User;
  people: User[];
  presences: Presences | null;
  onMessage: (userId: string) => void;
}

/** What stands beside a conversation and is about it, or about all of them; its threads stand beside its messages. */
export function SidePanels({ conversations, open, user, people, presences, onMessage }: Props) {
  const { panel, leavePanel } = useSidePanel();
  const openId = open?.id;
  const isOfOne = panel === 'members' || panel === 'pins';
  const previous = useRef(openId);
  useEffect(() => {
    if (previous.current !== openId && isOfOne) leavePanel();
    previous.current = openId;
  }, [openId, isOfOne, leavePanel]);

  return (
    <>
      {panel === 'search' && <SearchPanel conversations={conversations} open={open} userId={user.id} />}
      {panel === 'members' && open && (
        <MembersPanel key={open.id} conversation={open} user={user} people={people} presences={presences} onMessage={onMessage} />
      )}
      {panel === 'pins' && open && <PinsPanel key={open.id} conversation={open} user={user} />}
    </>
  );
}
