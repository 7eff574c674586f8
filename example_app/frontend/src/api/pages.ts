import { call } from './http';

/** Fetch pages until the last one, or until there are so many. */
export async function fetchPages<Row extends { id: string }>(
  path: string,
  size: number,
  cursor: 'before' | 'after',
  most: number,
): Promise<{ rows: Row[]; hasMore: boolean }> {
  const rows: Row[] = [];
  for (let pages = 0; pages < most; pages += 1) {
    const last = rows.at(-1)?.id;
    const page = await call<Row[]>('GET', `${path}?limit=${size}${last === undefined ? '' : `&${cursor}=${last}`}`);
    rows.push(...page);
    if (page.length < size) return { rows, hasMore: false };
  }
  return { rows, hasMore: true };
}
