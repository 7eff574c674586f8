import { Button } from '../../ui/Button';
import { Modal, type DialogProps } from '../../ui/Modal';

export function LeaveDialog({ isOpen, onOpenChange, onConfirm }: DialogProps & { onConfirm: () => void }) {
  return (
    <Modal
      title="Leave the conversation?"
      description="You will not see its messages any more, until somebody adds you again."
      isOpen={isOpen}
      onOpenChange={onOpenChange}
    >
      <div className="flex justify-end gap-2">
        <Button data-autofocus onClick={() => onOpenChange(false)}>
          Cancel
        </Button>
        <Button kind="danger" onClick={onConfirm}>
          Leave
        </Button>
      </div>
    </Modal>
  );
}
