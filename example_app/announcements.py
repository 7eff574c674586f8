"""Announcements from an administrator to every connected client."""

from __future__ import annotations

from typing import TypedDict

from flask_realtime import Feature, FeatureContext


class Announcement(TypedDict):
    """An announcement, as sent to clients."""

    message: str
    createdAt: str


def keep_nothing(_context: FeatureContext) -> None:
    """Make the feature's state, which is empty."""


announcements = Feature("announcements", state=keep_nothing)

announcement = announcements.outgoing(
    "announcement",
    Announcement,
    argument="announcement",
    audience="every connection",
    summary="An administrator made an announcement.",
)
