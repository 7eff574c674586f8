import { Search } from 'lucide-react';
import { useId, useRef, useState } from 'react';

import { Button } from '../../ui/Button';
import { failureText } from '../../ui/failure';
import { SidePanel } from '../../ui/SidePanel';
import { dateAndTime, shortTime } from '../../ui/time';
import type { Conversation } from '../conversations/api';
import { conversationName } from '../conversations/names';
import { useJumpFromPanel } from '../messages/useJumpFromPanel';
import { MAX_QUERY_LENGTH, searchMessages, type SearchHit } from './api';
import { partsOf } from './snippet';
import { useSearch } from './useSearch';

interface Props {
  conversations: Conversation[];
  /** The conversation that is open; undefined for none. */
  open: Conversation | undefined;
  userId: string;
}

/** Searches in the messages of the open conversation, or of all. */
export default function SearchPanel({ conversations, open, userId }: Props) {
  const [query, setQuery] = useState('');
  const [isEverywhere, setIsEverywhere] = useState(open === undefined);
  const fieldId = useId();
  const field = useRef<HTMLInputElement>(null);
  const isHere = open !== undefined && !isEverywhere;
  const { hits, query: asked, nextBefore, error, isSearching, loadMore } = useSearch(query, isHere ? open.id : null, searchMessages);
  const nameOf = (conversationId: string) => {
    const conversation = conversations.find(({ id }) => id === conversationId);
    return conversation && conversationName(conversation, userId);
  };
  return (
    <SidePanel title="Search" first={() => field.current}>
      <form role="search" onSubmit={(event) => event.preventDefault()} className="grid gap-2 border-b border-line p-3">
        <label htmlFor={fieldId} className="sr-only">
          Search messages
        </label>
        <div className="flex items-center gap-2 rounded-lg border border-line bg-surface px-3">
          <Search className="size-4 shrink-0 text-muted" aria-hidden />
          <input
            ref={field}
            id={fieldId}
            type="search"
            dir="auto"
            autoComplete="off"
            maxLength={MAX_QUERY_LENGTH}
            placeholder="Words, or “a phrase”"
            value={query}
            onChange={({ target }) => setQuery(target.value)}
            className="min-h-10 pointer-coarse:min-h-11 min-w-0 flex-1 bg-transparent text-base placeholder:text-muted sm:text-sm"
          />
        </div>
        {open && (
          <label className="flex min-h-8 pointer-coarse:min-h-11 items-center gap-2 text-sm">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={isEverywhere}
              onChange={({ target }) => setIsEverywhere(target.checked)}
            />
            In all conversations
          </label>
        )}
      </form>
      <p role="status" className="px-4 pt-2 text-sm text-muted">
        {(error === null || isSearching) && statusText(asked, hits.length, nextBefore !== null, isSearching)}
      </p>
      {error !== null && (
        <p role="alert" className="px-4 pt-2 text-sm text-danger">
          {failureText(error)}
        </p>
      )}
      <ul aria-label="Messages found" className="min-h-0 flex-1 space-y-1 overflow-y-auto p-2">
        {hits.map((hit) => (
          <Hit key={hit.message.id} hit={hit} place={isHere ? undefined : nameOf(hit.message.conversationId)} />
        ))}
        {nextBefore !== null && (
          <li>
            <Button kind="quiet" className="w-full" aria-disabled={isSearching} onClick={loadMore}>
              Show older messages
            </Button>
          </li>
        )}
      </ul>
    </SidePanel>
  );
}

function statusText(asked: string | null, count: number, hasMore: boolean, isSearching: boolean): string {
  if (isSearching) return 'Searching…';
  if (asked === null) return '';
  if (count === 0) return 'Nothing found';
  return `${hasMore ? 'The newest ' : ''}${count} ${count === 1 ? 'message' : 'messages'}`;
}

function Hit({ hit: { message, snippet }, place }: { hit: SearchHit; place: string | undefined }) {
  const jump = useJumpFromPanel();
  return (
    <li>
      <button type="button" onClick={() => jump(message.conversationId, message.id, message.threadId)} className="w-full rounded-xl px-3 py-2 text-left text-sm hover:bg-sunken">
        <span className="flex items-baseline gap-2">
          <span className="min-w-0 flex-1 truncate font-medium">
            {message.sender.username}
            {place !== undefined && <span className="font-normal text-muted"> in {place}</span>}
          </span>
          <time dateTime={message.createdAt} title={dateAndTime(message.createdAt)} className="shrink-0 text-xs text-muted">
            {shortTime(message.createdAt)}
          </time>
        </span>
        <span dir="auto" className="line-clamp-3 break-words">
          {partsOf(snippet).map(({ text, isMarked }, index) =>
            isMarked ? (
              <mark key={index} className="rounded-sm bg-warning-soft text-ink">
                {text}
              </mark>
            ) : (
              text
            ),
          )}
        </span>
      </button>
    </li>
  );
}
