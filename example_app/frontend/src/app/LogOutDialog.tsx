import { Button } from '../ui/Button';
import { Modal } from '../ui/Modal';

interface Props {
  isOpen: boolean;
  waiting: number;
  onCancel: () => void;
  onConfirm: () => void;
}

/** Asks before a log-out that deletes messages which were not sent. */
export function LogOutDialog({ isOpen, waiting, onCancel, onConfirm }: Props) {
  const messages = waiting === 1 ? 'One message has' : `${waiting} messages have`;
  return (
    <Modal
      title="Log out?"
      description={`${messages} not been sent. Nothing that you have written stays in this browser when you log out.`}
      isOpen={isOpen}
      onOpenChange={(isWanted) => {
        if (!isWanted) onCancel();
      }}
    >
      <div className="flex justify-end gap-2">
        <Button data-autofocus onClick={onCancel}>
          Stay
        </Button>
        <Button kind="danger" onClick={onConfirm}>
          Discard and log out
        </Button>
      </div>
    </Modal>
  );
}
