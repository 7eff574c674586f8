import { useEffect, useRef, type MouseEvent, type TouchEvent } from 'react';

const HELD_MS = 500;
const MOST_MOVE_PX = 10;
/** What does something of its own when it is held. */
const OWN = 'a, button';

interface Press {
  timer: ReturnType<typeof setTimeout>;
  x: number;
  y: number;
}

/**
 * Tell when a finger rests on something, as on a phone it does for a menu. A finger that scrolls does not.
 *
 * @param onHeld - Called while the finger is still there.
 * @returns The handlers of the element.
 */
export function useLongPress(onHeld: () => void) {
  const press = useRef<Press | null>(null);
  const wasHeld = useRef(false);

  function end() {
    if (press.current) clearTimeout(press.current.timer);
    press.current = null;
  }
  useEffect(() => end, []);

  function onTouchStart({ touches, target }: TouchEvent) {
    end();
    wasHeld.current = false;
    const touch = touches[0];
    if (!touch || touches.length > 1 || (target as Element).closest(OWN)) return;
    const timer = setTimeout(() => {
      end();
      wasHeld.current = true;
      onHeld();
    }, HELD_MS);
    press.current = { timer, x: touch.clientX, y: touch.clientY };
  }

  function onTouchMove({ touches }: TouchEvent) {
    const start = press.current;
    const touch = touches[0];
    if (start && touch && Math.hypot(touch.clientX - start.x, touch.clientY - start.y) > MOST_MOVE_PX) end();
  }

  function onTouchEnd(event: TouchEvent) {
    end();
    // What would follow is a click, on what is under the finger by now.
    if (wasHeld.current) event.preventDefault();
  }

  /** The browser's own menu, which some open after the same time. */
  function onContextMenu(event: MouseEvent) {
    if (press.current || wasHeld.current) event.preventDefault();
  }

  return { onTouchStart, onTouchMove, onTouchEnd, onTouchCancel: end, onContextMenu };
}
