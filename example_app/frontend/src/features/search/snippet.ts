export interface SnippetPart {
  text: string;
  isMarked: boolean;
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" };

const unescape = (html: string) => html.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity] ?? entity);

/** Read a snippet as text with marked parts, so that nothing of it is ever taken for HTML. */
export function partsOf(snippet: string): SnippetPart[] {
  const pieces = snippet.split(/<mark>(.*?)<\/mark>/s);
  return pieces.map((html, index) => ({ text: unescape(html), isMarked: index % 2 === 1 })).filter(({ text }) => text !== '');
}
