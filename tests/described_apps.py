"""Applications whose events the tests describe: one without any of its own, and one with some."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from flask import Flask
from flask_jwt_extended import JWTManager
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from flask_realtime import Identity, Realtime


def bare() -> Flask:
    """Make an application that declares nothing: its events are those of the contract."""
    return _app("flask_realtime", Realtime())


def declaring() -> Flask:
    """Make an application that declares events in each of the ways there are."""
    realtime = Realtime()
    for name, payload, handler in _EVENTS:
        realtime.on(name, payload=payload)(handler)
    return _app("polls", realtime)


def _app(name: str, realtime: Realtime) -> Flask:
    app = Flask(name)
    app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
    JWTManager(app)
    realtime.init_app(app)
    return app


class Colour(enum.Enum):
    """What a choice looks like."""

    RED = "red"
    DARK_GREEN = "dark 'green'"


@dataclass
class Vote:
    """A vote."""

    poll: str
    choice: int
    comment: str | None = None


class Comment(BaseModel):
    """A comment.

    Those on it are in it.
    """

    text: str = Field(description="What it says */ and no more.")
    answers: list[Comment] = []
    colour: Colour = Colour.RED
    place: tuple[float, float] = (0.0, 0.0)
    stars: dict[str, Annotated[int, Field(ge=1, le=5)]] = {}


class Circle(BaseModel):
    """A round mark."""

    kind: Literal["circle"]
    radius: float


class Cross(BaseModel):
    """A mark of two lines."""

    kind: Literal["cross"]


Mark = Annotated[Circle | Cross, Field(discriminator="kind")]


class UserStatus(TypedDict):
    """Has the name of a payload of the contract, and another shape."""

    mood: str


@dataclass
class Tally:
    """How a poll stands."""

    votes: dict[str, int] = field(default_factory=dict)


def _vote(identity: Identity, data: Vote) -> Tally:
    """Vote in a poll.

    The rest of this is for those who read the code.
    """
    raise NotImplementedError


def _comment(identity: Identity, delete: Comment) -> Comment | None:
    raise NotImplementedError


def _mark(identity: Identity, marks: list[Mark]) -> None:
    raise NotImplementedError


def _mood(identity: Identity, callback: Any) -> UserStatus:
    raise NotImplementedError


def _any_number(identity: Identity, first: Any, second: Any = None) -> Any:
    raise NotImplementedError


def _unknown(identity, first, second):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - that is what it shows
    raise NotImplementedError


def _flask(identity: Identity) -> Flask:
    raise NotImplementedError


_EVENTS: list[tuple[str, Any, Any]] = [
    ("poll:vote", Vote, _vote),
    ("poll:comment", Comment, _comment),
    ("poll:mark", list[Mark], _mark),
    ("poll-mark", None, _mood),
    ("any number", None, _any_number),
    ("don't", None, _unknown),
    ("投票", None, _flask),
]
