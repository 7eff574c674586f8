import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from 'react';

// Long enough to be spoken; who reads through the page afterwards should not meet the text a second time.
const KEPT_MS = 5_000;

const AnnouncerContext = createContext<(text: string) => void>(() => undefined);

/** Say something to a screen reader that others see where it happens. */
export const useAnnouncer = () => useContext(AnnouncerContext);

export function AnnouncerProvider({ children }: { children: ReactNode }) {
  const [line, setLine] = useState({ key: 0, text: '' });
  const announce = useCallback((text: string) => setLine(({ key }) => ({ key: key + 1, text })), []);
  useEffect(() => {
    if (line.text === '') return;
    const timer = setTimeout(() => setLine(({ key }) => ({ key: key + 1, text: '' })), KEPT_MS);
    return () => clearTimeout(timer);
  }, [line]);
  return (
    <AnnouncerContext value={announce}>
      {children}
      <div role="status" aria-label="New messages" className="sr-only">
        {/* The key makes the same text said twice two changes. */}
        <span key={line.key}>{line.text}</span>
      </div>
    </AnnouncerContext>
  );
}
