import { LoaderCircle, MessageSquare } from 'lucide-react';
import { useState, type FormEvent } from 'react';

import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { failureText } from '../../ui/failure';
import { TextField } from '../../ui/Field';
import { logIn, signUp } from './api';
import { useSessionNotice } from './session';

const DEMO_USERS = [
  { id: '1', username: 'alice', note: 'administrator' },
  { id: '2', username: 'bob', note: 'user' },
  { id: '3', username: 'carol', note: 'user' },
];
const DEMO_PASSWORD = 'demo';

// What the server takes.
const MAX_USERNAME_LENGTH = 64;
const MIN_PASSWORD_LENGTH = 8;

export function LoginPage() {
  const notice = useSessionNotice();
  const [isNew, setIsNew] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);

  async function submit(enter: (username: string, password: string) => Promise<void>, username: string, password: string) {
    setIsBusy(true);
    setError(null);
    try {
      await enter(username, password);
    } catch (failure) {
      setError(failureText(failure));
      setIsBusy(false);
    }
  }

  function change(toNew: boolean) {
    setIsNew(toNew);
    setError(null);
  }

  return (
    <main className="grid min-h-full place-items-center p-4">
      <div className="w-full max-w-sm rounded-2xl border border-line bg-surface p-6 shadow-sm sm:p-8">
        <MessageSquare className="mb-4 size-8 text-accent" aria-hidden />
        <h1 className="text-2xl font-semibold tracking-tight">{isNew ? 'Sign up' : 'Log in'}</h1>
        <p className="mt-1 text-sm text-muted">
          The example application of flask_realtime. Open a second window as somebody else, and chat.
        </p>
        <div role="alert" className="mt-4 empty:hidden">
          {error ? <Notice text={error} isError /> : notice && <Notice text={notice} />}
        </div>
        {!isNew && <DemoUsers isBusy={isBusy} onChoose={(username) => void submit(logIn, username, DEMO_PASSWORD)} />}
        {!isNew && <Divider text="or with a name and password" />}
        {isNew ? (
          <SignUpForm isBusy={isBusy} onSubmit={(username, password) => void submit(signUp, username, password)} />
        ) : (
          <PasswordForm isBusy={isBusy} onSubmit={(username, password) => void submit(logIn, username, password)} />
        )}
        <p className="mt-5 flex flex-wrap items-center justify-center gap-x-2 text-sm text-muted">
          {isNew ? 'Registered already?' : 'New here?'}
          <button type="button" onClick={() => change(!isNew)} className="finger min-h-8 font-medium text-accent underline underline-offset-2">
            {isNew ? 'Back to log-in' : 'Create an account'}
          </button>
        </p>
      </div>
    </main>
  );
}

function Divider({ text }: { text: string }) {
  return (
    <div className="my-6 flex items-center gap-3 text-xs text-muted">
      <span className="h-px flex-1 bg-line" />
      {text}
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}

function Notice({ text, isError = false }: { text: string; isError?: boolean }) {
  const colours = isError ? 'bg-danger-soft text-danger' : 'bg-warning-soft text-warning';
  return <p className={`rounded-lg px-3 py-2 text-sm ${colours}`}>{text}</p>;
}

function DemoUsers({ isBusy, onChoose }: { isBusy: boolean; onChoose: (username: string) => void }) {
  return (
    <ul className="mt-6 grid gap-2" aria-label="Demo users">
      {DEMO_USERS.map(({ id, username, note }) => (
        <li key={id}>
          <button
            type="button"
            disabled={isBusy}
            onClick={() => onChoose(username)}
            className="flex w-full items-center gap-3 rounded-xl border border-line px-3 py-2.5 text-left transition-colors hover:border-accent hover:bg-accent-soft disabled:opacity-60"
          >
            <Avatar id={id} name={username} />
            <span className="flex-1 font-medium">
              <span className="sr-only">Log in as </span>
              {username}
            </span>
            <span className="text-sm text-muted">{note}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface FormProps {
  isBusy: boolean;
  onSubmit: (username: string, password: string) => void;
}

function PasswordForm({ isBusy, onSubmit }: FormProps) {
  return (
    <form onSubmit={(event) => submitted(event, onSubmit)} className="grid gap-4">
      <TextField label="Username" name="username" autoComplete="username" autoCapitalize="none" required />
      <TextField label="Password" name="password" type="password" autoComplete="current-password" required />
      <SubmitButton label="Log in" isBusy={isBusy} />
    </form>
  );
}

function SignUpForm({ isBusy, onSubmit }: FormProps) {
  return (
    <form onSubmit={(event) => submitted(event, onSubmit)} className="mt-6 grid gap-4">
      <TextField
        label="Username"
        name="username"
        hint="Letters, digits and _ . @ + -"
        pattern="[A-Za-z0-9_.@+\-]+"
        maxLength={MAX_USERNAME_LENGTH}
        autoComplete="username"
        autoCapitalize="none"
        required
      />
      <TextField
        label="Password"
        name="password"
        type="password"
        hint={`At least ${MIN_PASSWORD_LENGTH} characters, and not the username`}
        minLength={MIN_PASSWORD_LENGTH}
        autoComplete="new-password"
        required
      />
      <SubmitButton label="Create account" isBusy={isBusy} />
    </form>
  );
}

function submitted(event: FormEvent<HTMLFormElement>, onSubmit: FormProps['onSubmit']) {
  event.preventDefault();
  const form = new FormData(event.currentTarget);
  onSubmit(String(form.get('username')), String(form.get('password')));
}

function SubmitButton({ label, isBusy }: { label: string; isBusy: boolean }) {
  return (
    <Button type="submit" kind="primary" disabled={isBusy}>
      {isBusy && <LoaderCircle className="size-4 animate-spin" aria-hidden />}
      {label}
    </Button>
  );
}
