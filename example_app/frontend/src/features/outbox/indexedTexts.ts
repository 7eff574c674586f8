import { openDB, type DBSchema, type IDBPDatabase, type IDBPIndex } from 'idb';

import { MemoryTexts } from './memoryTexts';
import { draftKey, followers, type Outgoing, type Texts, type Written } from './texts';
import { UnsavedDrafts } from './unsavedDrafts';

interface Schema extends DBSchema {
  outgoing: { key: number; value: Written; indexes: { userId: string } };
  drafts: { key: [userId: string, key: string]; value: string };
}

type Index = Pick<IDBPIndex<Schema, ['outgoing'], 'outgoing', 'userId', IDBTransactionMode>, 'getAll' | 'getAllKeys'>;

const NAME = 'flask_realtime';

/** Open a user's texts: kept in the browser, or in the page alone where the browser forbids it. */
export async function openTexts(userId: string): Promise<Texts> {
  try {
    return new IndexedTexts(userId, await openDatabase());
  } catch {
    return new MemoryTexts();
  }
}

function openDatabase(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(NAME, 1, {
    upgrade(database) {
      database.createObjectStore('outgoing', { autoIncrement: true }).createIndex('userId', 'userId');
      database.createObjectStore('drafts');
    },
  });
}

/** Texts in IndexedDB, which all tabs share and which outlives the browser. Changes are made in the order in which they are called. */
class IndexedTexts implements Texts {
  private readonly unsaved: UnsavedDrafts;

  constructor(
    private readonly userId: string,
    private readonly database: IDBPDatabase<Schema>,
  ) {
    this.unsaved = new UnsavedDrafts(userId);
  }

  list() {
    return this.read(this.database.transaction('outgoing').store.index('userId'));
  }

  async add(message: Written) {
    this.unsaved.delete(draftKey(message));
    const transaction = this.database.transaction(['outgoing', 'drafts'], 'readwrite');
    await Promise.all([
      transaction.objectStore('outgoing').add(message),
      transaction.objectStore('drafts').delete([this.userId, draftKey(message)]),
      transaction.done,
    ]);
  }

  async change(number: number, changes: Partial<Written>) {
    const { store, done } = this.database.transaction('outgoing', 'readwrite');
    const message = await store.get(number);
    if (message) await store.put({ ...message, ...changes }, number);
    await done;
    return message && { ...message, ...changes, number };
  }

  async finish(outgoing: Outgoing, messageId: string) {
    const { store, done } = this.database.transaction('outgoing', 'readwrite');
    const waiting = await this.read(store.index('userId'));
    const changed = followers(waiting, outgoing, messageId).map(({ number, ...message }) => store.put(message, number));
    await Promise.all([store.delete(outgoing.number), ...changed, done]);
  }

  async discard(number: number) {
    await this.database.delete('outgoing', number);
  }

  async draft(key: string) {
    const unsaved = this.unsaved.get(key);
    if (unsaved === null) return (await this.database.get('drafts', [this.userId, key])) ?? '';
    await this.keepDraft(key, unsaved);
    return unsaved;
  }

  async keepDraft(key: string, text: string) {
    this.unsaved.set(key, text);
    if (text === '') await this.database.delete('drafts', [this.userId, key]);
    else await this.database.put('drafts', text, [this.userId, key]);
    if (this.unsaved.get(key) === text) this.unsaved.delete(key);
  }

  async forget() {
    this.unsaved.clear();
    const transaction = this.database.transaction(['outgoing', 'drafts'], 'readwrite');
    const outgoing = transaction.objectStore('outgoing');
    const drafts = transaction.objectStore('drafts');
    const [numbers, keys] = await Promise.all([outgoing.index('userId').getAllKeys(this.userId), drafts.getAllKeys()]);
    const ofUser = keys.filter(([userId]) => userId === this.userId);
    await Promise.all([...numbers.map((number) => outgoing.delete(number)), ...ofUser.map((key) => drafts.delete(key)), transaction.done]);
  }

  private async read(index: Index): Promise<Outgoing[]> {
    // Both are in the order of the keys.
    const [numbers, messages] = await Promise.all([index.getAllKeys(this.userId), index.getAll(this.userId)]);
    return messages.flatMap((message, place) => {
      const number = numbers[place];
      return number === undefined ? [] : [{ ...message, number }];
    });
  }
}
