import { beforeEach, expect, it, vi } from 'vitest';

import { subscribeToPush, unsubscribeFromPush, type PushStore } from './push';

const KEY = 'BPq-_w';
const OTHER = 'AAAA';

const bytesOf = (key: string) => Uint8Array.from(atob(key.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)).buffer;

/** The browser's part of web push. */
class FakePushManager {
  present: FakeSubscription | null = null;
  made = 0;

  async getSubscription() {
    return this.present;
  }

  async subscribe(options: { userVisibleOnly: boolean; applicationServerKey: string }) {
    expect(options.userVisibleOnly).toBe(true);
    this.present = new FakeSubscription(this, options.applicationServerKey, ++this.made);
    return this.present;
  }
}

class FakeSubscription {
  readonly endpoint: string;
  readonly options: { applicationServerKey: ArrayBuffer };

  constructor(
    private readonly manager: FakePushManager,
    key: string,
    number: number,
  ) {
    this.endpoint = `https://push.example.org/${number}`;
    this.options = { applicationServerKey: bytesOf(key) };
  }

  toJSON() {
    return { endpoint: this.endpoint, keys: { p256dh: 'key', auth: 'secret' } };
  }

  async unsubscribe() {
    this.manager.present = null;
    return true;
  }
}

let manager: FakePushManager;
let register: ReturnType<typeof vi.fn>;

const storeOf = (key: string | null): PushStore & { add: ReturnType<typeof vi.fn>; remove: ReturnType<typeof vi.fn> } => ({
  publicKey: async () => key,
  add: vi.fn(async () => undefined),
  remove: vi.fn(async () => undefined),
});

const json = (number: number) => ({
  endpoint: `https://push.example.org/${number}`,
  keys: { p256dh: 'key', auth: 'secret' },
});

beforeEach(() => {
  manager = new FakePushManager();
  const registration = { pushManager: manager };
  register = vi.fn(async () => registration);
  const getRegistration = async () => (register.mock.calls.length > 0 ? registration : undefined);
  vi.stubGlobal('navigator', { serviceWorker: { register, getRegistration } });
  vi.stubGlobal('PushManager', FakePushManager);
});

it('subscribes with the key of the server, and sends the subscription there', async () => {
  const store = storeOf(KEY);
  await subscribeToPush(store);
  expect(register).toHaveBeenCalledExactlyOnceWith('/sw.js');
  expect(store.add).toHaveBeenCalledExactlyOnceWith(json(1));
});

it('sends a subscription that is there already again: it may be of somebody else', async () => {
  await subscribeToPush(storeOf(KEY));
  const store = storeOf(KEY);
  await subscribeToPush(store);
  expect([manager.made, store.add.mock.calls]).toEqual([1, [[json(1)]]]);
});

it('subscribes anew when the key of the server is another one', async () => {
  await subscribeToPush(storeOf(OTHER));
  const store = storeOf(KEY);
  await subscribeToPush(store);
  expect(store.add).toHaveBeenCalledExactlyOnceWith(json(2));
});

it('leaves the browser alone where web push is not set up, or not there', async () => {
  await subscribeToPush(storeOf(null));
  vi.stubGlobal('navigator', {});
  const store = storeOf(KEY);
  await subscribeToPush(store);
  await unsubscribeFromPush(store);
  expect([register.mock.calls, store.add.mock.calls, store.remove.mock.calls]).toEqual([[], [], []]);
});

it('ends a subscription here and on the server', async () => {
  const store = storeOf(KEY);
  await unsubscribeFromPush(store);
  expect(store.remove).not.toHaveBeenCalled();
  await subscribeToPush(store);
  await unsubscribeFromPush(store);
  expect(manager.present).toBeNull();
  expect(store.remove).toHaveBeenCalledExactlyOnceWith('https://push.example.org/1');
  await unsubscribeFromPush(store);
  expect(store.remove).toHaveBeenCalledTimes(1);
});
