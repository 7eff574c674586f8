/** The emoji that are one step away. */
export const QUICK = ['👍', '❤️', '😂', '🎉', '😮', '😢'];

/** Emoji that people react with, and words by which they are found. */
export const USUAL: [emoji: string, words: string][] = [
  ['👍', 'thumbs up yes good'],
  ['👎', 'thumbs down no bad'],
  ['❤️', 'heart love'],
  ['😂', 'tears of joy laugh'],
  ['🎉', 'party tada congratulations'],
  ['😮', 'surprised wow'],
  ['😢', 'crying sad'],
  ['😡', 'angry'],
  ['🙏', 'thanks please folded hands'],
  ['👏', 'clapping applause'],
  ['🔥', 'fire hot'],
  ['💯', 'hundred points'],
  ['✅', 'check done'],
  ['❌', 'cross no'],
  ['👀', 'eyes looking'],
  ['🚀', 'rocket ship'],
  ['😀', 'grinning happy'],
  ['😄', 'smile happy'],
  ['😅', 'sweat relief'],
  ['🤣', 'rolling laugh'],
  ['😊', 'blush happy'],
  ['😍', 'heart eyes love'],
  ['😘', 'kiss'],
  ['😎', 'sunglasses cool'],
  ['🤔', 'thinking'],
  ['🤷', 'shrug'],
  ['🙄', 'rolling eyes'],
  ['😴', 'sleeping tired'],
  ['😭', 'sobbing sad'],
  ['😱', 'screaming fear'],
  ['🤯', 'exploding head'],
  ['🥳', 'party face'],
  ['🤝', 'handshake deal'],
  ['👋', 'waving hello bye'],
  ['💪', 'strong muscle'],
  ['👌', 'ok'],
  ['✌️', 'victory peace'],
  ['🤞', 'crossed fingers luck'],
  ['🙌', 'raised hands'],
  ['💔', 'broken heart'],
  ['✨', 'sparkles'],
  ['⭐', 'star'],
  ['💡', 'idea bulb'],
  ['⚠️', 'warning'],
  ['❓', 'question'],
  ['☕', 'coffee'],
  ['🍕', 'pizza'],
  ['🎂', 'cake birthday'],
];

/** Return the usual emoji that a word stands for; all of them without one. */
export function findEmoji(query: string): [emoji: string, words: string][] {
  const wanted = query.trim().toLowerCase();
  return USUAL.filter(([emoji, words]) => emoji === wanted || words.includes(wanted));
}

/** Whether a text may be an emoji of its own, which the list does not have; the server says whether it is one. */
export const mayBeEmoji = (text: string) => /^\S{1,40}$/u.test(text) && /[\p{Extended_Pictographic}\p{Regional_Indicator}\u20e3]/u.test(text);
