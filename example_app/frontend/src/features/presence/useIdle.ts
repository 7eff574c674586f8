import { useEffect } from 'react';

import { useRealtime } from '../../realtime/RealtimeProvider';
import { listen } from '../../realtime/socket';

const IDLE_AFTER_MS = 5 * 60_000;
const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'] as const;

/**
 * Tell the server when nobody has used this page for a while, and when somebody does again. A new connection is told too.
 *
 * @param idleAfter - Milliseconds.
 */
export function useIdle(idleAfter = IDLE_AFTER_MS) {
  const { socket } = useRealtime();
  useEffect(() => {
    if (!socket) return;
    let isIdle = false;
    let lastInput = Date.now();
    let timer = setTimeout(look, idleAfter);

    function look() {
      const left = lastInput + idleAfter - Date.now();
      if (left > 0) {
        timer = setTimeout(look, left);
        return;
      }
      isIdle = true;
      if (socket?.connected) socket.emit('presence:idle');
    }

    function handleInput() {
      lastInput = Date.now();
      if (!isIdle) return;
      isIdle = false;
      timer = setTimeout(look, idleAfter);
      if (socket?.connected) socket.emit('presence:active');
    }

    const stopListening = listen(socket, { connect: () => isIdle && socket.emit('presence:idle') });
    const options = { capture: true, passive: true };
    for (const input of INPUTS) window.addEventListener(input, handleInput, options);
    return () => {
      clearTimeout(timer);
      stopListening();
      for (const input of INPUTS) window.removeEventListener(input, handleInput, options);
    };
  }, [socket, idleAfter]);
}
