// Emphasis, code, escapes, quotes, lists and addresses. What has none of them needs no parser.
const MARKUP = /[*_~`\\<]|https?:\/\/|www\.|^\s*(?:>|[-+]\s|\d{1,9}[.)]\s)/im;

/** Return whether a text may look different when it is formatted. */
export const hasMarkup = (text: string) => MARKUP.test(text);
