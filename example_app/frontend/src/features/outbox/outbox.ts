import type { Message } from '../messages/messageList';
import { draftKey, type Extras, type Outgoing, type Texts, type WritingPlace } from './texts';

/**
 * How long a message is sent by itself. The server knows an id for 24 hours; sent again after that, a message whose answer was lost
 * would be there twice, so the user is asked. An hour less, for the way to the server and for clocks that are set.
 */
export const SENT_BY_ITSELF_MS = 23 * 3_600_000;

const ASK = 'Written a day ago; it may have been sent.';

const isOld = ({ writtenAt }: Outgoing) => Date.now() - writtenAt > SENT_BY_ITSELF_MS;

/** Make an id that no other message has; `crypto.randomUUID` exists only on pages from HTTPS and localhost. */
export function newClientId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
}

type SentListener = (message: Message, isRepeated: boolean) => unknown;

/** What a user has written and not sent yet, the same in all tabs. `startSender` sends it. */
export class Outbox {
  private known: readonly Outgoing[] = [];
  private channel: BroadcastChannel | null = null;
  private readonly changeListeners = new Set<() => void>();
  private readonly sentListeners = new Set<SentListener>();

  constructor(
    readonly userId: string,
    private readonly texts: Promise<Texts>,
  ) {}

  /** Load what waits, and follow the other tabs. Returns a function that ends that. */
  open(): () => void {
    const channel = new BroadcastChannel(`flask_realtime.outbox.${this.userId}`);
    channel.onmessage = () => void this.load();
    this.channel = channel;
    void this.load();
    return () => {
      channel.close();
      this.channel = null;
    };
  }

  /** The messages that wait; the same array until they change. */
  waiting = (): readonly Outgoing[] => this.known;

  /** Be called after each change. Returns a function that ends that. */
  onChange = (listener: () => void) => listen(this.changeListeners, listener);

  /** Be called with each message that this tab has sent, and whether it was tried before. Returns a function that ends that. */
  onSent = (listener: SentListener) => listen(this.sentListeners, listener);

  /** Have a message sent, now or when there is a connection. It is kept when the promise is fulfilled. */
  async send(
    { conversationId, threadId }: WritingPlace,
    content: string,
    after: string | null | undefined,
    extras: Extras = {},
  ): Promise<void> {
    const texts = await this.texts;
    const place = threadId === null ? { conversationId } : { conversationId, threadId };
    const written = { clientId: newClientId(), writtenAt: Date.now(), isAttempted: false, problem: null };
    await texts.add({ userId: this.userId, ...place, content, ...extras, after, ...written });
    await this.changed();
  }

  /** Send a message again that was not sent by itself any more. */
  retry = async (outgoing: Outgoing): Promise<void> => {
    // The id of an old one means nothing to the server any more.
    const anew = isOld(outgoing) ? { clientId: newClientId(), writtenAt: Date.now(), isAttempted: false } : {};
    await this.change(outgoing, { problem: null, ...anew });
  };

  discard = async ({ number }: Outgoing): Promise<void> => {
    await (await this.texts).discard(number);
    await this.changed();
  };

  draft = async (place: WritingPlace): Promise<string> => (await this.texts).draft(draftKey(place));

  keepDraft = async (place: WritingPlace, text: string): Promise<void> => (await this.texts).keepDraft(draftKey(place), text);

  /** Delete the user's texts, for the next one who uses the browser. */
  async forget(): Promise<void> {
    await (await this.texts).forget();
    await this.changed();
  }

  /** Return the first message to be sent, but for some conversations'. */
  async next(held: ReadonlySet<string>): Promise<Outgoing | undefined> {
    const ready = (await (await this.texts).list()).filter(({ problem }) => problem === null);
    for (const old of ready.filter(isOld)) await this.stop(old, ASK);
    return ready.find((one) => !isOld(one) && !held.has(one.conversationId));
  }

  /** Record that a message is handed to the connection. Returns whether it is still there: another tab may have discarded it. */
  async begin(outgoing: Outgoing): Promise<boolean> {
    // A message that is tried again changes nothing: the tabs would wake each other up, and none of them wait.
    return outgoing.isAttempted || (await this.change(outgoing, { isAttempted: true })) !== undefined;
  }

  /** Take a message that the server has stored: as it was before `begin`, and as it is stored. */
  async finish(outgoing: Outgoing, message: Message): Promise<void> {
    await (await this.texts).finish(outgoing, message.id);
    await this.changed((listener) => listener(message, outgoing.isAttempted));
  }

  /** Send a message no longer by itself. */
  async stop(outgoing: Outgoing, problem: string): Promise<void> {
    await this.change(outgoing, { problem });
  }

  private async change({ number }: Outgoing, changes: Partial<Outgoing>): Promise<Outgoing | undefined> {
    const changed = await (await this.texts).change(number, changes);
    await this.changed();
    return changed;
  }

  private async changed(tell?: (listener: SentListener) => unknown) {
    this.channel?.postMessage(null);
    await this.load(tell);
  }

  private async load(tell?: (listener: SentListener) => unknown) {
    // Where it cannot be read, what was known is shown: the change itself is made.
    const known = await this.texts.then((texts) => texts.list()).catch(() => this.known);
    // At once, so that the message is not shown twice, nor nowhere, in between.
    if (tell) this.sentListeners.forEach(tell);
    this.known = known;
    for (const listener of this.changeListeners) listener();
  }
}

function listen<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
