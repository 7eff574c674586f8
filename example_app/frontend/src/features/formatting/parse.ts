import type { Nodes, Root } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmAutolinkLiteralFromMarkdown } from 'mdast-util-gfm-autolink-literal';
import { gfmStrikethroughFromMarkdown } from 'mdast-util-gfm-strikethrough';
import { gfmAutolinkLiteral } from 'micromark-extension-gfm-autolink-literal';
import { gfmStrikethrough } from 'micromark-extension-gfm-strikethrough';

// Parsing and laying out take longer the deeper text is nested; people do not quote a quote so often.
const MOST_MARKERS = 10;
const DEEPEST = 24;
const DEEPLY_NESTED = new RegExp(`^(?:[ \\t]*(?:>|[-+*][ \\t]|\\d{1,9}[.)][ \\t])){${MOST_MARKERS}}`, 'm');

// What stays text as it was written. A link always shows where it leads, so it has no text of its own; a definition would disappear.
const DISABLED = [
  'htmlFlow',
  'htmlText',
  'headingAtx',
  'setextUnderline',
  'thematicBreak',
  'codeIndented',
  'definition',
  'characterReference',
  'labelStartImage',
  'labelStartLink',
  'labelEnd',
];

/**
 * Parse the light Markdown of messages.
 *
 * @returns Nodes that are paragraphs, lists, quotes, code, emphasis and links; null where the text is better shown as it is.
 */
export function parseMessage(text: string): Root | null {
  if (DEEPLY_NESTED.test(text)) return null;
  const root = fromMarkdown(text, {
    extensions: [{ disable: { null: DISABLED } }, gfmAutolinkLiteral(), gfmStrikethrough()],
    mdastExtensions: [gfmAutolinkLiteralFromMarkdown(), gfmStrikethroughFromMarkdown()],
  });
  return isDeeperThan(DEEPEST, root) ? null : root;
}

function isDeeperThan(depth: number, node: Nodes): boolean {
  if (!('children' in node)) return false;
  return depth === 0 || node.children.some((child) => isDeeperThan(depth - 1, child));
}
