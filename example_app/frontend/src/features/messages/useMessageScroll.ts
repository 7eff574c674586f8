import { useCallback, useLayoutEffect, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';

import { useHeight } from '../../ui/useHeight';

const NEAR_BOTTOM_PX = 80;
/** So much of a screen from the top, what is earlier is loaded: it is there before the reader is. */
const NEAR_TOP_SCREENS = 1.5;
const ABOVE_UNREAD_PX = 48;

interface Content {
  isLoaded: boolean;
  rowCount: number;
  /** Where the list opens: a row, or null for the end. */
  openAt: number | null;
  /** Whether rows follow that are not loaded. */
  hasLater?: boolean;
}

/**
 * Keep the newest row in view if it was, open the list where reading goes on, and have earlier messages loaded when the top comes near.
 *
 * @param content - What the list holds now.
 * @param loadEarlier - Called when the top comes near.
 * @param loadLater - Called when the end comes near, and more follows.
 * @returns What the list needs, with a reference for what stands above its rows, whether its end is in view, and `lastInView`: the last row that has been seen in full.
 */
export function useMessageScroll({ isLoaded, rowCount, openAt, hasLater = false }: Content, loadEarlier: () => void, loadLater: () => void) {
  const scroller = useRef<HTMLDivElement>(null);
  const [start, startHeight] = useHeight();
  const list = useRef<VirtualizerHandle>(null);
  const sticks = useRef(!hasLater);
  const isPart = useRef(hasLater);
  useLayoutEffect(() => {
    isPart.current = hasLater;
    if (hasLater) sticks.current = false;
  }, [hasLater]);
  const phase = useRef<'closed' | 'opening' | 'open'>('closed');
  const last = useRef({ top: 0, height: 0 });
  const [atBottom, setAtBottom] = useState<boolean | null>(null);
  const [lastInView, setLastInView] = useState(-1);

  const look = useCallback(() => {
    const box = scroller.current;
    if (!box || !list.current) return;
    const { scrollTop, scrollHeight, clientHeight } = box;
    // On the way to where the list opens, anything may come near, as long as the rows' heights are estimates.
    const distance = scrollHeight - clientHeight - (phase.current === 'open' ? scrollTop : 0);
    // Rows that turn out higher or lower move the end away, too; only who scrolls up leaves it.
    if (distance < NEAR_BOTTOM_PX) sticks.current = !isPart.current;
    else if (scrollTop < last.current.top && scrollHeight === last.current.height) sticks.current = false;
    last.current = { top: scrollTop, height: scrollHeight };
    setAtBottom(sticks.current);
    if (phase.current === 'open') setLastInView(lastRowAbove(list.current, scrollTop + clientHeight, startHeight));
  }, [startHeight]);

  const toRow = useCallback((index: number) => {
    sticks.current = false;
    list.current?.scrollToIndex(index, { align: 'center' });
  }, []);

  const toBottom = useCallback(() => {
    const box = scroller.current;
    if (!box || phase.current === 'closed') return;
    sticks.current = true;
    setAtBottom(true);
    box.scrollTop = box.scrollHeight;
  }, []);

  const handleScroll = useCallback(() => {
    look();
    const box = scroller.current;
    if (phase.current !== 'open' || !box) return;
    const near = box.clientHeight * NEAR_TOP_SCREENS;
    if (box.scrollTop < near) loadEarlier();
    if (isPart.current && box.scrollHeight - box.scrollTop - box.clientHeight < near) loadLater();
  }, [look, loadEarlier, loadLater]);

  const handleScrollEnd = useCallback(() => {
    phase.current = 'open';
    handleScroll();
  }, [handleScroll]);

  // Told before the list is as high as its rows, which it is when the effects of the next rendering run.
  const [resizes, setResizes] = useState(0);
  const handleResize = useCallback(() => setResizes((count) => count + 1), []);

  useLayoutEffect(() => {
    if (!isLoaded || phase.current !== 'closed') return;
    // The first message needs no scrolling, and nothing would tell of its end.
    phase.current = openAt === null || openAt === 0 ? 'open' : 'opening';
    if (openAt === null) return;
    sticks.current = false;
    list.current?.scrollToIndex(openAt, { align: 'start', offset: -ABOVE_UNREAD_PX });
  }, [isLoaded, openAt]);

  useLayoutEffect(() => {
    if (phase.current === 'closed') return;
    if (sticks.current) toBottom();
    // Before the first, heights are estimates.
    if (resizes > 0) look();
  }, [rowCount, resizes, look, toBottom]);

  const isAtBottom = !hasLater && (atBottom ?? openAt === null);
  return { scroller, start, startHeight, list, isAtBottom, lastInView, handleScroll, handleScrollEnd, handleResize, toBottom, toRow };
}

/** The last row that ends above a line; one that is taller than the screen counts when it begins there. */
function lastRowAbove(list: VirtualizerHandle, line: number, startHeight: number): number {
  const index = list.findItemIndex(line);
  const height = list.getItemSize(index);
  const isShown = startHeight + list.getItemOffset(index) + Math.min(height, list.viewportSize) <= line + 1;
  return isShown ? index : index - 1;
}
