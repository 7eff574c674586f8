import * as Dialog from '@radix-ui/react-dialog';
import { X } from 'lucide-react';
import { useRef, type ReactNode } from 'react';

import { Button } from './Button';
import { TOASTS_ID } from './Toasts';

export interface DialogProps {
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
}

interface Props extends DialogProps {
  title: string;
  description: string;
  isWide?: boolean;
  children: ReactNode;
}

export function Modal({ title, description, isWide, isOpen, onOpenChange, children }: Props) {
  const origin = useRef<HTMLElement | null>(null);

  function handleOpened(event: Event) {
    origin.current = focusedOrigin();
    focusFirstControl(event);
  }

  function handleClosed(event: Event) {
    event.preventDefault();
    // What was deleted meanwhile takes no focus.
    const isThere = origin.current?.isConnected ?? false;
    (isThere ? origin.current : document.querySelector<HTMLElement>('main h2[tabindex="-1"]'))?.focus();
  }

  return (
    <Dialog.Root open={isOpen} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Dialog.Content
          onInteractOutside={keepOpenForToasts}
          onOpenAutoFocus={handleOpened}
          onCloseAutoFocus={handleClosed}
          className={`enter fixed inset-x-4 top-[10dvh] z-50 mx-auto max-h-[80dvh] ${isWide ? 'max-w-4xl' : 'max-w-md'} overflow-y-auto rounded-2xl border border-line bg-raised p-5 shadow-xl outline-none`}
        >
          <div className="mb-4 flex items-start justify-between gap-4">
            <div>
              <Dialog.Title className="text-lg font-semibold">{title}</Dialog.Title>
              <Dialog.Description className="mt-0.5 text-sm text-muted">{description}</Dialog.Description>
            </div>
            <Dialog.Close asChild>
              <Button kind="icon" aria-label="Close" className="-mt-1.5 -mr-2">
                <X className="size-5" aria-hidden />
              </Button>
            </Dialog.Close>
          </div>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** To dismiss a toast is not to leave the dialog. */
function keepOpenForToasts(event: Event) {
  if (event.target instanceof Element && event.target.closest(`#${TOASTS_ID}`)) event.preventDefault();
}

/** What the focus returns to: what has it now, or what opened the menu that has it, as that is gone by then. */
function focusedOrigin(): HTMLElement | null {
  const focused = document.activeElement;
  const menu = focused?.closest('[role=menu]');
  if (menu) return document.getElementById(menu.getAttribute('aria-labelledby') ?? '');
  return focused instanceof HTMLElement ? focused : null;
}

/** Begin with what the dialog is for, rather than with the button that closes it. */
function focusFirstControl(event: Event) {
  const control = (event.target as HTMLElement).querySelector<HTMLElement>('[data-autofocus], input:checked, input, select');
  if (!control) return;
  event.preventDefault();
  control.focus();
}
