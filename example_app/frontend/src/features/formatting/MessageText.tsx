import { partForLater } from '../../ui/later';
import { isEmojiOnly } from './emojiOnly';
import { hasMarkup } from './hasMarkup';
import { PlainText } from './PlainText';

// The parser is larger than all of the message list; what it formats can be read without it.
const FormattedText = partForLater(() => import('./FormattedText'), PlainText, PlainText);

/** Shows what somebody has written: at once as plain text, and formatted as soon as the formatter is loaded. */
export function MessageText({ text }: { text: string }) {
  return (
    <div className={`break-words [overflow-wrap:anywhere] ${isEmojiOnly(text) ? 'text-4xl leading-tight' : 'text-[0.9375rem] leading-normal'}`}>
      {hasMarkup(text) ? <FormattedText text={text} /> : <PlainText text={text} />}
    </div>
  );
}
