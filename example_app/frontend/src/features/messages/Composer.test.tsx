import { cleanup, createEvent, fireEvent, render, screen } from '@testing-library/react';
import { createRef, useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Composer } from './Composer';

const onSend = vi.fn();
const onInput = vi.fn();

const field = () => screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message' });
const write = (value: string) => fireEvent.change(field(), { target: { value } });

function Written() {
  const [text, setText] = useState('');
  onInput.mockImplementation(setText);
  onSend.mockImplementation(() => setText(''));
  return <Composer field={createRef()} name="bob" text={text} onInput={onInput} onLeave={() => undefined} onSend={onSend} />;
}

beforeEach(() => {
  onSend.mockReset();
  onInput.mockReset();
  render(<Written />);
});

afterEach(cleanup);

it('sends with Enter what is written, without the space around it', () => {
  write('  hello ');
  fireEvent.keyDown(field(), { key: 'Enter' });
  expect(onSend.mock.calls).toEqual([['hello']]);
  expect(field().value).toBe('');
  expect(onInput.mock.calls).toEqual([['  hello ']]);
});

it('does not send with Shift and Enter, which begins a line', () => {
  write('hello');
  const event = createEvent.keyDown(field(), { key: 'Enter', shiftKey: true });
  fireEvent(field(), event);
  expect([onSend.mock.calls.length, event.defaultPrevented]).toEqual([0, false]);
});

it('does not send while an input method composes a character', () => {
  write('にほん');
  fireEvent.keyDown(field(), { key: 'Enter', isComposing: true });
  expect(onSend).not.toHaveBeenCalled();
});

it('does not send with the key that ends a composition in Safari', () => {
  write('にほん');
  fireEvent.keyDown(field(), { key: 'Enter', keyCode: 229 });
  expect(onSend).not.toHaveBeenCalled();
});

it('says how much room is left, and why it does not send what is too long, of which nothing is cut', () => {
  const button = screen.getByRole<HTMLButtonElement>('button', { name: 'Send' });
  const note = () => document.getElementById(button.getAttribute('aria-describedby') ?? '')?.textContent;
  write('x'.repeat(3_990));
  expect(note()).toBe('10 characters left');
  write('x'.repeat(4_002));
  expect([note(), field().value.length, field().getAttribute('aria-invalid')]).toEqual([
    'Too long to send: 2 characters over 4,000',
    4_002,
    'true',
  ]);
  expect(screen.getByRole('status', { name: 'Length' }).textContent).toBe('The message is too long to be sent.');
  fireEvent.click(button);
  fireEvent.keyDown(field(), { key: 'Enter' });
  expect([onSend.mock.calls.length, field().value.length]).toEqual([0, 4_002]);
  write(` ${'x'.repeat(4_000)} `);
  fireEvent.click(button);
  expect(onSend.mock.calls).toEqual([['x'.repeat(4_000)]]);
});

it('has nothing to send in an empty field', () => {
  write('   ');
  fireEvent.keyDown(field(), { key: 'Enter' });
  expect(onSend).not.toHaveBeenCalled();
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
});
