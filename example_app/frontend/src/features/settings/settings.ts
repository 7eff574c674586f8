import { useSyncExternalStore } from 'react';

export const THEMES = ['system', 'light', 'dark'] as const;
export const DENSITIES = ['comfortable', 'compact'] as const;

/** What the server takes of a connection's name. */
export const MAX_DEVICE_LENGTH = 64;

/** What the user has chosen for this browser. */
export interface Settings {
  theme: (typeof THEMES)[number];
  density: (typeof DENSITIES)[number];
  /** What this browser's connections are called among the user's others. */
  device: string;
}

const DEFAULTS: Settings = { theme: 'system', density: 'comfortable', device: '' };

const KEY = 'flask_realtime.settings';

const listeners = new Set<() => void>();
let settings = read();

/** Read what is kept, as far as it makes sense: another version of the page may have written it. */
function read(): Settings {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Record<keyof Settings, unknown>>;
    return {
      theme: THEMES.find((theme) => theme === kept.theme) ?? DEFAULTS.theme,
      density: DENSITIES.find((density) => density === kept.density) ?? DEFAULTS.density,
      device: typeof kept.device === 'string' ? kept.device.slice(0, MAX_DEVICE_LENGTH) : DEFAULTS.device,
    };
  } catch {
    return DEFAULTS;
  }
}

function take(next: Settings) {
  settings = next;
  const { dataset } = document.documentElement;
  if (next.theme === 'system') delete dataset.theme;
  else dataset.theme = next.theme;
  dataset.density = next.density;
  for (const listener of listeners) listener();
}

/** Show the page as it was chosen, and follow what is chosen in another tab. Returns a function that ends this. */
export function followSettings(): () => void {
  const readAgain = (event: StorageEvent) => {
    if (event.key === KEY || event.key === null) take(read());
  };
  take(read());
  window.addEventListener('storage', readAgain);
  return () => window.removeEventListener('storage', readAgain);
}

export function changeSettings(changes: Partial<Settings>) {
  take({ ...settings, ...changes });
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Where the browser forbids it, they hold until the page is loaded again.
  }
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function useSettings(): Settings {
  return useSyncExternalStore(subscribe, () => settings);
}
