import { X } from 'lucide-react';
import { createContext, useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

import { Button } from './Button';

/** What can stand beside a conversation, one at a time. */
export type PanelName = 'thread' | 'members' | 'search' | 'pins';

interface Open {
  /** Which one is open; null for none. */
  panel: PanelName | null;
  /** What it is about, where its name does not say: the id of the message whose thread it is. */
  subject: string | null;
}

interface Panels extends Open {
  openPanel: (name: PanelName, subject?: string) => void;
  closePanel: () => void;
  /** Close it because another conversation is shown, unless the browser went back to where it was open. */
  leavePanel: () => void;
}

const NONE: Open = { panel: null, subject: null };
const COVERS = '(width < 64rem)';

const nothing = () => undefined;

const PanelContext = createContext<Panels>({ ...NONE, openPanel: nothing, closePanel: nothing, leavePanel: nothing });

/** Return whether a panel covers the conversation, rather than to stand beside it. */
export const coversConversation = () => window.matchMedia(COVERS).matches;

/** The panel that is open at this place of the browser's history: one that covers the conversation is left by going back. */
function placedInHistory(): Open {
  const state = window.history.state as { sidePanel?: Open } | null;
  return state?.sidePanel ?? NONE;
}

/** Tell which panel is open beside the conversation, and open another one or none. */
export const useSidePanel = () => useContext(PanelContext);

export function SidePanelProvider({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(placedInHistory);
  const leavePanel = useCallback(() => setOpen(placedInHistory()), []);
  const isGoingBack = useRef(false);
  useEffect(() => {
    const follow = () => {
      if (isGoingBack.current || coversConversation()) leavePanel();
      isGoingBack.current = false;
    };
    window.addEventListener('popstate', follow);
    return () => window.removeEventListener('popstate', follow);
  }, [leavePanel]);
  const openPanel = useCallback((panel: PanelName, subject: string | null = null) => {
    const sidePanel = { panel, subject };
    if (placedInHistory().panel !== null) window.history.replaceState({ sidePanel }, '');
    else if (coversConversation()) window.history.pushState({ sidePanel }, '');
    setOpen(sidePanel);
  }, []);
  const closePanel = useCallback(() => {
    if (placedInHistory().panel === null) setOpen(NONE);
    else if (!isGoingBack.current) {
      // It closes when the browser is there.
      isGoingBack.current = true;
      window.history.back();
    }
  }, []);
  const value = useMemo(() => ({ ...open, openPanel, closePanel, leavePanel }), [open, openPanel, closePanel, leavePanel]);
  return <PanelContext value={value}>{children}</PanelContext>;
}

interface Props {
  title: string;
  /** What gets the focus first, instead of the heading: one opens a search to type. */
  first?: () => HTMLElement | null;
  /** Where focus goes after closing, if what had it before the panel was opened is gone. */
  fallback?: () => HTMLElement | null;
  children: ReactNode;
}

/** Stands beside the conversation, and over it on a phone. Escape closes it and gives the focus back. */
export function SidePanel({ title, first, fallback, children }: Props) {
  const { closePanel } = useSidePanel();
  const headingId = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const panel = useRef<HTMLElement>(null);
  const initial = useRef(first);
  const latestFallback = useRef(fallback);
  useLayoutEffect(() => {
    latestFallback.current = fallback;
  });

  useLayoutEffect(() => {
    const origin = document.activeElement;
    const itself = panel.current;
    (initial.current?.() ?? heading.current)?.focus();
    return () => {
      // Who is elsewhere already stays there.
      if (!itself?.contains(document.activeElement)) return;
      const isKept = origin instanceof HTMLElement && origin.isConnected && origin !== document.body;
      (isKept ? origin : latestFallback.current?.())?.focus();
    };
  }, []);

  function handleKeyDown(event: KeyboardEvent) {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    event.preventDefault();
    closePanel();
  }

  return (
    <aside
      ref={panel}
      aria-labelledby={headingId}
      onKeyDown={handleKeyDown}
      className="flex w-full min-w-0 flex-col border-line bg-canvas max-lg:absolute max-lg:inset-0 max-lg:z-20 lg:w-96 lg:shrink-0 lg:border-l"
    >
      <header className="flex h-16 shrink-0 items-center gap-2 border-b border-line bg-surface px-4">
        <h2 id={headingId} ref={heading} tabIndex={-1} className="min-w-0 flex-1 truncate font-semibold outline-none">
          {title}
        </h2>
        <Button kind="icon" aria-label={`Close ${title.toLowerCase()}`} onClick={closePanel}>
          <X className="size-5" aria-hidden />
        </Button>
      </header>
      <div className="flex min-h-0 flex-1 flex-col">{children}</div>
    </aside>
  );
}
