const LIST = new Intl.ListFormat('en', { type: 'conjunction' });

export const joinNames = (names: string[]) => LIST.format(names);
