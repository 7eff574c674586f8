import { useEffect, useState, type ComponentType, type ReactNode } from 'react';

import { Modal, type DialogProps } from './Modal';
import { SidePanel } from './SidePanel';

type Load<Props> = () => Promise<{ default: ComponentType<Props> }>;

const loads: (() => Promise<void>)[] = [];

/** Load all that is loaded later, so that it is there when the network is not. What fails is loaded when it is needed. */
export function loadAhead() {
  for (const load of loads) load().catch(() => undefined);
}

/**
 * Load a part of the page when it is rendered for the first time. Where that fails, it is loaded again when it is needed the next time.
 *
 * @param load - Imports it.
 * @param Waiting - Is shown until it is there.
 * @param Failed - Is shown where it cannot be loaded.
 */
export function partForLater<Props extends object>(load: Load<Props>, Waiting: ComponentType<Props>, Failed: ComponentType<Props>) {
  let loaded: ComponentType<Props> | null = null;
  const loadPart = async () => {
    loaded ??= (await load()).default;
  };
  loads.push(loadPart);

  return function Later(props: Props) {
    const [outcome, setOutcome] = useState<'waiting' | 'loaded' | 'failed'>('waiting');
    // A dialog is needed each time that it is opened.
    const isNeeded = 'isOpen' in props ? props.isOpen : true;
    useEffect(() => {
      if (!isNeeded || loaded) return;
      let isGone = false;
      const settle = (next: 'loaded' | 'failed') => () => {
        if (!isGone) setOutcome(next);
      };
      setOutcome('waiting');
      loadPart().then(settle('loaded'), settle('failed'));
      return () => {
        isGone = true;
      };
    }, [isNeeded]);
    const Part = loaded ?? (outcome === 'failed' ? Failed : Waiting);
    return <Part {...props} />;
  };
}

const Nothing = () => null;

/**
 * Load a dialog when it is opened for the first time. Where that fails, as without a network, the user is told.
 *
 * @param load - Imports it.
 */
export const dialogForLater = <Props extends DialogProps>(load: Load<Props>) => partForLater(load, Nothing, NotLoaded);

const ADVICE = 'Close it and try again; after an update of the server, load the page again.';

function NotLoaded({ isOpen, onOpenChange }: DialogProps) {
  return (
    <Modal title="Not loaded" description="This part of the page could not be loaded." isOpen={isOpen} onOpenChange={onOpenChange}>
      <p className="text-sm">{ADVICE}</p>
    </Modal>
  );
}

/**
 * Load what stands beside the conversation when it is opened for the first time; a failure is told there.
 *
 * @param title - What the panel is called.
 * @param load - Imports it.
 */
export function panelForLater<Props extends object>(title: string, load: Load<Props>) {
  return partForLater(load, Nothing, () => (
    <SidePanel title={title}>
      <p className="p-4 text-sm">This part of the page could not be loaded. {ADVICE}</p>
    </SidePanel>
  ));
}

/** Renders what is inside from the first time on that it is needed. */
export function OnceNeeded({ isNeeded, children }: { isNeeded: boolean; children: ReactNode }) {
  const [wasNeeded, setWasNeeded] = useState(isNeeded);
  if (isNeeded && !wasNeeded) setWasNeeded(true);
  return wasNeeded ? children : null;
}
