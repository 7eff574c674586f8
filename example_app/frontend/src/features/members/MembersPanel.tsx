import { useEffect, useRef, useState, type FormEvent } from 'react';

import { Button } from '../../ui/Button';
import { failureText } from '../../ui/failure';
import { TextField } from '../../ui/Field';
import { SidePanel } from '../../ui/SidePanel';
import { useToasts } from '../../ui/Toasts';
import type { User } from '../authentication/session';
import { renameConversation, type Conversation } from '../conversations/api';
import { roleIn } from '../conversations/changes';
import type { Presences } from '../presence/presence';
import { addMember, listMembers, removeMember, setRole, type Member } from './api';
import { LeaveDialog } from './LeaveDialog';
import { MemberRow } from './MemberRow';
import { MuteChoice } from './MuteChoice';
import { rulesFor } from './rules';
import { useMembers } from './useMembers';

const MAX_TITLE_LENGTH = 200;
const MOST_SUGGESTIONS = 8;
const MOST_WITHOUT_SEARCH = 12;

interface Props {
  conversation: Conversation;
  user: User;
  people: User[];
  presences: Presences | null;
  /** Opens the conversation with one other user. */
  onMessage: (userId: string) => void;
}

/** Who takes part in a conversation, what it is called, and whether it may disturb. */
export default function MembersPanel({ conversation, user, people, presences, onMessage }: Props) {
  const { members, hasMore, error, loadMore } = useMembers(conversation.id, user.id, listMembers);
  const { show } = useToasts();
  const [isLeaving, setIsLeaving] = useState(false);
  const [sought, setSought] = useState('');
  const wanted = sought.trim().toLowerCase();
  const shown = members.filter(({ username }) => username.toLowerCase().includes(wanted));
  const count = useRef<HTMLHeadingElement>(null);
  const isGroup = conversation.type === 'group';
  const own = members.find(({ id }) => id === user.id)?.role ?? roleIn(conversation, user.id);
  const moderates = isGroup && (own === 'owner' || own === 'moderator');

  /** Everybody hears of it by an event; only a failure is left to tell. */
  const attempt = (change: Promise<unknown>, title: string) => change.catch((failure) => show(title, failureText(failure)));

  async function remove(member: Member) {
    await attempt(removeMember(conversation.id, member.id), `${member.username} was not removed`);
    // The row, which had the focus, goes.
    count.current?.focus();
  }

  return (
    <SidePanel title="Members">
      <div className="grid min-h-0 flex-1 grid-cols-[minmax(0,1fr)] content-start gap-5 overflow-y-auto p-3">
        <MuteChoice conversation={conversation} />
        {moderates && <TitleForm conversation={conversation} />}
        <section aria-labelledby="member-count">
          <h3 id="member-count" ref={count} tabIndex={-1} className="mb-1 px-1 outline-none text-sm font-semibold text-muted">
            {conversation.participantCount === 1 ? '1 member' : `${conversation.participantCount} members`}
          </h3>
          {error !== null && (
            <p role="alert" className="px-1 text-sm text-danger">
              {failureText(error)}
            </p>
          )}
          {conversation.participantCount > MOST_WITHOUT_SEARCH && (
            <div className="px-1 pb-2">
              <TextField label="Find a member" value={sought} autoComplete="off" placeholder="Name" onChange={({ target }) => setSought(target.value)} />
            </div>
          )}
          <ul aria-label="Members">
            {shown.map((member) => (
              <MemberRow
                key={member.id}
                member={member}
                isSelf={member.id === user.id}
                rules={rulesFor(isGroup ? own : null, member.role)}
                presences={presences}
                onMessage={onMessage}
                onRole={(one, role) => void attempt(setRole(conversation.id, one.id, role), `${one.username} has the same role as before`)}
                onRemove={(one) => void remove(one)}
              />
            ))}
          </ul>
          {members.length > 0 && shown.length === 0 && (
            <p className="px-1 text-sm text-muted">{hasMore ? 'Nobody of that name is shown yet.' : 'Nobody of that name.'}</p>
          )}
          {hasMore && (
            <Button kind="quiet" className="w-full" onClick={loadMore}>
              Show more members
            </Button>
          )}
        </section>
        {moderates && (
          <Suggestions
            people={people}
            members={members}
            onAdd={(one) => void attempt(addMember(conversation.id, one.id), `${one.username} was not added`)}
          />
        )}
        {isGroup && (
          <Button className="w-fit text-danger" onClick={() => setIsLeaving(true)}>
            Leave the conversation
          </Button>
        )}
      </div>
      <LeaveDialog
        isOpen={isLeaving}
        onOpenChange={setIsLeaving}
        onConfirm={() => {
          setIsLeaving(false);
          void attempt(removeMember(conversation.id, user.id), 'You still take part in the conversation');
        }}
      />
    </SidePanel>
  );
}

function TitleForm({ conversation }: { conversation: Conversation }) {
  const { show } = useToasts();
  const known = conversation.title ?? '';
  const [title, setTitle] = useState(known);
  useEffect(() => setTitle(known), [known]);

  function handleSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    renameConversation(conversation.id, title).catch((failure) => show('The title was not changed', failureText(failure)));
  }

  return (
    <form onSubmit={handleSubmit} className="flex items-end gap-2 px-1">
      <div className="min-w-0 flex-1">
        <TextField label="Title" value={title} maxLength={MAX_TITLE_LENGTH} autoComplete="off" onChange={({ target }) => setTitle(target.value)} />
      </div>
      <Button type="submit">Save</Button>
    </form>
  );
}

interface SuggestionsProps {
  people: User[];
  members: Member[];
  onAdd: (user: User) => void;
}

/** People who may be added, those whose names begin with what is typed. */
function Suggestions({ people, members, onAdd }: SuggestionsProps) {
  const [typed, setTyped] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const begins = typed.trim().toLowerCase();
  const present = new Set(members.map(({ id }) => id));
  const fitting = people.filter(({ id, username }) => !present.has(id) && username.toLowerCase().startsWith(begins));

  function add(one: User) {
    onAdd(one);
    // The button, which had the focus, goes.
    field.current?.focus();
  }

  return (
    <section aria-label="Add members" className="grid grid-cols-[minmax(0,1fr)] gap-2 px-1">
      <TextField
        ref={field}
        label="Add somebody"
        value={typed}
        autoComplete="off"
        placeholder="Name"
        onChange={({ target }) => setTyped(target.value)}
      />
      <ul className="flex flex-wrap gap-2">
        {fitting.slice(0, MOST_SUGGESTIONS).map((one) => (
          <li key={one.id} className="max-w-full">
            <Button className="max-w-full" onClick={() => add(one)}>
              <span className="truncate">Add {one.username}</span>
            </Button>
          </li>
        ))}
      </ul>
      {fitting.length === 0 && <p className="text-sm text-muted">{begins === '' ? 'Everybody is here.' : 'Nobody of that name.'}</p>}
    </section>
  );
}
