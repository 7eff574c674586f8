import { useSyncExternalStore } from 'react';

const PREFIX = '#/conversations/';

export const conversationLink = (conversationId: string) => PREFIX + encodeURIComponent(conversationId);

export function openConversation(conversationId: string) {
  window.location.hash = conversationLink(conversationId);
}

export function closeConversation() {
  window.location.hash = '#/';
}

function subscribe(listener: () => void) {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

function read(): string | null {
  const { hash } = window.location;
  if (!hash.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length)) || null;
  } catch {
    return null;
  }
}

/** The conversation that the address names: a reload keeps it, and the browser's Back button leaves it. */
export function useOpenConversation(): string | null {
  return useSyncExternalStore(subscribe, read);
}
