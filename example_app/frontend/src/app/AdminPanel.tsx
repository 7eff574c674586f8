import { lazy, Suspense, useState, type FormEvent, type ReactNode } from 'react';

import { sendNotification } from '../features/notifications/api';
import { announce, sendOrder } from '../features/orders/api';
import type { Person } from '../features/presence/api';
import { Button } from '../ui/Button';
import { SelectField, TextField } from '../ui/Field';
import { Modal, type DialogProps } from '../ui/Modal';

const FiguresView = lazy(() => import('../features/analytics/FiguresView').catch(() => ({ default: NotLoaded })));

function NotLoaded() {
  return <p className="text-sm">The figures could not be loaded. Please load the page again.</p>;
}

const PRESSED = 'aria-pressed:border-accent aria-pressed:bg-accent-soft';

interface Props extends DialogProps {
  people: Person[];
}

export default function AdminPanel({ isOpen, onOpenChange, people }: Props) {
  const [shows, setShows] = useState<'forms' | 'figures'>('forms');
  const hasFigures = shows === 'figures';
  return (
    <Modal
      title="Administration"
      description={hasFigures ? 'What the servers have counted.' : 'What an application tells its users without being asked.'}
      isWide={hasFigures}
      isOpen={isOpen}
      onOpenChange={onOpenChange}
    >
      <div className="mb-5 flex gap-2">
        <Button aria-pressed={!hasFigures} className={PRESSED} onClick={() => setShows('forms')}>
          Send
        </Button>
        <Button aria-pressed={hasFigures} className={PRESSED} onClick={() => setShows('figures')}>
          Figures
        </Button>
      </div>
      {hasFigures ? (
        <Suspense fallback={<p className="text-sm text-muted">Loading…</p>}>
          <FiguresView />
        </Suspense>
      ) : (
        <Forms people={people} />
      )}
    </Modal>
  );
}

function Forms({ people }: { people: Person[] }) {
  const options = people.map(({ id, username }) => (
    <option key={id} value={id}>
      {username}
    </option>
  ));
  return (
    <div className="grid gap-6">
      <SendForm name="Notification" action="Send notification" send={(get) => sendNotification(get('user'), get('title'), get('text'), get('critical') === 'on')}>
        <SelectField label="Recipient" name="user">
          {options}
        </SelectField>
        <TextField label="Notification title" name="title" maxLength={200} required autoComplete="off" />
        <TextField label="Notification text" name="text" maxLength={4000} required autoComplete="off" />
        <label className="flex min-h-11 items-center gap-3 text-sm">
          <input type="checkbox" name="critical" className="size-5 accent-accent" />
          Critical: if no device confirms it, by e-mail and web push too
        </label>
      </SendForm>
      <SendForm name="Order" action="Send order" send={(get) => sendOrder(get('user'), get('status'))}>
        <SelectField label="Customer" name="user">
          {options}
        </SelectField>
        <TextField label="Order status" name="status" maxLength={64} required autoComplete="off" />
      </SendForm>
      <SendForm name="Announcement" action="Announce" send={(get) => announce(get('message'))}>
        <TextField label="Announcement text" name="message" maxLength={4000} required autoComplete="off" />
      </SendForm>
    </div>
  );
}

interface FormProps {
  name: string;
  action: string;
  send: (get: (field: string) => string) => Promise<unknown>;
  children: ReactNode;
}

function SendForm({ name, action, send, children }: FormProps) {
  const [outcome, setOutcome] = useState({ text: '', hasFailed: false });

  async function handleSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    try {
      await send((field) => String(data.get(field)));
      for (const input of form.querySelectorAll<HTMLInputElement>('input:not([type=checkbox])')) input.value = '';
      setOutcome({ text: 'Sent.', hasFailed: false });
    } catch (error) {
      setOutcome({ text: (error as Error).message, hasFailed: true });
    }
  }

  return (
    <form aria-label={name} onSubmit={(event) => void handleSubmit(event)} className="grid gap-3">
      <h3 className="border-b border-line pb-1 font-semibold">{name}</h3>
      {children}
      <div className="flex items-center justify-between gap-3">
        <p role="status" className={`text-sm ${outcome.hasFailed ? 'text-danger' : 'text-muted'}`}>
          {outcome.text}
        </p>
        <Button type="submit" kind="primary">
          {action}
        </Button>
      </div>
    </form>
  );
}
