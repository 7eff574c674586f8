import type { CSSProperties } from 'react';

import { hueOf, initialsOf } from './person';

interface Props {
  id: string;
  name: string;
  /** Left out where it is not known or does not matter. */
  isOnline?: boolean | undefined;
  size?: 'small' | 'large';
}

/** A picture that says nothing that is not also there as text. */
export function Avatar({ id, name, isOnline, size = 'large' }: Props) {
  const scale = size === 'large' ? 'size-10 text-sm' : 'size-8 text-xs';
  const hue = { '--hue': hueOf(id) } as CSSProperties;
  return (
    <span className="relative shrink-0" aria-hidden>
      <span style={hue} className={`tinted grid place-items-center rounded-full font-semibold uppercase ${scale}`}>
        {initialsOf(name)}
      </span>
      {isOnline && (
        <span className="absolute -right-0.5 -bottom-0.5 size-3 rounded-full border-2 border-surface bg-online" />
      )}
    </span>
  );
}
