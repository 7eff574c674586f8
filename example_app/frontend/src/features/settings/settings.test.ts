import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { changeSettings, followSettings, useSettings } from './settings';

const KEY = 'flask_realtime.settings';
const shown = () => ({ ...document.documentElement.dataset });

let stop: () => void;

function start(kept?: string) {
  if (kept !== undefined) localStorage.setItem(KEY, kept);
  stop = followSettings();
}

beforeEach(() => localStorage.clear());
afterEach(() => stop());

it('leaves the theme to the system unless one is chosen, which is kept', () => {
  start();
  expect(shown()).toEqual({ density: 'comfortable' });
  changeSettings({ theme: 'dark', density: 'compact' });
  expect(shown()).toEqual({ theme: 'dark', density: 'compact' });
  stop();
  start();
  expect(shown()).toEqual({ theme: 'dark', density: 'compact' });
  changeSettings({ theme: 'system' });
  expect(shown()).toEqual({ density: 'compact' });
});

it.each(['not JSON', 'null', '{"theme": "pink", "density": 3, "device": {}}', '[]'])('takes nothing that makes no sense: %j', (kept) => {
  start(kept);
  expect(renderHook(useSettings).result.current).toEqual({ theme: 'system', density: 'comfortable', device: '' });
});

it('follows what is chosen in another tab', () => {
  start();
  const { result } = renderHook(useSettings);
  localStorage.setItem(KEY, '{"theme": "light", "device": "Desk"}');
  act(() => void window.dispatchEvent(new StorageEvent('storage', { key: KEY })));
  expect([result.current.device, shown().theme]).toEqual(['Desk', 'light']);
});
