"""Sets of names that mostly hold one or two: the conversations and rooms of a connection.

A tuple of one weighs a fifth of a dictionary of one, and there are three of these for every connection.
"""

from __future__ import annotations

from typing import Final

SmallSet = tuple[str, ...] | dict[str, None]
"""Names, each once, in the order added. `in`, `len` and iteration are the tuple's or the dictionary's own."""

NOTHING: Final[SmallSet] = ()

_FEW: Final = 8
"""Names among which one is found by looking at each."""


def with_name(names: SmallSet, name: str) -> SmallSet:
    """Return a set with one more name, which is not in it yet. The set that was given is not to be used any more."""
    if isinstance(names, dict):
        names[name] = None
        return names
    return (*names, name) if len(names) < _FEW else dict.fromkeys((*names, name))


def without_name(names: SmallSet, name: str) -> SmallSet:
    """Return a set without one of its names, if it was in it. The set that was given is not to be used any more."""
    if isinstance(names, dict):
        names.pop(name, None)
        return names
    return tuple(other for other in names if other != name)


def take_name(sets: dict[str, SmallSet], key: str, name: str) -> bool:
    """Take a name out of the set of a key, and the key away with the last one; return whether the name was in it."""
    names = sets.get(key, NOTHING)
    if name not in names:
        return False
    rest = without_name(names, name)
    if rest:
        sets[key] = rest
    else:
        sets.pop(key, None)
    return True
