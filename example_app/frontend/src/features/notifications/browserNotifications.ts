import { useCallback, useState } from 'react';

export type BrowserPermission = NotificationPermission | 'unsupported';

const isSupported = () => 'Notification' in window;

/** Whether the browser shows notifications of this page, and how to ask for it: browsers want that asked by a click. */
export function useBrowserPermission() {
  const [permission, setPermission] = useState<BrowserPermission>(() =>
    isSupported() ? Notification.permission : 'unsupported',
  );
  const request = useCallback(async () => setPermission(await Notification.requestPermission()), []);
  return { permission, request };
}

/**
 * Show a notification of the browser, unless the user is looking at the page.
 *
 * @param tag - What it is about. Of two tabs that show the same, the second replaces the first's.
 */
export function showBrowserNotification(title: string, body: string, tag: string) {
  if (!isSupported() || Notification.permission !== 'granted') return;
  if (document.visibilityState === 'visible' && document.hasFocus()) return;
  try {
    const shown = new Notification(title, { body, tag, icon: '/icon.svg' });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // Some browsers on phones take them from a service worker only.
  }
}
