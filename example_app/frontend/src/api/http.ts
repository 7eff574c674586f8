import { RealtimeError } from '../realtime/socket';
import { currentSession, setSession } from '../features/authentication/session';

const TIMEOUT_MS = 15_000;
const SESSION_ENDED = 'Your log-in has ended. Please log in again.';

interface ErrorBody {
  error?: { code: string; message: string; retryAfter?: number };
}

// An access token is renewed when this much of its life is over, rather than refused first.
const USED_LIFE = 0.9;

let renewal: Promise<string | null> | null = null;

/** Say when to renew an access token. Its own times are the server's; only their difference holds on this machine. */
export function renewalTime(accessToken: string): number {
  const payload = accessToken.split('.')[1] ?? '';
  const { exp, iat } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { exp: number; iat: number };
  return Date.now() + (exp - iat) * 1000 * USED_LIFE;
}

async function send(method: string, path: string, token: string | null, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const init: RequestInit = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) init.body = JSON.stringify(body);
  return fetch(path, init);
}

async function read<Answer>(response: Response): Promise<Answer> {
  if (response.status === 204) return undefined as Answer;
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer as Answer;
  const { error } = (answer ?? {}) as ErrorBody;
  const message = error?.message ?? `The server answered ${response.status}`;
  throw new RealtimeError(error?.code ?? 'internal_error', message, error?.retryAfter);
}

async function renew(): Promise<string | null> {
  const session = currentSession();
  if (!session) return null;
  const response = await send('POST', '/api/auth/refresh', session.refreshToken);
  // The user may have logged out, or another one in, while the answer was on its way.
  if (currentSession()?.refreshToken !== session.refreshToken) return null;
  if (response.status === 401) {
    setSession(null, SESSION_ENDED);
    return null;
  }
  const { accessToken } = await read<{ accessToken: string }>(response);
  setSession({ ...session, accessToken, renewAt: renewalTime(accessToken) });
  return accessToken;
}

/** Get a new access token; null if the log-in has ended. Whoever asks at the same time gets the same one. */
export function renewAccessToken(): Promise<string | null> {
  renewal ??= renew().finally(() => {
    renewal = null;
  });
  return renewal;
}

/** Call the API without a token. */
export async function callOpenly<Answer>(path: string, body: unknown): Promise<Answer> {
  return read<Answer>(await send('POST', path, null, body));
}

/** Call the API as the user who is logged in; an access token that has expired is renewed. */
export async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const session = currentSession();
  const isOld = session !== null && Date.now() >= session.renewAt;
  const response = await send(method, path, isOld ? await renewedToken() : (session?.accessToken ?? null), body);
  if (response.status !== 401) return read<Answer>(response);
  return read<Answer>(await send(method, path, await renewedToken(), body));
}

async function renewedToken(): Promise<string> {
  const token = await renewAccessToken();
  if (token === null) throw new RealtimeError('unauthorized', SESSION_ENDED);
  return token;
}
