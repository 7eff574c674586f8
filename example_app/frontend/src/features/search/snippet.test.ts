import { expect, it } from 'vitest';

import { partsOf } from './snippet';

it('marks what was found, and takes everything else for text', () => {
  expect(partsOf('…say <mark>Hello</mark>, <mark>w</mark>örld')).toEqual([
    { text: '…say ', isMarked: false },
    { text: 'Hello', isMarked: true },
    { text: ', ', isMarked: false },
    { text: 'w', isMarked: true },
    { text: 'örld', isMarked: false },
  ]);
});

it('shows what was escaped as it was written, once', () => {
  expect(partsOf('&lt;b&gt;&amp;lt; &quot;a&quot; &#x27;b&#x27;')).toEqual([{ text: `<b>&lt; "a" 'b'`, isMarked: false }]);
  expect(partsOf('<mark>&lt;mark&gt;</mark>\n<img>')).toEqual([
    { text: '<mark>', isMarked: true },
    { text: '\n<img>', isMarked: false },
  ]);
  expect(partsOf('')).toEqual([]);
});
