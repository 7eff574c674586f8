import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { useLongPress } from './useLongPress';

let held = 0;

function Held() {
  const press = useLongPress(() => {
    held += 1;
  });
  return (
    <div data-testid="held" {...press}>
      <a href="#there">link</a>
    </div>
  );
}

const at = (clientX: number, clientY: number) => ({ touches: [{ clientX, clientY }] });

beforeEach(() => {
  held = 0;
  vi.useFakeTimers();
  render(<Held />);
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

it('tells while the finger rests, and lets no click follow', () => {
  const element = screen.getByTestId('held');
  fireEvent.touchStart(element, at(5, 5));
  fireEvent.touchMove(element, at(8, 9));
  expect(fireEvent.contextMenu(element)).toBe(false);
  vi.advanceTimersByTime(499);
  expect(held).toBe(0);
  vi.advanceTimersByTime(1);
  expect(held).toBe(1);
  expect(fireEvent.touchEnd(element)).toBe(false);
});

it('does not tell of a tap, of what scrolls, or of two fingers', () => {
  const element = screen.getByTestId('held');
  fireEvent.touchStart(element, at(5, 5));
  expect(fireEvent.touchEnd(element)).toBe(true);
  fireEvent.touchStart(element, at(5, 5));
  fireEvent.touchMove(element, at(5, 16));
  fireEvent.touchStart(element, { touches: [{ clientX: 1, clientY: 1 }, { clientX: 9, clientY: 9 }] });
  vi.advanceTimersByTime(1_000);
  expect(held).toBe(0);
});

it('leaves a link to the browser, and a right click', () => {
  fireEvent.touchStart(screen.getByRole('link'), at(5, 5));
  vi.advanceTimersByTime(1_000);
  expect(held).toBe(0);
  expect(fireEvent.contextMenu(screen.getByTestId('held'))).toBe(true);
});
