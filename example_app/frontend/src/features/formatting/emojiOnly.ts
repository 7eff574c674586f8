const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
// Signs such as © are pictures only where the text asks for it; flags and keycaps are put together of what is none.
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\u{FE0F}|\p{Regional_Indicator}{2}|[\d#*]\u{FE0F}?\u{20E3})/u;
const MOST = 3;
const LONGEST = 100;

/** Return whether a text is one to three emoji and nothing else, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  const signs = text.replace(/\s+/gu, '');
  if (signs === '' || signs.length > LONGEST) return false;
  const graphemes = [...GRAPHEMES.segment(signs)];
  return graphemes.length <= MOST && graphemes.every(({ segment }) => EMOJI.test(segment));
}
