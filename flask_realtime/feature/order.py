"""Order of features: each after those that it requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_realtime.errors import RegistrationError
from flask_realtime.feature.feature import Feature


def in_order(registered: Iterable[Feature[Any]]) -> list[Feature[Any]]:
    """Return features, each after those that it requires, adding missing ones.

    Raises:
        RegistrationError: Two features share a name, or two events of one direction do.
    """
    ordered: dict[str, Feature[Any]] = {}
    for feature in registered:
        _add(feature, ordered)
    _require_distinct_events(ordered)
    return list(ordered.values())


def _add(feature: Feature[Any], ordered: dict[str, Feature[Any]]) -> None:
    known = ordered.get(feature.name)
    if known is feature:
        return
    if known is not None:
        msg = f"Two features have the name {feature.name!r}; names of features are unique."
        raise RegistrationError(msg)
    for required in feature.requires:
        _add(required, ordered)
    ordered[feature.name] = feature


def _require_distinct_events(features: Mapping[str, Feature[Any]]) -> None:
    owners: dict[tuple[str, str], str] = {}
    for feature in features.values():
        names = [("event", name) for name in feature.incoming] + [("outgoing event", name) for name in feature.outgoing_events]
        for kind, name in names:
            owner = owners.setdefault((kind, name), feature.name)
            if owner != feature.name:
                msg = f"The {kind} {name!r} of the feature {feature.name!r} belongs to the feature {owner!r} already."
                raise RegistrationError(msg)
