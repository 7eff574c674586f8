import * as Dialog from '@radix-ui/react-dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';

import { Button } from './Button';
import { TOASTS_ID } from './Toasts';

interface Props {
  title: string;
  description: string;
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
  children: ReactNode;
}

export function Modal({ title, description, isOpen, onOpenChange, children }: Props) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Dialog.Content
          onInteractOutside={keepOpenForToasts}
          onOpenAutoFocus={focusFirstControl}
          className="enter fixed inset-x-4 top-[10dvh] z-50 mx-auto max-h-[80dvh] max-w-md overflow-y-auto rounded-2xl border border-line bg-raised p-5 shadow-xl outline-none"
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

/** Begin with what the dialog is for, rather than with the button that closes it. */
function focusFirstControl(event: Event) {
  const control = (event.target as HTMLElement).querySelector<HTMLElement>('[data-autofocus], input, select');
  if (!control) return;
  event.preventDefault();
  control.focus();
}
