import { X, type LucideIcon } from 'lucide-react';

import { Button } from '../../ui/Button';
import { PreviewText } from '../formatting/PreviewText';

interface Props {
  Icon: LucideIcon;
  title: string;
  text: string;
  onCancel: () => void;
}

/** Says above the field what is written there: a reply or an edit. */
export function ComposerNote({ Icon, title, text, onCancel }: Props) {
  return (
    <div role="group" aria-label={title} className="mb-2 flex items-center gap-2.5 rounded-lg bg-sunken py-1 ps-3 text-sm">
      <Icon className="size-4 shrink-0 text-accent" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-semibold">{title}</p>
        <p dir="auto" className="truncate text-muted">
          <PreviewText text={text} />
        </p>
      </div>
      <Button kind="icon" aria-label={`Cancel: ${title}`} onClick={onCancel}>
        <X className="size-4" aria-hidden />
      </Button>
    </div>
  );
}
