"""Schemas of requests, and functions that read and check them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

from flask import abort, request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from example_app.models import MAX_STATUS_LENGTH, MAX_USERNAME_LENGTH

MAX_ID_LENGTH = 128
MAX_DATABASE_ID = 2**63 - 1
MAX_CONTENT_LENGTH = 4000
MAX_TITLE_LENGTH = 200
MAX_TYPE_LENGTH = 64
MAX_LINK_LENGTH = 2048
MAX_DATA_LENGTH = 16_000
MAX_PASSWORD_LENGTH = 1000
MIN_PASSWORD_LENGTH = 8
MAX_PAGE_SIZE = 100


def _id_as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _without_nul(value: str) -> str:
    # PostgreSQL cannot store it in text.
    if "\0" in value:
        msg = "the NUL character is not allowed"
        raise ValueError(msg)
    return value


def _visible(value: str) -> str:
    if not value.strip() or not value.isprintable():
        msg = "expected printable characters"
        raise ValueError(msg)
    return value


def _safe_link(value: str) -> str:
    """Allow links that a browser opens as a page of this site or over HTTP; `javascript:` would run in the reader's browser."""
    parts = urlsplit(value)
    is_web = parts.scheme in {"http", "https"} and parts.netloc != ""
    # Browsers read "//", also written with backslashes, as the start of another site's address.
    is_relative = parts.scheme == "" and not value.startswith("//")
    if not (is_web or is_relative) or not value.isprintable() or set(value) & set("\\ "):
        msg = "expected a relative path or an http or https address"
        raise ValueError(msg)
    return value


def _strict_json(value: JsonValue) -> JsonValue:
    """Refuse NaN and infinity, which JavaScript cannot read, and JSON over the size limit."""
    if len(json.dumps(value, allow_nan=False)) > MAX_DATA_LENGTH:
        msg = f"at most {MAX_DATA_LENGTH} characters of JSON are expected"
        raise ValueError(msg)
    return value


Id = Annotated[str, BeforeValidator(_id_as_text), StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_without_nul)]


class Body(BaseModel):
    """The base of all requests: camelCase outside, snake_case inside."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Credentials(Body):
    """A log-in."""

    username: Annotated[Line, Field(max_length=MAX_USERNAME_LENGTH)]
    password: Annotated[str, Field(max_length=MAX_PASSWORD_LENGTH)]


class Registration(Body):
    """A new user. Names are ASCII, so that no two of them look the same."""

    username: Annotated[str, Field(max_length=MAX_USERNAME_LENGTH, pattern=r"^[A-Za-z0-9_.@+-]+$")]
    password: Annotated[str, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH)]

    @field_validator("password")
    @classmethod
    def _is_not_the_name(cls, password: str, info: ValidationInfo) -> str:
        if password.lower() == info.data.get("username", "").lower():
            msg = "expected a password other than the username"
            raise ValueError(msg)
        return password


class UserPage(Body):
    """The requested users, in the query string: those who registered after one."""

    after: Annotated[int, Field(ge=0, le=MAX_DATABASE_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = MAX_PAGE_SIZE


class NewNotification(Body):
    """A notification to one user."""

    user_id: Id
    type: Annotated[Line, Field(max_length=MAX_TYPE_LENGTH)]
    title: Annotated[Line, Field(max_length=MAX_TITLE_LENGTH)]
    message: Annotated[Line, Field(max_length=MAX_CONTENT_LENGTH)]
    link: Annotated[Line, Field(max_length=MAX_LINK_LENGTH), AfterValidator(_safe_link)] | None = None
    data: Annotated[JsonValue, AfterValidator(_strict_json)] = None
    critical: StrictBool = False


class NewOrder(Body):
    """An order, or an update of one, to notify a user of."""

    user_id: Id
    status: Annotated[Line, Field(max_length=MAX_STATUS_LENGTH)]


class NewAnnouncement(Body):
    """An announcement to every connected client."""

    message: Annotated[Line, Field(max_length=MAX_CONTENT_LENGTH)]


BodyT = TypeVar("BodyT", bound=Body)


def read_body(schema: type[BodyT]) -> BodyT:
    """Read the request's JSON, or answer 400 naming every field that is wrong."""
    try:
        return schema.model_validate_json(request.get_data())
    except ValidationError as error:
        _refuse(error)


def read_query(schema: type[BodyT]) -> BodyT:
    """Read the query string, or answer 400 naming every field that is wrong."""
    try:
        return schema.model_validate(request.args.to_dict())
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    abort(HTTPStatus.BAD_REQUEST, "; ".join(map(_problem, problems)))


def _problem(problem: ErrorDetails) -> str:
    field = ".".join(str(part) for part in problem["loc"]) or "body"
    return f"{field}: {problem['msg'].removeprefix('Value error, ')}"
