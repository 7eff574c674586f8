import { PreviewText } from '../formatting/PreviewText';
import { useMessage } from './lookup';

interface Props {
  messageId: string;
  onJump: (messageId: string) => void;
}

/** Shows what a message quotes in a line or two, and leads there. */
export function Quote({ messageId, onJump }: Props) {
  const quoted = useMessage(messageId);
  const name = quoted?.sender.username ?? '';
  const text = quoted === undefined ? 'A message' : quoted.deletedAt === null ? quoted.content : 'Message deleted';
  return (
    <button
      type="button"
      onClick={() => onJump(messageId)}
      className="mb-1.5 block w-full rounded-md border-s-3 border-current/50 bg-current/8 px-2 py-1 text-start text-sm"
    >
      <span className="sr-only">Go to the quoted message: </span>
      <span className="block font-semibold">{name}</span>
      <span dir="auto" className="line-clamp-2 break-words [overflow-wrap:anywhere]">
        <PreviewText text={text} />
      </span>
    </button>
  );
}
