import type { ComponentProps } from 'react';

const BASE =
  'inline-flex items-center justify-center gap-2 rounded-lg text-sm font-medium transition-colors disabled:opacity-55 disabled:cursor-not-allowed';

const KINDS = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong px-4 min-h-10 pointer-coarse:min-h-11',
  secondary: 'border border-line bg-surface hover:bg-sunken px-4 min-h-10 pointer-coarse:min-h-11',
  danger: 'bg-danger text-surface hover:opacity-90 px-4 min-h-10 pointer-coarse:min-h-11',
  quiet: 'text-muted hover:text-ink hover:bg-sunken px-3 min-h-10 pointer-coarse:min-h-11',
  icon: 'text-muted hover:text-ink hover:bg-sunken size-10 pointer-coarse:size-11 shrink-0',
} as const;

interface Props extends ComponentProps<'button'> {
  kind?: keyof typeof KINDS;
}

export function Button({ kind = 'secondary', className = '', type = 'button', ...rest }: Props) {
  return <button type={type} className={`${BASE} ${KINDS[kind]} ${className}`} {...rest} />;
}
