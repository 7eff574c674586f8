import { useId, type ComponentProps, type ReactNode } from 'react';

const CONTROL =
  'w-full rounded-lg border border-line bg-surface px-3 min-h-10 text-base sm:text-sm text-ink placeholder:text-muted';

function Labelled({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children(id)}
    </div>
  );
}

interface InputProps extends ComponentProps<'input'> {
  label: string;
}

export function TextField({ label, ...rest }: InputProps) {
  return <Labelled label={label}>{(id) => <input id={id} className={CONTROL} {...rest} />}</Labelled>;
}

interface SelectProps extends ComponentProps<'select'> {
  label: string;
}

export function SelectField({ label, ...rest }: SelectProps) {
  return <Labelled label={label}>{(id) => <select id={id} className={CONTROL} {...rest} />}</Labelled>;
}
