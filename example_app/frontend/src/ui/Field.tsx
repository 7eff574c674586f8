import { useId, type ComponentProps, type ReactNode } from 'react';

const CONTROL =
  'w-full rounded-lg border border-line bg-surface px-3 min-h-10 pointer-coarse:min-h-11 text-base sm:text-sm text-ink placeholder:text-muted';

interface LabelledProps {
  label: string;
  hint?: string | undefined;
  children: (id: string, hintId: string | undefined) => ReactNode;
}

function Labelled({ label, hint, children }: LabelledProps) {
  const id = useId();
  const hintId = hint === undefined ? undefined : `${id}-hint`;
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children(id, hintId)}
      {hint && (
        <p id={hintId} className="text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}

interface InputProps extends ComponentProps<'input'> {
  label: string;
  /** What to know before one writes. */
  hint?: string;
}

export function TextField({ label, hint, ...rest }: InputProps) {
  return (
    <Labelled label={label} hint={hint}>
      {(id, hintId) => <input id={id} dir="auto" aria-describedby={hintId} className={CONTROL} {...rest} />}
    </Labelled>
  );
}

interface SelectProps extends ComponentProps<'select'> {
  label: string;
}

export function SelectField({ label, ...rest }: SelectProps) {
  return <Labelled label={label}>{(id) => <select id={id} className={CONTROL} {...rest} />}</Labelled>;
}
