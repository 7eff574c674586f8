"""Users of the application, as clients see them beside what they have written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

FindUsers = Callable[[Collection[str]], Mapping[str, Any]]
"""Maps ids of users, once each, to JSON objects; ids of users who are not there any more may be missing."""


class Users:
    """The users of one application.

    Attributes:
        find: Looks users up; until `Store.register` has set it, clients see their ids alone.
    """

    def __init__(self) -> None:
        self.find: FindUsers = _ids_alone

    def of(self, user_ids: Iterable[str]) -> dict[str, Any]:
        """Map each id to what clients see of its user, with one call."""
        wanted = set(user_ids)
        found = self.find(wanted) if wanted else {}
        return {user_id: found.get(user_id, {"id": user_id}) for user_id in wanted}


def _ids_alone(user_ids: Collection[str]) -> Mapping[str, Any]:
    return {user_id: {"id": user_id} for user_id in user_ids}
