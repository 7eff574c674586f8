import type { Nodes } from 'mdast';

import { parseMessage } from './parse';

/** Return what a message says once it is formatted, without its paragraphs, lists and lines. */
export function plainTextOf(text: string): string {
  const root = parseMessage(text);
  return root ? textOf(root) : text;
}

function textOf(node: Nodes): string {
  if ('value' in node) return node.value;
  if (!('children' in node)) return ' ';
  return node.children.map(textOf).join(holdsBlocks(node) ? ' ' : '');
}

const holdsBlocks = ({ type }: Nodes) => type === 'root' || type === 'blockquote' || type === 'list' || type === 'listItem';
