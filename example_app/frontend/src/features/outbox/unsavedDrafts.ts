const PREFIX = 'flask_realtime.draft';

/**
 * Drafts on their way to IndexedDB, which undoes what is in progress when the page goes. What is here is written at once, and is found
 * again by the same tab after a reload.
 */
export class UnsavedDrafts {
  constructor(private readonly userId: string) {}

  get(key: string): string | null {
    return sessionStorage.getItem(this.name(key));
  }

  set(key: string, text: string) {
    sessionStorage.setItem(this.name(key), text);
  }

  delete(key: string) {
    sessionStorage.removeItem(this.name(key));
  }

  clear() {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(this.name(''))) sessionStorage.removeItem(name);
  }

  private name(key: string) {
    return `${PREFIX} ${this.userId} ${key}`;
  }
}
