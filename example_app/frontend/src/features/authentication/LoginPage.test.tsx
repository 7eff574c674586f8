import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';

import { LoginPage } from './LoginPage';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
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
