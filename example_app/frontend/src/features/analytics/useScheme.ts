import { useSyncExternalStore } from 'react';

import { useSettings } from '../settings/settings';

const dark = () => window.matchMedia('(prefers-color-scheme: dark)');

function subscribe(listener: () => void) {
  const query = dark();
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
}

/** Tell whether the page is light or dark now, for what style sheets cannot colour. */
export function useScheme(): 'light' | 'dark' {
  const { theme } = useSettings();
  const isDark = useSyncExternalStore(subscribe, () => dark().matches);
  if (theme !== 'system') return theme;
  return isDark ? 'dark' : 'light';
}
