const TINTS = [
  'bg-teal-100 text-teal-900 dark:bg-teal-900 dark:text-teal-100',
  'bg-amber-100 text-amber-900 dark:bg-amber-900 dark:text-amber-100',
  'bg-violet-100 text-violet-900 dark:bg-violet-900 dark:text-violet-100',
  'bg-rose-100 text-rose-900 dark:bg-rose-900 dark:text-rose-100',
  'bg-sky-100 text-sky-900 dark:bg-sky-900 dark:text-sky-100',
  'bg-lime-100 text-lime-900 dark:bg-lime-900 dark:text-lime-100',
];

interface Props {
  id: string;
  name: string;
  /** Left out where it is not known or does not matter. */
  isOnline?: boolean | undefined;
  size?: 'small' | 'large';
}

/** A picture that says nothing that is not also there as text. */
export function Avatar({ id, name, isOnline, size = 'large' }: Props) {
  const tint = TINTS[(Number(id) || id.length) % TINTS.length] ?? '';
  const scale = size === 'large' ? 'size-10 text-sm' : 'size-8 text-xs';
  return (
    <span className="relative shrink-0" aria-hidden>
      <span className={`grid place-items-center rounded-full font-semibold uppercase ${scale} ${tint}`}>
        {name.slice(0, 1)}
      </span>
      {isOnline && (
        <span className="absolute -right-0.5 -bottom-0.5 size-3 rounded-full border-2 border-surface bg-online" />
      )}
    </span>
  );
}
