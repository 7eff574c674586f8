import { act, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { openSocket } from '../../testing/fakeSocket';
import { ALICE, BOB, makeMessage } from '../../testing/messages';
import { renderRealtimeHook } from '../../testing/realtime';
import { laterStatus } from './status';
import { useDelivered, useReceipts } from './useReceipts';

describe('what has reached the device', () => {
  it('is said once for the newest message of each conversation', async () => {
    const socket = openSocket();
    renderRealtimeHook(socket, () => useDelivered(ALICE.id, 5));
    act(() => {
      for (const id of [1, 2]) socket.receive('message:new', makeMessage(id));
      socket.receive('message:new', makeMessage(3, { conversationId: '2' }));
      socket.receive('message:new', makeMessage(4, { senderId: ALICE.id, sender: ALICE }));
    });
    const expected = [[{ conversationId: '1', upTo: '2' }], [{ conversationId: '2', upTo: '3' }]];
    await waitFor(() => expect(socket.sentEvents('messages:delivered')).toEqual(expected));
    act(() => socket.receive('message:new', makeMessage(5)));
    await waitFor(() => expect(socket.sentEvents('messages:delivered')).toHaveLength(3));
  });
});

describe('receipts of others', () => {
  it('are followed once for several, and never by those of oneself or of other conversations', async () => {
    const socket = openSocket();
    let calls = 0;
    renderRealtimeHook(socket, () => useReceipts('1', ALICE.id, () => (calls += 1), 5));
    act(() => {
      socket.receive('messages:read', { conversationId: '1', messageIds: ['1'], userId: ALICE.id, upTo: '1' });
      socket.receive('messages:delivered', { conversationId: '2', messageIds: ['1'], userId: BOB.id, upTo: '1' });
    });
    act(() => {
      socket.receive('messages:delivered', { conversationId: 1, messageIds: ['1'], userId: BOB.id, upTo: '1' });
      socket.receive('messages:read', { conversationId: '1', messageIds: ['1'] });
    });
    await waitFor(() => expect(calls).toBe(1));
    act(() => socket.receive('messages:read', { conversationId: '1', messageIds: ['2'], userId: BOB.id, upTo: '2' }));
    await waitFor(() => expect(calls).toBe(2));
  });
});

describe('a status', () => {
  it('does not go back', () => {
    expect(laterStatus('read', 'sent')).toBe('read');
    expect(laterStatus('sent', 'delivered')).toBe('delivered');
    expect(laterStatus(null, null)).toBeNull();
  });
});
