import { describe, expect, it } from 'vitest';

import { completionAt, EVERYONE, matching, mentionsIn, splitMentions } from './mentions';

const people = ['ann', 'anna', 'bob.b', 'C+d'].map((username, index) => ({ id: String(index), username }));

describe('the mentions of a text', () => {
  it.each([
    ['hi @ann', ['0']],
    ['@anna, @bob.b.', ['1', '2']],
    ['(@ANN)', ['0']],
    ['@c+d!', ['3']],
    ['ann@anna.example', []],
    ['@annabel and @ nobody', []],
    ['no one', []],
  ])('%j are %j', (text, ids) => {
    expect(mentionsIn(text, people)).toEqual(ids);
  });

  it('are everyone where that is offered', () => {
    expect(mentionsIn('@everyone!', [...people, EVERYONE])).toEqual(['*']);
    expect(mentionsIn('@everyone!', people)).toEqual([]);
  });

  it('are the odd parts of it', () => {
    expect(splitMentions('a @ann, b', ['ann'])).toEqual(['a ', '@ann', ', b']);
    expect(splitMentions('a @ann, b', ['bob'])).toEqual(['a @ann, b']);
    expect(splitMentions('a @ann, b', [])).toEqual(['a @ann, b']);
  });
});

describe('what is being written', () => {
  it.each([
    ['hi @an', { start: 3, query: 'an' }],
    ['@', { start: 0, query: '' }],
    ['mail@an', null],
    ['hi @an ', null],
    ['hi', null],
  ])('in %j is %j', (text, completion) => {
    expect(completionAt(text, text.length)).toEqual(completion);
  });

  it('ends at the caret', () => {
    expect(completionAt('@anna', 3)).toEqual({ start: 0, query: 'an' });
  });

  it('is matched by the beginning of a name first', () => {
    expect(matching(people, 'b').map(({ username }) => username)).toEqual(['bob.b']);
    expect(matching([{ id: '9', username: 'xan' }, ...people], 'AN').map(({ username }) => username)).toEqual(['ann', 'anna', 'xan']);
  });
});
