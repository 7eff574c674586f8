import { partForLater } from '../../ui/later';
import { hasMarkup } from './hasMarkup';

const Raw = ({ text }: { text: string }) => text;
const PlainLine = partForLater(() => import('./PlainLine'), Raw, Raw);

/** Shows in a line or two what somebody has written: as it was written at first, and without its marks as soon as the parser is loaded. */
export function PreviewText({ text }: { text: string }) {
  return hasMarkup(text) ? <PlainLine text={text} /> : text;
}
