import { expect, it } from 'vitest';

import { rulesFor } from './rules';

it('lets owners do everything, moderators remove members, and members nothing', () => {
  expect(rulesFor('owner', 'member')).toEqual({ roles: ['owner', 'moderator'], mayRemove: true });
  expect(rulesFor('owner', 'owner')).toEqual({ roles: ['moderator', 'member'], mayRemove: true });
  expect(rulesFor('moderator', 'member')).toEqual({ roles: [], mayRemove: true });
  expect(rulesFor('moderator', 'moderator')).toEqual({ roles: [], mayRemove: false });
  expect(rulesFor('member', 'member')).toEqual({ roles: [], mayRemove: false });
  expect(rulesFor(null, 'member')).toEqual({ roles: [], mayRemove: false });
});
