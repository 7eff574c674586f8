import { joinNames } from '../../ui/names';

export function typingText(names: string[]): string {
  if (names.length === 0) return '';
  return `${joinNames(names)} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
