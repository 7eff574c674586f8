import { call } from '../../api/http';
import { fetchPages } from '../../api/pages';
import type { UserStatus } from '../../realtime/types';
import type { User } from '../authentication/session';

export interface Person extends User {
  status: UserStatus['status'];
}

const PAGE = 100;
const MOST_PAGES = 10;

/** List the users who came first; an application with more of them than a page can show has a search instead. */
export const listPeople = async () => (await fetchPages<Person>('/api/users', PAGE, 'after', MOST_PAGES)).rows;

/** What a user lets others hear. */
export interface Privacy {
  sendTyping: boolean;
  sendReceipts: boolean;
}

export const loadPrivacy = () => call<Privacy>('GET', '/api/me');

export const setPrivacy = (changes: Partial<Privacy>) => call<Privacy>('PATCH', '/api/me', changes);
