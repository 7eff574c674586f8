/** The events that are the example's own, beside those of the extension. */

import type { Conversation } from './api/chat';

export interface OrderUpdate {
  id: string;
  userId: string;
  status: string;
  createdAt: string;
}

export interface Announcement {
  message: string;
  createdAt: string;
}

declare module './realtime/socket' {
  interface ApplicationEvents {
    announcement: (announcement: Announcement) => void;
    'conversation:new': (conversation: Conversation) => void;
  }
}
