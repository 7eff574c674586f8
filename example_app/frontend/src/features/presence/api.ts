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
