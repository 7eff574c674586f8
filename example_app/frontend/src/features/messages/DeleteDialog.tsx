import { Button } from '../../ui/Button';
import { Modal } from '../../ui/Modal';
import type { Message } from './messageList';

interface Props {
  message: Message | null;
  onCancel: () => void;
  onConfirm: (message: Message) => void;
}

export function DeleteDialog({ message, onCancel, onConfirm }: Props) {
  return (
    <Modal
      title="Delete message?"
      description="It disappears for everybody in the conversation."
      isOpen={message !== null}
      onOpenChange={(isOpen) => {
        if (!isOpen) onCancel();
      }}
    >
      {message && (
        <>
          <blockquote dir="auto" className="line-clamp-4 rounded-lg bg-sunken px-3 py-2 text-sm break-words">{message.content}</blockquote>
          <div className="mt-4 flex justify-end gap-2">
            <Button data-autofocus onClick={onCancel}>Cancel</Button>
            <Button kind="danger" onClick={() => onConfirm(message)}>
              Delete
            </Button>
          </div>
        </>
      )}
    </Modal>
  );
}
