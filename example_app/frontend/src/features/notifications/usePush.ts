import { useEffect } from 'react';

import type { BrowserPermission } from './browserNotifications';
import { subscribeToPush, type PushStore } from './push';

/** Keep this browser subscribed to web push while the user allows notifications. The same store from render to render. */
export function usePush(store: PushStore, permission: BrowserPermission) {
  useEffect(() => {
    if (permission !== 'granted') return;
    // Without web push, in a private window for one, notifications come while the page is open.
    subscribeToPush(store).catch(() => undefined);
  }, [store, permission]);
}
