// Shows critical notifications that come by web push, also while no page of the application is open.

self.addEventListener('push', (event) => {
  const { id, title, message, link } = event.data.json();
  const options = { body: message, icon: '/icon.svg', tag: `notification-${id}`, data: { link } };
  event.waitUntil(self.registration.showNotification(title, options));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.link));
});

async function open(link) {
  // A page that the server named is opened; without one, the page that is open already comes to the front.
  if (link !== null) return self.clients.openWindow(link);
  const [page] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return page ? page.focus() : self.clients.openWindow('/');
}
