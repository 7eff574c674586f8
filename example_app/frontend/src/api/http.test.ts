import { beforeEach, expect, it, vi } from 'vitest';

import { currentSession, setSession } from '../features/authentication/session';
import { call, renewalTime } from './http';

const LIFE_SECONDS = 900;

const token = (name: string) => `${name}.${btoa(JSON.stringify({ iat: 5_000, exp: 5_000 + LIFE_SECONDS }))}.signature`;
const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const refused = () => answer(401, { error: { code: 'unauthorized', message: 'The token has expired' } });

const server = vi.fn<(path: string, bearer: string | null) => Response>();

function logIn(renewAt = Date.now() + 60_000) {
  setSession({ user: { id: '1', username: 'alice' }, accessToken: token('old'), refreshToken: 'refresh', renewAt });
}

const calls = () => server.mock.calls.map(([path, bearer]) => [path, bearer?.split('.')[0]]);

beforeEach(() => {
  server.mockReset();
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const { Authorization } = init.headers as Record<string, string>;
    return server(path, Authorization?.replace('Bearer ', '') ?? null);
  });
  logIn();
});

it('sends the access token', async () => {
  server.mockReturnValue(answer(200, []));
  await expect(call('GET', '/api/users')).resolves.toEqual([]);
  expect(calls()).toEqual([['/api/users', 'old']]);
});

it('renews a token before it is refused', async () => {
  logIn(Date.now());
  server.mockImplementation((path) => (path === '/api/auth/refresh' ? answer(200, { accessToken: token('new') }) : answer(200, [])));
  await call('GET', '/api/users');
  expect(calls()).toEqual([
    ['/api/auth/refresh', 'refresh'],
    ['/api/users', 'new'],
  ]);
});

it('renews a token that was refused, once for all who ask at the same time', async () => {
  server.mockImplementation((path, bearer) => {
    if (path === '/api/auth/refresh') return answer(200, { accessToken: token('new') });
    return bearer?.startsWith('new') ? answer(200, []) : refused();
  });
  await Promise.all([call('GET', '/api/users'), call('GET', '/api/conversations')]);
  expect(calls().filter(([path]) => path === '/api/auth/refresh')).toHaveLength(1);
  expect(currentSession()?.accessToken).toBe(token('new'));
});

it('ends the session when the log-in has ended', async () => {
  server.mockImplementation(refused);
  await expect(call('GET', '/api/users')).rejects.toMatchObject({ code: 'unauthorized' });
  expect(currentSession()).toBeNull();
});

it('keeps the session when the server cannot be reached', async () => {
  logIn(Date.now());
  server.mockImplementation(() => {
    throw new TypeError('Failed to fetch');
  });
  await expect(call('GET', '/api/users')).rejects.toThrow('Failed to fetch');
  expect(currentSession()).not.toBeNull();
});

it('takes an answer that is no JSON for a fault of the server', async () => {
  server.mockReturnValue(new Response('<html>Bad gateway</html>', { status: 502 }));
  await expect(call('GET', '/api/users')).rejects.toMatchObject({ code: 'internal_error' });
});

it('does not depend on whether the machine’s clock agrees with the server’s', () => {
  const left = renewalTime(token('any')) - Date.now();
  expect(left).toBeGreaterThan((LIFE_SECONDS / 2) * 1000);
  expect(left).toBeLessThan(LIFE_SECONDS * 1000);
});
