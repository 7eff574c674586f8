// Turning the colour circle by it again and again never comes near the same colour soon.
const GOLDEN_ANGLE = 137.508;

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const BETWEEN_WORDS = /[\s._@+-]+/u;

/** Choose a person's colour, in degrees of the colour circle: always the same one. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return Math.round((hash * GOLDEN_ANGLE) % 360);
}

/** Shorten a name to what fits in a picture: the first letters of its first and last word. */
export function initialsOf(name: string): string {
  const words = name.split(BETWEEN_WORDS).filter((word) => word !== '');
  const [first, last] = [words[0] ?? name, words.length > 1 ? words.at(-1) : undefined];
  return firstLetter(first) + (last === undefined ? '' : firstLetter(last));
}

const firstLetter = (word: string) => GRAPHEMES.segment(word)[Symbol.iterator]().next().value?.segment ?? '';
