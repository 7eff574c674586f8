import { useId, type ComponentProps } from 'react';

const CONTROL =
  'w-full rounded-lg border border-line bg-surface px-3 min-h-10 text-base sm:text-sm text-ink placeholder:text-muted';

interface InputProps extends ComponentProps<'input'> {
  label: string;
}

export function TextField({ label, ...rest }: InputProps) {
  const id = useId();
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <input id={id} className={CONTROL} {...rest} />
    </div>
  );
}

interface SelectProps extends ComponentProps<'select'> {
  label: string;
}

export function SelectField({ label, ...rest }: SelectProps) {
  const id = useId();
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <select id={id} className={CONTROL} {...rest} />
    </div>
  );
}
