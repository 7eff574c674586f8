import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 160;

interface Ends {
  first: string | undefined;
  /** What counts as new at the end. */
  last: string | undefined;
}

/**
 * Keep the newest message in view if it was, and what is being read where it was if earlier messages are put above it.
 *
 * @param ends - What is first and last in the list now.
 * @param loadEarlier - Called when the top comes near.
 */
export function useMessageScroll({ first, last }: Ends, loadEarlier: () => void) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const before = useRef({ first, height: 0 });
  const sticks = useRef(true);
  const [isAtBottom, setIsAtBottom] = useState(true);

  const toBottom = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    sticks.current = true;
    setIsAtBottom(true);
  }, []);

  const handleScroll = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    sticks.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM_PX;
    setIsAtBottom(sticks.current);
    if (box.scrollTop < NEAR_TOP_PX) loadEarlier();
  }, [loadEarlier]);

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const grown = box.scrollHeight - before.current.height;
    const isAbove = before.current.first !== undefined && before.current.first !== first;
    if (sticks.current) box.scrollTop = box.scrollHeight;
    else if (isAbove) box.scrollTop += grown;
    before.current = { first, height: box.scrollHeight };
  }, [first, last]);

  useEffect(() => {
    if (!scroller.current || !content.current) return;
    // The field below grows with its text, and a phone's keyboard takes room.
    const observer = new ResizeObserver(() => {
      if (sticks.current) toBottom();
    });
    observer.observe(scroller.current);
    observer.observe(content.current);
    return () => observer.disconnect();
  }, [toBottom]);

  return { scroller, content, isAtBottom, handleScroll, toBottom };
}
