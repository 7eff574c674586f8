"""Sets optimised for one or two names: the conversations and rooms of a connection.

A tuple of one takes a fifth of the memory of a dictionary of one, and every connection has three of these.
"""

from __future__ import annotations

from typing import Final

SmallSet = tuple[str, ...] | dict[str, None]
"""Distinct names, in the order added. `in`, `len` and iteration are the tuple's or the dictionary's own."""

NOTHING: Final[SmallSet] = ()

_FEW: Final = 8
"""Up to this many names, a linear search is used."""


def with_name(names: SmallSet, name: str) -> SmallSet:
    """Return a set with one more name, which is not in it yet. Do not use the argument afterwards."""
    if isinstance(names, dict):
        names[name] = None
        return names
    return (*names, name) if len(names) < _FEW else dict.fromkeys((*names, name))


def without_name(names: SmallSet, name: str) -> SmallSet:
    """Return a set without a name, if it was in it. Do not use the argument afterwards."""
    if isinstance(names, dict):
        names.pop(name, None)
        return names
    return tuple(other for other in names if other != name)


def take_name(sets: dict[str, SmallSet], key: str, name: str) -> bool:
    """Remove a name from the set of a key, and the key with its last name; return whether the name was in it."""
    names = sets.get(key, NOTHING)
    if name not in names:
        return False
    rest = without_name(names, name)
    if rest:
        sets[key] = rest
    else:
        sets.pop(key, None)
    return True
