import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';

import { LoginPage } from './LoginPage';
import { currentSession, setSession } from './session';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('creates an account, and logs in with it', async () => {
  const calls: [string, unknown][] = [];
  const accessToken = `a.${btoa(JSON.stringify({ iat: 0, exp: 900 }))}.b`;
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    calls.push([path, JSON.parse(String(init.body))]);
    return new Response(JSON.stringify({ accessToken, refreshToken: 'r', user: { id: '4', username: 'dora' } }), { status: 201 });
  });
  render(<LoginPage />);
  fireEvent.click(screen.getByRole('button', { name: 'Create an account' }));
  fireEvent.change(screen.getByLabelText('Username'), { target: { value: 'dora' } });
  fireEvent.change(screen.getByLabelText('Password'), { target: { value: 'long enough' } });
  fireEvent.click(screen.getByRole('button', { name: 'Create account' }));
  await waitFor(() => expect(currentSession()?.user.username).toBe('dora'));
  const body = { username: 'dora', password: 'long enough' };
  expect(calls).toEqual([['/api/auth/register', body], ['/api/auth/login', body]]);
  setSession(null);
});

it('says how long to wait after too many attempts', async () => {
  const error = { code: 'rate_limited', message: 'Too many attempts to log in; try again later', retryAfter: 11.3 };
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ error }), { status: 429, headers: { 'Retry-After': '12' } }));
  render(<LoginPage />);
  fireEvent.click(screen.getByRole('button', { name: /alice/ }));
  const alert = await screen.findByText(/Try again/);
  expect(alert.textContent).toBe('Too many attempts to log in. Try again in 12 seconds.');
  expect(screen.getByRole('button', { name: /alice/ }).hasAttribute('disabled')).toBe(false);
});
