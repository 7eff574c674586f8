import { expect, it, vi } from 'vitest';

import source from '../../../public/sw.js?raw';

type Listener = (event: object) => void;

/** Run the service worker with the surroundings that a browser gives it. */
function startWorker(pages: { focus: () => void }[] = []) {
  const listeners = new Map<string, Listener>();
  const self = {
    addEventListener: (name: string, listener: Listener) => listeners.set(name, listener),
    registration: { showNotification: vi.fn(async () => undefined) },
    clients: { openWindow: vi.fn(async () => undefined), matchAll: async () => pages },
  };
  new Function('self', source)(self);
  async function fire(name: string, event: object) {
    let work: Promise<unknown> = Promise.resolve();
    listeners.get(name)?.({ ...event, waitUntil: (promise: Promise<unknown>) => (work = promise) });
    await work;
  }
  return { self, fire };
}

const click = (link: string | null) => ({ notification: { close: vi.fn(), data: { link } } });

it('shows what comes, and one that comes again in the place of the first', async () => {
  const { self, fire } = startWorker();
  const payload = { id: '7', jobId: '9', title: 'Fire', message: 'Leave the house', link: '/alarms' };
  await fire('push', { data: { json: () => payload } });
  const options = { body: 'Leave the house', icon: '/icon.svg', tag: 'notification-7', data: { link: '/alarms' } };
  expect(self.registration.showNotification).toHaveBeenCalledExactlyOnceWith('Fire', options);
});

it('opens the link of the one that is clicked', async () => {
  const { self, fire } = startWorker([{ focus: vi.fn() }]);
  const event = click('/alarms');
  await fire('notificationclick', event);
  expect(event.notification.close).toHaveBeenCalledTimes(1);
  expect(self.clients.openWindow).toHaveBeenCalledExactlyOnceWith('/alarms');
});

it('brings the page to the front, or opens one, where there is no link', async () => {
  const page = { focus: vi.fn() };
  const { self, fire } = startWorker([page]);
  await fire('notificationclick', click(null));
  expect(page.focus).toHaveBeenCalledTimes(1);
  expect(self.clients.openWindow).not.toHaveBeenCalled();
  const { self: alone, fire: fireAlone } = startWorker();
  await fireAlone('notificationclick', click(null));
  expect(alone.clients.openWindow).toHaveBeenCalledExactlyOnceWith('/');
});
