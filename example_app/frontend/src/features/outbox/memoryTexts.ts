import { draftKey, followers, type Outgoing, type Texts, type Written } from './texts';

/** Texts that are gone with the page: for browsers that keep nothing, as some do in private windows. */
export class MemoryTexts implements Texts {
  private lastNumber = 0;
  private readonly outgoing = new Map<number, Outgoing>();
  private readonly drafts = new Map<string, string>();

  async list() {
    return [...this.outgoing.values()];
  }

  async add(message: Written) {
    const number = ++this.lastNumber;
    this.outgoing.set(number, { ...message, number });
    this.drafts.delete(draftKey(message));
  }

  async change(number: number, changes: Partial<Written>) {
    const message = this.outgoing.get(number);
    if (!message) return undefined;
    const changed = { ...message, ...changes };
    this.outgoing.set(number, changed);
    return changed;
  }

  async finish(outgoing: Outgoing, messageId: string) {
    this.outgoing.delete(outgoing.number);
    for (const one of followers(await this.list(), outgoing, messageId)) this.outgoing.set(one.number, one);
  }

  async discard(number: number) {
    this.outgoing.delete(number);
  }

  async draft(key: string) {
    return this.drafts.get(key) ?? '';
  }

  async keepDraft(key: string, text: string) {
    if (text === '') this.drafts.delete(key);
    else this.drafts.set(key, text);
  }

  async forget() {
    this.outgoing.clear();
    this.drafts.clear();
  }
}
