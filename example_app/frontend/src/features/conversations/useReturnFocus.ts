import { useEffect, useRef } from 'react';

/** Put the focus back on the conversation that was left, as its pane, which had it, is gone. */
export function useReturnFocus(openId: string | null) {
  const previous = useRef(openId);
  useEffect(() => {
    if (openId === null && previous.current !== null) {
      document.getElementById(`conversation-${previous.current}`)?.focus();
    }
    previous.current = openId;
  }, [openId]);
}
