"""Features: a `Feature` is to events what Flask's `Blueprint` is to views.

::

    polls = Feature("polls", state=Polls.create)
    voted = polls.outgoing("poll:voted", PollResult, audience="the conversation", summary="A vote was cast.")

    @polls.event("poll:vote", payload=Vote, answer=PollResult, limit="5/minute")
    def vote(state: Polls, caller: Caller, vote: Vote) -> Outcome:
        result = state.cast(caller.user_id, vote)
        return Outcome(result, [voted.to_conversation(vote.conversation, result)])

    realtime.register(polls)

A feature's state is plain Python; test it by calling its methods, and the feature as a whole with `flask_realtime.testing`.
"""

from flask_realtime.contract.effects import Emit, Outcome
from flask_realtime.contract.events import IncomingEvent, OutgoingEvent
from flask_realtime.contract.records import Stored
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.hook import Hook
from flask_realtime.feature.values import Record, Tracker

__all__ = [
    "Caller",
    "Emit",
    "Feature",
    "FeatureContext",
    "Hook",
    "IncomingEvent",
    "Outcome",
    "OutgoingEvent",
    "Record",
    "Stored",
    "Tracker",
]
