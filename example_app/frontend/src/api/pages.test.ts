import { beforeEach, expect, it, vi } from 'vitest';

import { setSession } from '../features/authentication/session';
import { listConversations } from '../features/conversations/api';
import { listPeople } from '../features/presence/api';

const asked: string[] = [];

/** A server with that many rows, newest first or, with `after`, oldest first. */
function serve(rows: number) {
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path);
    const query = new URL(path, 'http://localhost').searchParams;
    const limit = Number(query.get('limit'));
    const ids = Array.from({ length: rows }, (_, index) => index + 1);
    const page = path.startsWith('/api/users')
      ? ids.filter((id) => id > Number(query.get('after') ?? 0))
      : ids.reverse().filter((id) => id < Number(query.get('before') ?? Infinity));
    return new Response(JSON.stringify(page.slice(0, limit).map((id) => ({ id: String(id) }))));
  });
}

beforeEach(() => {
  asked.length = 0;
  setSession({ user: { id: '1', username: 'alice' }, accessToken: 'a', refreshToken: 'r', renewAt: Date.now() + 60_000 });
});

it('lists as many pages of conversations as are wanted', async () => {
  serve(120);
  const { conversations, hasMore } = await listConversations(2);
  expect([conversations.length, conversations.at(-1)?.id, hasMore]).toEqual([100, '21', true]);
  expect(asked).toEqual(['/api/conversations?limit=50', '/api/conversations?limit=50&before=71']);
});

it.each([0, 49, 50, 99])('stops after the last conversation of %s', async (rows) => {
  serve(rows);
  const { conversations, hasMore } = await listConversations(5);
  expect([conversations.length, hasMore]).toEqual([rows, false]);
});

it('lists people page by page, up to a number that a page can show', async () => {
  serve(250);
  expect((await listPeople()).map(({ id }) => id)).toEqual(Array.from({ length: 250 }, (_, index) => String(index + 1)));
  serve(5_000);
  expect(await listPeople()).toHaveLength(1_000);
});
