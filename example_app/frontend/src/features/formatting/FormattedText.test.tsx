import { cleanup, render } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import FormattedText from './FormattedText';

afterEach(cleanup);

/** The elements and the text of a message, without the attributes that only style it. */
function shown(text: string): string {
  const { container } = render(<FormattedText text={text} />);
  for (const element of container.querySelectorAll('*')) {
    element.removeAttribute('class');
    element.removeAttribute('dir');
  }
  return (container.firstElementChild as HTMLElement).innerHTML;
}

const link = (url: string, text = url) => `<a href="${url}" target="_blank" rel="noopener noreferrer">${text}</a>`;

it.each([
  ['**bold** *italic* _italic_ ~~gone~~', '<p><strong>bold</strong> <em>italic</em> <em>italic</em> <del>gone</del></p>'],
  ['`a *b*`', '<p><code>a *b*</code></p>'],
  ['```js\nlet a = 1;\n\n  a < b\n```', '<pre tabindex="0"><code>let a = 1;\n\n  a &lt; b</code></pre>'],
  ['> said\n> so\n\nno', '<blockquote><p>said\nso</p></blockquote><p>no</p>'],
  ['- one\n- two', '<ul><li><p>one</p></li><li><p>two</p></li></ul>'],
  ['3. three\n4. four', '<ol start="3"><li><p>three</p></li><li><p>four</p></li></ol>'],
  ['one\ntwo', '<p>one\ntwo</p>'],
])('formats %j', (text, html) => {
  expect(shown(text)).toBe(html);
});

it.each([
  ['see https://example.org/a?b=c#d.', `<p>see ${link('https://example.org/a?b=c#d')}.</p>`],
  ['(www.example.org)', `<p>(${link('http://www.example.org', 'www.example.org')})</p>`],
  ['<https://example.org>', `<p>${link('https://example.org')}</p>`],
])('makes links to the web in %j', (text, html) => {
  expect(shown(text)).toBe(html);
});

it.each([
  'javascript:alert(1)',
  '<javascript:alert(1)>',
  'data:text/html,hello',
  'ftp://example.org',
  'anna@example.org',
  'mailto:anna@example.org',
])('makes no link of %j', (text) => {
  expect(shown(text)).not.toContain('<a');
});

describe('what others write', () => {
  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<b>bold</b>\n\n<div>block</div>',
    '# no heading',
    'no heading\n===',
    'a\n\n---\n\nb',
    '    no code',
    '[a label](https://elsewhere.example)',
    '![a picture](tracker.png)',
    '[a]: definition',
    '| a | b |\n|---|---|',
    '&lt;b&gt; &copy;',
  ])('stays text: %j', (text) => {
    const { container } = render(<FormattedText text={text} />);
    expect(container.textContent?.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
    const tags = new Set([...container.querySelectorAll('*')].map(({ tagName }) => tagName));
    expect([...tags].filter((tag) => !['DIV', 'P', 'A'].includes(tag))).toEqual([]);
    expect(container.innerHTML).not.toMatch(/<(script|img|b|h1|hr|table)\b/);
  });

  it('shows of a link with a label where it leads', () => {
    const { container } = render(<FormattedText text="[your bank](https://elsewhere.example)" />);
    expect(container.textContent).toBe('[your bank](https://elsewhere.example)');
  });

  it.each([
    ['quotes', '>'.repeat(4000)],
    ['lists', '- '.repeat(2000)],
    ['emphasis', '*a _b '.repeat(300) + 'x_ y* '.repeat(300)],
  ])('is shown as it is when it nests %s without end', (_, text) => {
    const { container } = render(<FormattedText text={text} />);
    expect(container.textContent).toBe(text);
    expect(container.querySelectorAll('*').length).toBeLessThan(5);
  });
});

it('has each block run in the direction of its own script', () => {
  const { container } = render(<FormattedText text={'שלום **עולם**\n\n> hello\n\n- مرحبا'} />);
  for (const block of container.querySelectorAll('p, blockquote, li')) expect(block.getAttribute('dir')).toBe('auto');
});
