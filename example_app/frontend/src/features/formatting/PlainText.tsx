import { MentionText } from './MentionText';

/** Shows a text as it was written. Its direction is that of its own script, whatever the page's is. */
export function PlainText({ text }: { text: string }) {
  return (
    <p dir="auto" className="whitespace-pre-wrap">
      <MentionText text={text} />
    </p>
  );
}
