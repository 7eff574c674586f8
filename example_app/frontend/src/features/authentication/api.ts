import { call, callOpenly, renewAccessToken, renewalTime } from '../../api/http';
import type { TokenSource } from '../../realtime/supervision';
import { currentSession, setSession, type Session, type User } from './session';

export const tokens: TokenSource = {
  current: () => currentSession()?.accessToken ?? null,
  renew: renewAccessToken,
};

export async function logIn(username: string, password: string): Promise<void> {
  const session = await callOpenly<Omit<Session, 'renewAt'>>('/api/auth/login', { username, password });
  setSession({ ...session, renewAt: renewalTime(session.accessToken) });
}

interface Me extends User {
  isAdministrator: boolean;
}

export const loadMe = () => call<Me>('GET', '/api/me');

/** Create a user, and log in as that user. */
export async function signUp(username: string, password: string): Promise<void> {
  await callOpenly('/api/auth/register', { username, password });
  await logIn(username, password);
}

/**
 * End the log-in.
 *
 * @param before - What is to be done with the user's tokens while they still hold.
 */
export async function logOut(before: () => Promise<void>): Promise<void> {
  try {
    await before().catch(() => undefined);
    await call('POST', '/api/auth/logout');
  } catch {
    // Without the server the tokens cannot be revoked; forgetting them is what is left.
  } finally {
    setSession(null);
  }
}
