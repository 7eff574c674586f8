import { X } from 'lucide-react';
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';

import { Button } from './Button';

interface ToastItem {
  key: number;
  title: string;
  text: string;
}

interface Toasts {
  show(title: string, text: string): void;
  hideAll(): void;
}

const DURATION_MS = 8_000;
const MOST_TOASTS = 3;

interface Shown {
  toasts: ToastItem[];
  hide: (key: number) => void;
}

const ShownContext = createContext<Shown>({ toasts: [], hide: () => undefined });

const ToastContext = createContext<Toasts>({ show: () => undefined, hideAll: () => undefined });

export const useToasts = () => useContext(ToastContext);

export const TOASTS_ID = 'toasts';

let lastKey = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<ToastItem[]>([]);
  const control = useMemo<Toasts>(
    () => ({
      show: (title, text) =>
        setToasts((shown) => [...shown.slice(1 - MOST_TOASTS), { key: ++lastKey, title, text }]),
      hideAll: () => setToasts([]),
    }),
    [],
  );
  const hide = useCallback((key: number) => setToasts((shown) => shown.filter((toast) => toast.key !== key)), []);
  const shown = useMemo(() => ({ toasts, hide }), [toasts, hide]);
  return (
    <ToastContext value={control}>
      <ShownContext value={shown}>{children}</ShownContext>
    </ToastContext>
  );
}

/** Where the toasts are shown: over what can be scrolled, between the header of the positioned element around and its composer. */
export function ToastRegion() {
  const { toasts, hide } = useContext(ShownContext);
  return (
    // A live region stays reachable while a dialog hides the rest of the page.
    <div
      id={TOASTS_ID}
      role="region"
      aria-label="Toasts"
      aria-live="polite"
      className="pointer-events-none absolute top-16 right-0 z-60 flex max-h-[calc(100%-17rem)] w-full max-w-sm flex-col gap-2 overflow-hidden p-3"
    >
      {toasts.map((toast) => (
        <ToastCard key={toast.key} toast={toast} onHide={hide} />
      ))}
    </div>
  );
}

function ToastCard({ toast, onHide }: { toast: ToastItem; onHide: (key: number) => void }) {
  const { key, title, text } = toast;
  const [isHeld, setIsHeld] = useState(false);

  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(() => onHide(key), DURATION_MS);
    return () => clearTimeout(timer);
  }, [isHeld, key, onHide]);

  return (
    <div
      onPointerEnter={() => setIsHeld(true)}
      onPointerLeave={() => setIsHeld(false)}
      onFocus={() => setIsHeld(true)}
      onBlur={() => setIsHeld(false)}
      className="enter pointer-events-auto flex items-start gap-3 rounded-xl border border-line bg-raised p-4 shadow-lg"
    >
      <div className="min-w-0 flex-1">
        <p dir="auto" className="text-sm font-semibold break-words">{title}</p>
        <p dir="auto" className="mt-0.5 line-clamp-4 text-sm break-words text-muted">{text}</p>
      </div>
      <Button kind="icon" aria-label={`Dismiss: ${title}`} className="-m-2" onClick={() => onHide(key)}>
        <X className="size-4" aria-hidden />
      </Button>
    </div>
  );
}
