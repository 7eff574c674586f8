import { useCallback, useState, type RefCallback } from 'react';

/**
 * Measure an element as long as it is there.
 *
 * @returns A reference to give it, and its height in pixels, which is 0 before it is there.
 */
export function useHeight(): [RefCallback<HTMLElement>, number] {
  const [height, setHeight] = useState(0);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return;
    const measure = () => setHeight(element.offsetHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return [ref, height];
}
