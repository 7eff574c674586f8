"""Hooks of analytics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

MAY_SEE_ANALYTICS: Final = Hook("may_see_analytics", ("identity",), is_single=True, default=False)

FIGURE_TABLE: Final = Hook("analytics.figures", (), is_single=True)
"""Its function returns the `FigureTable`. `Store.register` registers it, if the store has the models of it."""

MaySeeAnalytics = Callable[[Identity], "bool | None"]
MaySeeAnalyticsT = TypeVar("MaySeeAnalyticsT", bound=MaySeeAnalytics)


class AnalyticsHooks(HookDecorators):
    """The decorator of the hook of analytics."""

    @hook_decorator
    def may_see_analytics(self, hook: MaySeeAnalyticsT) -> MaySeeAnalyticsT:
        """Register the hook that decides who may ask for the figures of the application. There can be one; without it nobody may.

        It gets the identity, and returns True for an administrator. If it fails, the request is refused.
        """
        return self.hook(MAY_SEE_ANALYTICS)(hook)
