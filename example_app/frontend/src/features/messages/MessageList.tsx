import { LoaderCircle } from 'lucide-react';
import { createContext, useContext, useLayoutEffect, useMemo, useRef, useState, type FocusEvent, type ReactElement, type Ref, type RefObject } from 'react';
import { Virtualizer, type CustomItemComponentProps, type VirtualizerHandle } from 'virtua';

import { Button } from '../../ui/Button';
import { useToday } from '../../ui/useToday';
import type { Outgoing } from '../outbox/texts';
import type { MessageActions } from './actions';
import { MessageItem } from './MessageItem';
import type { Message } from './messageList';
import { OutgoingItem } from './OutgoingItem';
import type { JumpTarget } from './useMessages';

/** So far beyond the view rows are in the document. */
const BUFFER_PX = 600;
/**
 * As far when earlier rows are on their way. Where they come, the list keeps its distance from the end for a moment: a row below the view
 * that is measured only then would move what is in view.
 */
const WIDE_BUFFER_PX = 900;

export type Row = { kind: 'message'; message: Message; previous: Message | undefined } | { kind: 'outgoing'; outgoing: Outgoing };

/** Lay out a conversation as rows. */
export function rowsOf(messages: Message[], outgoing: Outgoing[]): Row[] {
  return [
    ...messages.map((message, index): Row => ({ kind: 'message', message, previous: messages[index - 1] })),
    ...outgoing.map((one): Row => ({ kind: 'outgoing', outgoing: one })),
  ];
}

interface Props {
  rows: Row[];
  userId: string;
  mayDeleteAll: boolean;
  /** What is said above the first message. */
  beginning: string;
  /** Above which message the line stands that says what is new; null for none. */
  firstUnreadId: string | null;
  hasEarlier: boolean;
  isLoadingEarlier: boolean;
  onEarlier: () => void;
  onResize: () => void;
  onScrollEnd: () => void;
  /** To which message the reader has jumped; null for none. */
  target: JumpTarget | null;
  actions: MessageActions;
  scroller: RefObject<HTMLDivElement | null>;
  /** Gets what stands above the rows, and how high that is. */
  start: Ref<HTMLDivElement>;
  startHeight: number;
  ref: Ref<VirtualizerHandle>;
}

/** Shows of thousands of messages the ones in view. */
export function MessageList({ rows, userId, mayDeleteAll, beginning, firstUnreadId, hasEarlier, isLoadingEarlier, onEarlier, target, actions, scroller, start, startHeight, ...listening }: Props) {
  const today = useToday();
  const isShifted = useIsShifted(rows);
  const [focused, setFocused] = useState<number | null>(null);
  const kept = useMemo(() => (focused === null ? [] : [focused]), [focused]);

  function renderRow(row: Row): ReactElement {
    if (row.kind === 'outgoing') {
      const { outgoing } = row;
      const { onRetry, onDiscard, onJump } = actions;
      return <OutgoingItem key={`outgoing-${outgoing.number}`} outgoing={outgoing} onRetry={onRetry} onDiscard={onDiscard} onJump={onJump} />;
    }
    const { message, previous } = row;
    const isOwn = message.senderId === userId;
    return (
      <MessageItem
        key={message.id}
        message={message}
        previous={previous}
        isOwn={isOwn}
        isFirstUnread={message.id === firstUnreadId}
        today={today}
        canDelete={isOwn || mayDeleteAll}
        target={target?.messageId === message.id ? target : null}
        actions={actions}
      />
    );
  }

  return (
    <ListSize value={hasEarlier ? null : rows.length}>
      {/* What has the focus stays, however far it is scrolled away. */}
      <div onFocus={(event) => setFocused((before) => rowIndexOf(event) ?? before)}>
        {/* No row: earlier messages come between it and the rows, whose known heights the list moves as if all of them had moved. */}
        <Start ref={start} beginning={beginning} hasEarlier={hasEarlier} isLoading={isLoadingEarlier} onEarlier={onEarlier} />
        <Virtualizer
          startMargin={startHeight}
          scrollRef={scroller}
          as="ol"
          item={RowItem}
          data={rows}
          shift={isShifted}
          keepMounted={kept}
          bufferSize={isLoadingEarlier ? WIDE_BUFFER_PX : BUFFER_PX}
          {...listening}
        >
          {renderRow}
        </Virtualizer>
      </div>
    </ListSize>
  );
}

/** Whether rows came, or went, above what is shown, which is to stay where it is then. */
function useIsShifted(rows: Row[]): boolean {
  const first = rows.find((row) => row.kind === 'message')?.message.id;
  const before = useRef(first);
  useLayoutEffect(() => {
    before.current = first;
  });
  return before.current !== undefined && before.current !== first;
}

function rowIndexOf({ target }: FocusEvent): number | null {
  const row = target.closest('[data-row]');
  return row instanceof HTMLElement ? Number(row.dataset.row) : null;
}

/** How many rows there are; null while earlier ones are not loaded. */
const ListSize = createContext<number | null>(null);

/** One place of the list, which tells assistive technology which one, as most of the others are not in the document. */
function RowItem({ style, index, children, ref }: CustomItemComponentProps) {
  const size = useContext(ListSize);
  return (
    <li ref={ref as Ref<HTMLLIElement>} style={style} data-row={index} aria-setsize={size ?? -1} aria-posinset={index + 1}>
      {children}
    </li>
  );
}

interface StartProps {
  beginning: string;
  hasEarlier: boolean;
  isLoading: boolean;
  onEarlier: () => void;
  ref: Ref<HTMLDivElement>;
}

/** Says what comes before the messages. It is as high with more to load as without, so that nothing moves when the last of it is there. */
function Start({ beginning, hasEarlier, isLoading, onEarlier, ref }: StartProps) {
  return (
    <div ref={ref} className="grid min-h-12 items-center justify-items-center">
      {hasEarlier ? (
        <Button kind="quiet" onClick={onEarlier} aria-disabled={isLoading}>
          {isLoading && <LoaderCircle className="size-4 animate-spin" aria-hidden />}
          {isLoading ? 'Loading earlier messages…' : 'Load earlier messages'}
        </Button>
      ) : (
        <p className="text-center text-xs text-muted">{beginning}</p>
      )}
    </div>
  );
}
