import { useMemo } from 'react';

import { plainTextOf } from './plainText';

/** Shows a message as plain text. */
export default function PlainLine({ text }: { text: string }) {
  return useMemo(() => plainTextOf(text), [text]);
}
