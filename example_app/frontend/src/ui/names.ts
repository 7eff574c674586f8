const LIST = new Intl.ListFormat('en', { type: 'conjunction' });
const MOST_NAMES = 4;

/**
 * Join names; of many, only the first ones, and how many there are beside them.
 *
 * @param names - The names, or the first of them.
 * @param total - How many there are.
 */
export function joinNames(names: string[], total = names.length): string {
  if (total <= MOST_NAMES) return LIST.format(names);
  const shown = names.slice(0, MOST_NAMES - 1);
  return LIST.format([...shown, `${total - shown.length} others`]);
}
