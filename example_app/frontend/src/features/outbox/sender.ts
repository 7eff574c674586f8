import { makeRefresher } from '../../realtime/refresher';
import { isFinal, listen, RealtimeError, request, type RealtimeSocket } from '../../realtime/socket';
import type { MessageSendPayload } from '../../realtime/types';
import type { Outbox } from './outbox';
import type { Outgoing } from './texts';

/** How long a server that fails is asked to store the same message before its user is asked. */
const PATIENCE_MS = 60_000;

/**
 * Send what waits in an outbox whenever there is a connection: in order, each message after the one before it is answered, and with
 * the id that it was written with, so that the server stores it once. Returns a function that stops it.
 */
export function startSender(socket: RealtimeSocket, outbox: Outbox): () => void {
  const sending = new Sending(socket, outbox);
  const refresher = makeRefresher(
    () => inOneTab(outbox.userId, () => sending.sendAll()),
    () => undefined,
    () => undefined,
  );
  const stopListening = listen(socket, { connect: refresher.refresh });
  const stopFollowing = outbox.onChange(refresher.refresh);
  refresher.refresh();
  return () => {
    stopListening();
    stopFollowing();
    refresher.stop();
  };
}

/**
 * Do something in one tab at a time. Pages that do not come from HTTPS or localhost have no locks: there, tabs may send the same
 * message at the same time, which the server stores once, and in order, as none of them sends the next one before an answer.
 */
async function inOneTab(userId: string, work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request(`flask_realtime.outbox.${userId}`, work);
  else await work();
}

function payloadOf({ conversationId, clientId, content, replyTo, threadId, mentions }: Outgoing): MessageSendPayload {
  const payload: MessageSendPayload = { conversationId, clientId, content };
  if (replyTo !== undefined) payload.replyTo = replyTo;
  if (threadId !== undefined) payload.threadId = threadId;
  if (mentions !== undefined && mentions.length > 0) payload.mentions = mentions;
  return payload;
}

class Sending {
  /** Since when the server fails to store a message, by the message's id. */
  private readonly failing = new Map<string, number>();
  private pause: { error: RealtimeError; until: number } | null = null;

  constructor(
    private readonly socket: RealtimeSocket,
    private readonly outbox: Outbox,
  ) {}

  /** Send what waits. What fails and may succeed later is thrown, once the other conversations' messages are sent. */
  async sendAll(): Promise<void> {
    this.throwWhilePaused();
    const failed = new Map<string, unknown>();
    // Without a connection there is nothing to do, and nothing to repeat: the next one starts this again.
    while (this.socket.connected) {
      const outgoing = await this.outbox.next(new Set(failed.keys()));
      if (!outgoing) break;
      try {
        await this.send(outgoing);
      } catch (error) {
        if (!this.isAboutMessage(error)) throw error;
        if (this.isHopeless(outgoing, error)) await this.outbox.stop(outgoing, error.message);
        else failed.set(outgoing.conversationId, error);
      }
    }
    for (const error of failed.values()) throw error;
  }

  private async send(outgoing: Outgoing): Promise<void> {
    if (!(await this.outbox.begin(outgoing))) return;
    const { clientId } = outgoing;
    const { message } = await request(this.socket, 'message:send', payloadOf(outgoing));
    this.failing.delete(clientId);
    await this.outbox.finish(outgoing, message);
  }

  /** Whether it is about the one message, and not about the connection or all that is sent. */
  private isAboutMessage(error: unknown): error is RealtimeError {
    if (!(error instanceof RealtimeError)) return false;
    if (error.code !== 'rate_limited') return true;
    this.pause = { error, until: Date.now() + (error.retryAfter ?? 0) * 1000 };
    return false;
  }

  private isHopeless({ clientId }: Outgoing, error: RealtimeError): boolean {
    const since = this.failing.get(clientId) ?? Date.now();
    this.failing.set(clientId, since);
    const isHopeless = isFinal(error) || Date.now() - since > PATIENCE_MS;
    if (isHopeless) this.failing.delete(clientId);
    return isHopeless;
  }

  private throwWhilePaused() {
    if (!this.pause) return;
    const { error, until } = this.pause;
    const left = until - Date.now();
    if (left > 0) throw new RealtimeError(error.code, error.message, left / 1000);
    this.pause = null;
  }
}
