/** Where subscriptions to web push are stored. */
export interface PushStore {
  /** The server's public key; null where web push is not set up. */
  publicKey(): Promise<string | null>;
  add(subscription: PushSubscriptionJSON): Promise<unknown>;
  remove(endpoint: string): Promise<unknown>;
}

const WORKER = '/sw.js';

const isSupported = () => 'serviceWorker' in navigator && 'PushManager' in window;

/**
 * Have critical notifications sent to this browser by web push, also while no page is open. The user has to have allowed notifications.
 *
 * A subscription that is there already is sent again: it may be another user's. One for another key is made anew.
 */
export async function subscribeToPush(store: PushStore): Promise<void> {
  if (!isSupported()) return;
  const key = await store.publicKey();
  if (key === null) return;
  const { pushManager } = await navigator.serviceWorker.register(WORKER);
  const present = await pushManager.getSubscription();
  const isCurrent = present !== null && keyOf(present) === key;
  if (present && !isCurrent) await present.unsubscribe();
  const subscription =
    present && isCurrent ? present : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await store.add(subscription.toJSON());
}

/** Let nothing more of this user come to this browser. */
export async function unsubscribeFromPush(store: PushStore): Promise<void> {
  if (!isSupported()) return;
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  const subscription = await registration?.pushManager.getSubscription();
  if (!subscription) return;
  await subscription.unsubscribe();
  await store.remove(subscription.endpoint);
}

function keyOf(subscription: PushSubscription): string {
  const key = new Uint8Array(subscription.options.applicationServerKey ?? new ArrayBuffer());
  return btoa(String.fromCharCode(...key)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
