import { call } from '../../api/http';

export const sendOrder = (userId: string, status: string) => call('POST', '/api/orders', { userId, status });

export const announce = (message: string) => call('POST', '/api/announcements', { message });
