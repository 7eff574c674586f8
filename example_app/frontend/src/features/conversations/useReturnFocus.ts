import { useEffect, useRef } from 'react';

export const LIST_HEADING_ID = 'conversations';

/** Put the focus back on the conversation that was left, as its pane, which had it, is gone; on the list if it is not there any more. */
export function useReturnFocus(openId: string | null) {
  const previous = useRef(openId);
  useEffect(() => {
    if (openId === null && previous.current !== null) {
      const link = document.getElementById(`conversation-${previous.current}`);
      (link ?? document.getElementById(LIST_HEADING_ID))?.focus();
    }
    previous.current = openId;
  }, [openId]);
}
