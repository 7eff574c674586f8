import { useSyncExternalStore } from 'react';

export interface User {
  id: string;
  username: string;
}

export interface Session {
  user: User;
  accessToken: string;
  refreshToken: string;
  /** When to get another access token, in milliseconds by this machine's clock. */
  renewAt: number;
}

// sessionStorage: a reload keeps the log-in, a closed tab ends it, and two tabs can be two users. localStorage would
// leave the tokens behind on a shared machine. Neither keeps a token from a script that runs in this page, which is why
// the server's Content-Security-Policy lets no other script in.
const KEY = 'flask_realtime.session';

const listeners = new Set<() => void>();
let session: Session | null = read();
let notice: string | null = null;

function read(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Session | null;
  } catch {
    return null;
  }
}

function store(next: Session | null) {
  try {
    if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Where the browser forbids it, the log-in ends with the next reload.
  }
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function currentSession(): Session | null {
  return session;
}

/**
 * Take another session, or none.
 *
 * @param next - The session.
 * @param why - What to tell the user about it on the log-in page.
 */
export function setSession(next: Session | null, why: string | null = null) {
  session = next;
  notice = why;
  store(next);
  for (const listener of listeners) listener();
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, currentSession);
}

export function useSessionNotice(): string | null {
  return useSyncExternalStore(subscribe, () => notice);
}
