"""Announcements: what everybody who is connected hears from an administrator."""

from __future__ import annotations

from typing import TypedDict

from flask_realtime import Feature, FeatureContext


class Announcement(TypedDict):
    """An announcement, as clients get it."""

    message: str
    createdAt: str


def keep_nothing(_context: FeatureContext) -> None:
    """Make the feature's state: there is none."""


announcements = Feature("announcements", state=keep_nothing)

announcement = announcements.outgoing(
    "announcement",
    Announcement,
    argument="announcement",
    audience="every connection",
    summary="An administrator announces something.",
)
