import { act } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { openSocket, type FakeSocket } from '../../testing/fakeSocket';
import { renderRealtimeHook } from '../../testing/realtime';
import { useTyping } from './useTyping';

let socket: FakeSocket;

beforeEach(() => {
  vi.useFakeTimers();
  socket = openSocket();
});

afterEach(() => {
  vi.useRealTimers();
});

const open = () => renderRealtimeHook(socket, () => useTyping('1'));
const names = () => socket.sent.map(([event]) => event);

describe('one’s own typing', () => {
  it('is said once for many keys, and again before the server forgets it', () => {
    const { result } = open();
    for (let second = 0; second < 7; second += 1) {
      result.current.handleInput('hello'.slice(0, second + 1));
      vi.advanceTimersByTime(1_000);
    }
    expect(names()).toEqual(['typing:start', 'typing:start', 'typing:start']);
    expect(socket.sent[0]).toEqual(['typing:start', { conversationId: '1' }]);
  });

  it('ends after a pause', () => {
    const { result } = open();
    result.current.handleInput('h');
    vi.advanceTimersByTime(5_000);
    expect(names()).toEqual(['typing:start', 'typing:stop']);
  });

  it.each([
    ['the field is emptied', (hook: ReturnType<typeof open>) => hook.result.current.handleInput(' ')],
    ['the message is sent', (hook: ReturnType<typeof open>) => hook.result.current.stopTyping()],
    ['the conversation is left', (hook: ReturnType<typeof open>) => hook.unmount()],
  ])('ends when %s, and is said to have ended once', (_when, end) => {
    const hook = open();
    hook.result.current.handleInput('h');
    end(hook);
    vi.advanceTimersByTime(10_000);
    expect(names()).toEqual(['typing:start', 'typing:stop']);
  });

  it('is not kept for a later connection', () => {
    socket.lose();
    const { result } = open();
    result.current.handleInput('h');
    vi.advanceTimersByTime(10_000);
    expect(names()).toEqual([]);
  });
});

describe('the typing of others', () => {
  const start = (userId: string, conversationId: string | number = '1') =>
    act(() => socket.receive('typing:start', { conversationId, userId }));

  it('is shown for this conversation, each user once', () => {
    const { result } = open();
    start('2');
    start('2', 1);
    start('3');
    start('4', '2');
    expect(result.current.typingUserIds).toEqual(['2', '3']);
  });

  it.each([
    ['it ends', () => socket.receive('typing:stop', { conversationId: '1', userId: '2' })],
    ['their message arrives', () => socket.receive('message:new', { conversationId: '1', senderId: '2' })],
    ['the connection is lost', () => socket.lose()],
  ])('is shown no more when %s', (_when, happen) => {
    const { result } = open();
    start('2');
    act(() => happen());
    expect(result.current.typingUserIds).toEqual([]);
  });
});
