import { useSyncExternalStore } from 'react';

const PREFIX = '#/conversations/';

export const conversationLink = (conversationId: string) => PREFIX + encodeURIComponent(conversationId);

export function openConversation(conversationId: string) {
  window.location.hash = conversationLink(conversationId);
}

/** Open a conversation in the place of what is shown, which going back does not lead to any more. */
export function replaceByConversation(conversationId: string) {
  window.location.replace(conversationLink(conversationId));
}

export function closeConversation() {
  window.location.hash = '#/';
}

function subscribe(listener: () => void) {
  // Both tell of it; what else depends on the place in the history is rendered with it at the first.
  window.addEventListener('popstate', listener);
  window.addEventListener('hashchange', listener);
  return () => {
    window.removeEventListener('popstate', listener);
    window.removeEventListener('hashchange', listener);
  };
}

/** Return the conversation that the address names; null for none. */
export function readOpenConversation(): string | null {
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
  return useSyncExternalStore(subscribe, readOpenConversation);
}
