import { joinNames } from '../../ui/names';

// More are no names that anybody reads, or listens to, as each of them comes and goes.
const MOST_NAMES = 3;

export function typingText(names: string[]): string {
  if (names.length === 0) return '';
  if (names.length > MOST_NAMES) return 'Several people are typing…';
  return `${joinNames(names)} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
