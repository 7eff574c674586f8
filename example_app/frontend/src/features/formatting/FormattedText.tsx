import type { Nodes } from 'mdast';
import { Fragment, useMemo, type ReactNode } from 'react';

import { MentionText } from './MentionText';
import { parseMessage } from './parse';
import { PlainText } from './PlainText';

const WEB = /^https?:\/\//i;

/**
 * Shows a message with its links, lists, quotes, code and emphasis. Every element is one of those below: HTML that somebody has
 * written is text, and so is a link that leads anywhere but to the web.
 */
export default function FormattedText({ text }: { text: string }) {
  const root = useMemo(() => parseMessage(text), [text]);
  if (!root) return <PlainText text={text} />;
  return <div className="space-y-1.5">{childrenOf(root)}</div>;
}

function childrenOf(node: { children: Nodes[] }): ReactNode {
  return node.children.map((child, index) => <Fragment key={index}>{elementOf(child)}</Fragment>);
}

function elementOf(node: Nodes): ReactNode {
  switch (node.type) {
    case 'text':
      return <MentionText text={node.value} />;
    case 'paragraph':
      return <p dir="auto" className="whitespace-pre-wrap">{childrenOf(node)}</p>;
    case 'emphasis':
      return <em>{childrenOf(node)}</em>;
    case 'strong':
      return <strong className="font-semibold">{childrenOf(node)}</strong>;
    case 'delete':
      return <del>{childrenOf(node)}</del>;
    case 'inlineCode':
      return <code className="rounded bg-current/8 px-1 py-0.5 font-mono text-[0.875em]">{node.value}</code>;
    case 'code':
      return <CodeBlock text={node.value} />;
    case 'blockquote':
      return <blockquote dir="auto" className="space-y-1.5 border-s-3 border-current/40 ps-3">{childrenOf(node)}</blockquote>;
    case 'list':
      return <List isOrdered={node.ordered ?? false} start={node.start ?? 1}>{childrenOf(node)}</List>;
    case 'listItem':
      return <li dir="auto">{childrenOf(node)}</li>;
    case 'link':
      return WEB.test(node.url) ? <WebLink url={node.url}>{childrenOf(node)}</WebLink> : childrenOf(node);
    case 'break':
      return <br />;
    default:
      return 'children' in node ? childrenOf(node) : null;
  }
}

function WebLink({ url, children }: { url: string; children: ReactNode }) {
  return (
    <a href={url} target="_blank" rel="noopener noreferrer" className="break-all underline underline-offset-2">
      {children}
    </a>
  );
}

function List({ isOrdered, start, children }: { isOrdered: boolean; start: number; children: ReactNode }) {
  if (!isOrdered) return <ul className="list-disc space-y-0.5 ps-5">{children}</ul>;
  return (
    <ol start={start} className="list-decimal space-y-0.5 ps-7">
      {children}
    </ol>
  );
}

/** Reached with the keyboard, since what does not fit is scrolled to. */
function CodeBlock({ text }: { text: string }) {
  return (
    <pre tabIndex={0} className="overflow-x-auto rounded-lg bg-current/8 px-3 py-2 font-mono text-[0.8125rem] leading-relaxed">
      <code>{text}</code>
    </pre>
  );
}
