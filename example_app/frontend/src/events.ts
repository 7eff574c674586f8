/** The events that are the example's own, beside those of the extension. */

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
  }
}
