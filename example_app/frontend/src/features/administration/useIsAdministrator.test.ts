import { cleanup, renderHook, waitFor } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';

import { setSession } from '../authentication/session';
import { useIsAdministrator } from './useIsAdministrator';

afterEach(() => {
  cleanup();
  setSession(null);
  vi.unstubAllGlobals();
});

it.each([true, false])('is what the server says, whatever the name: %s', async (isAdministrator) => {
  setSession({ user: { id: '7', username: 'alice' }, accessToken: 'a', refreshToken: 'r', renewAt: Date.now() + 60_000 });
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path);
    return new Response(JSON.stringify({ id: '7', username: 'alice', isAdministrator }));
  });
  const { result } = renderHook(useIsAdministrator);
  expect(result.current).toBe(false);
  await waitFor(() => expect([asked, result.current]).toEqual([['/api/me'], isAdministrator]));
});
