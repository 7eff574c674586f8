import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FakeSocket, openSocket } from '../../testing/fakeSocket';
import { ALICE, FakeStore } from '../../testing/messages';
import { MemoryTexts } from './memoryTexts';
import { newClientId, Outbox, SENT_BY_ITSELF_MS } from './outbox';
import { startSender } from './sender';

const LOST = new Error('socket has been disconnected');

let store: FakeStore;
let texts: MemoryTexts;
let ends: (() => void)[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
  store = new FakeStore();
  texts = new MemoryTexts();
  ends = [];
});

afterEach(() => {
  for (const end of ends) end();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const HERE = { conversationId: '1', threadId: null };

/** A tab of alice's, which shares what she has written with the others. */
function openTab(socket: FakeSocket = openSocket()) {
  store.serve(socket);
  const outbox = new Outbox(ALICE.id, Promise.resolve(texts));
  ends.push(outbox.open(), startSender(socket.asSocket, outbox));
  const write = (...contents: string[]) =>
    contents.reduce((before, content) => before.then(() => outbox.send(HERE, content, null)), Promise.resolve());
  return { socket, outbox, write, waiting: () => outbox.waiting().map(({ content }) => content) };
}

const stored = (conversationId = '1') =>
  store.messages.filter((message) => message.conversationId === conversationId).map(({ content }) => content);
const until = (...contents: string[]) => vi.waitFor(() => expect(stored()).toEqual(contents));
const problems = (outbox: Outbox) => outbox.waiting().map(({ problem }) => problem);

describe('what is written', () => {
  it('is sent in order, each message after the one before it is answered', async () => {
    const { socket, write, waiting } = openTab();
    let answer: (() => void)[] = [];
    store.onSend = () => new Promise((resolve) => answer.push(resolve));
    await write('one', 'two', 'three');
    for (const expected of [['one'], ['one', 'two'], ['one', 'two', 'three']]) {
      await until(...expected);
      await vi.waitFor(() => expect(answer).toHaveLength(1));
      answer.forEach((resolve) => resolve());
      answer = [];
    }
    await vi.waitFor(() => expect(waiting()).toEqual([]));
    expect(socket.sentEvents('message:send')).toHaveLength(3);
  });

  it('waits for a connection, and is sent by itself then', async () => {
    const { socket, write, waiting } = openTab(new FakeSocket());
    await write('one', 'two');
    expect([waiting(), socket.sent]).toEqual([['one', 'two'], []]);
    socket.open();
    await until('one', 'two');
    await vi.waitFor(() => expect(waiting()).toEqual([]));
  });

  it('is sent once more with the same id, in order and stored once, if the connection was lost before the answer', async () => {
    const { socket, write } = openTab();
    store.onSend = async () => {
      if (socket.sentEvents('message:send').length > 1) return;
      socket.lose();
      throw LOST;
    };
    await write('one', 'two');
    await until('one');
    socket.open();
    await vi.advanceTimersByTimeAsync(2_000);
    await until('one', 'two');
    const ids = socket.sentEvents('message:send').map(([payload]) => (payload as { clientId: string }).clientId);
    expect([ids.length, new Set(ids).size, ids[0] === ids[1]]).toEqual([3, 2, true]);
  });

  it('is sent after a reload, and has the id with which it was tried before', async () => {
    const before = openTab();
    store.onSend = () => new Promise(() => undefined);
    await before.write('one', 'two');
    await until('one');
    ends.splice(0).forEach((end) => end());
    store.onSend = async () => undefined;
    const after = openTab();
    await until('one', 'two');
    await vi.waitFor(() => expect(after.waiting()).toEqual([]));
  });

  it('is sent again, a little later, if no answer comes', async () => {
    const { write } = openTab();
    let tries = 0;
    store.onSend = () => ((tries += 1) < 3 ? Promise.reject(new Error('operation has timed out')) : Promise.resolve());
    await write('one');
    await vi.waitFor(() => expect(tries).toBe(1));
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(() => expect(tries).toBe(3));
    expect(stored()).toEqual(['one']);
  });
});

describe('two tabs', () => {
  async function writeAlternately() {
    const tabs = [openTab(new FakeSocket()), openTab(new FakeSocket())];
    const contents = ['one', 'two', 'three', 'four'];
    for (const [place, content] of contents.entries()) await tabs[place % 2]?.write(content);
    for (const { socket } of tabs) socket.open();
    await until(...contents);
    for (const { waiting } of tabs) await vi.waitFor(() => expect(waiting()).toEqual([]));
    return tabs.reduce((sum, { socket }) => sum + socket.sentEvents('message:send').length, 0);
  }

  it('send everything once and in order, without locks too', async () => {
    await writeAlternately();
  });

  it('send one after the other where the browser has locks', async () => {
    const locks = new FakeLocks();
    vi.stubGlobal('navigator', { onLine: true, locks });
    expect(await writeAlternately()).toBe(4);
    expect([[...locks.names], locks.most]).toEqual([['flask_realtime.outbox.1'], 1]);
  });

  it('have what one of them writes sent by the other, if that one alone is connected', async () => {
    const [away, there] = [openTab(new FakeSocket()), openTab()];
    await away.write('one');
    await until('one');
    await vi.waitFor(() => expect([away.waiting(), there.waiting()]).toEqual([[], []]));
  });

  it('do not wake each other up for a message that the server fails to store', async () => {
    const tabs = [openTab(), openTab()];
    for (const { socket } of tabs) {
      socket.answers.set('message:send', () => ({ error: { code: 'internal_error', message: 'Failed' } }));
    }
    await tabs[0]?.write('one');
    await vi.advanceTimersByTimeAsync(2_500);
    const tries = tabs.reduce((sum, { socket }) => sum + socket.sentEvents('message:send').length, 0);
    expect(tries).toBeLessThan(10);
  });
});

describe('a message that the server refuses', () => {
  it('is not sent by itself any more, those behind it are, and it is when the user wants it', async () => {
    const { socket, outbox, write, waiting } = openTab();
    const take = socket.answers.get('message:send');
    socket.answers.set('message:send', (payload) =>
      (payload as { content: string }).content === 'bad'
        ? { error: { code: 'bad_request', message: 'content is bad' } }
        : take?.(payload),
    );
    await write('bad', 'good');
    await until('good');
    await vi.waitFor(() => expect([waiting(), problems(outbox)]).toEqual([['bad'], ['content is bad']]));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(socket.sentEvents('message:send')).toHaveLength(2);
    store.serve(socket);
    const [refused] = outbox.waiting();
    if (refused) await outbox.retry(refused);
    await until('good', 'bad');
    await vi.waitFor(() => expect(waiting()).toEqual([]));
  });

  it('is gone when it is discarded', async () => {
    const { socket, outbox, write, waiting } = openTab();
    socket.answers.set('message:send', () => ({ error: { code: 'forbidden', message: 'Not here' } }));
    await write('one');
    await vi.waitFor(() => expect(problems(outbox)).toEqual(['Not here']));
    const [refused] = outbox.waiting();
    if (refused) await outbox.discard(refused);
    expect(waiting()).toEqual([]);
  });
});

it('waits as long as the server says, though more is written meanwhile', async () => {
  const { socket, write } = openTab();
  socket.answers.set('message:send', () => ({ error: { code: 'rate_limited', message: 'Too many', retryAfter: 30 } }));
  await write('one');
  await vi.waitFor(() => expect(socket.sentEvents('message:send')).toHaveLength(1));
  store.serve(socket);
  await write('two');
  await vi.advanceTimersByTimeAsync(29_000);
  expect(stored()).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  await until('one', 'two');
});

it('holds one conversation back while the server fails there, and asks the user after a minute', async () => {
  const { socket, outbox, write } = openTab();
  const take = socket.answers.get('message:send');
  socket.answers.set('message:send', (payload) =>
    (payload as { conversationId: string }).conversationId === '1'
      ? { error: { code: 'internal_error', message: 'The server failed' } }
      : take?.(payload),
  );
  await write('one', 'two');
  await outbox.send({ conversationId: '2', threadId: null }, 'elsewhere', null);
  await vi.waitFor(() => expect(stored('2')).toEqual(['elsewhere']));
  expect([stored(), problems(outbox)]).toEqual([[], [null, null]]);
  await vi.advanceTimersByTimeAsync(90_000);
  await vi.waitFor(() => expect(problems(outbox)).toEqual(['The server failed', null]));
});

it('sends what belongs to a message with it, and its draft alone is gone then', async () => {
  const { socket, outbox } = openTab();
  const thread = { ...HERE, threadId: '7' };
  await outbox.keepDraft(HERE, 'elsewhere');
  await outbox.keepDraft(thread, 'look @bob');
  await outbox.send(thread, 'look @bob', null, { replyTo: '8', mentions: ['2'] });
  await vi.waitFor(() => expect(store.messages).toMatchObject([{ content: 'look @bob', threadId: '7', replyTo: '8' }]));
  const [sent] = socket.sentEvents('message:send');
  expect(sent).toMatchObject([{ mentions: ['2'] }]);
  expect([await outbox.draft(HERE), await outbox.draft(thread)]).toEqual(['elsewhere', '']);
});

describe('a message that the server may no longer know', () => {
  it('is not sent by itself, and with another id when the user wants it', async () => {
    const { socket, outbox, write, waiting } = openTab(new FakeSocket());
    await write('one');
    const [written] = outbox.waiting();
    vi.setSystemTime(Date.now() + SENT_BY_ITSELF_MS + 1);
    await write('two');
    socket.open();
    await until('two');
    await vi.waitFor(() => expect(waiting()).toEqual(['one']));
    const [old] = outbox.waiting();
    expect([old?.clientId, old?.problem]).toEqual([written?.clientId, expect.stringContaining('may have been sent')]);
    if (old) await outbox.retry(old);
    await until('two', 'one');
    expect(socket.sentEvents('message:send').some(([payload]) => (payload as { clientId: string }).clientId === old?.clientId)).toBe(false);
  });

  it('is sent by itself up to then', async () => {
    const { socket, write } = openTab(new FakeSocket());
    await write('one');
    vi.setSystemTime(Date.now() + SENT_BY_ITSELF_MS - 10_000);
    socket.open();
    await until('one');
  });
});

describe('the id of a message', () => {
  it('is another one each time, on pages over plain HTTP too', () => {
    const secure = new Set(Array.from({ length: 100 }, newClientId));
    vi.stubGlobal('crypto', { getRandomValues: <Values extends ArrayBufferView>(values: Values) => randomValues(values) });
    const plain = new Set(Array.from({ length: 100 }, newClientId));
    expect([secure.size, plain.size]).toEqual([100, 100]);
  });
});

const { crypto: realCrypto } = globalThis;
const randomValues = <Values extends ArrayBufferView>(values: Values) => realCrypto.getRandomValues(values);

class FakeLocks {
  readonly names = new Set<string>();
  most = 0;
  private held = 0;
  private last: Promise<unknown> = Promise.resolve();

  request(name: string, work: () => Promise<void>): Promise<void> {
    this.names.add(name);
    const done = this.last.then(async () => {
      this.most = Math.max(this.most, ++this.held);
      try {
        await work();
      } finally {
        this.held -= 1;
      }
    });
    this.last = done.catch(() => undefined);
    return done;
  }
}
