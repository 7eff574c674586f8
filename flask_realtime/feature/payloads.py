"""Declared payloads: an event's only argument, checked by pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from flask_realtime.contract.parsing import Parse, listed, parse_nothing
from flask_realtime.errors import BadRequest, RegistrationError


class PayloadValidator(Protocol):
    """A validator of payloads: pydantic's `TypeAdapter`, or anything with its method."""

    def validate_python(self, value: object, /) -> Any:
        """Return the checked payload, or raise `ValueError`."""


def parser_of(event: str, payload: Any, declared: str) -> Parse:
    """Return the function that checks the arguments of an event.

    Args:
        event: The event's name.
        payload: The declared type of its only argument; None for an event without arguments.
        declared: The call that declares it, for errors.

    Raises:
        RegistrationError: As for `payload_validator`.
    """
    return parse_nothing if payload is None else partial(_validated, event, payload_validator(payload, declared))


def _validated(event: str, validator: PayloadValidator, args: Sequence[Any], _settings: object = None) -> Any:
    return validated(event, validator, args)


def validated(event: str, validator: PayloadValidator, args: Sequence[Any]) -> Any:
    """Check an event's only argument.

    Raises:
        BadRequest: It does not fit, or there is not exactly one.
    """
    if len(args) != 1:
        msg = f"{event} takes one argument, not {len(args)}"
        raise BadRequest(msg)
    try:
        return validator.validate_python(args[0])
    except ValueError as error:
        raise BadRequest(_problems(error)) from None


def _problems(error: ValueError) -> str:
    """Name every field that pydantic found wrong, without repeating what the client sent there."""
    problems = getattr(error, "errors", None)
    return listed(map(_problem, problems())) if callable(problems) else str(error)


def _problem(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "payload"
    return f"{place}: {problem['msg']}"


def payload_validator(payload: Any, declared: str) -> PayloadValidator:
    """Return the validator for a declared payload type.

    Args:
        payload: The type.
        declared: The call that declares it, for errors.

    Raises:
        RegistrationError: pydantic is not installed, or cannot check such a payload.
    """
    try:
        # Only applications that declare payload types need pydantic.
        from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter  # noqa: PLC0415
    except ImportError:
        msg = "Declaring a payload type needs pydantic: pip install 'flask-realtime[validation]'"
        raise RegistrationError(msg) from None
    try:
        validator: PayloadValidator = TypeAdapter(payload)
    except (PydanticUserError, PydanticUndefinedAnnotation, SyntaxError) as error:
        reason = str(error).partition("\n")[0]
        msg = f"{declared}: payload must be a type that pydantic can check, such as a dataclass, not {payload!r}: {reason}"
        raise RegistrationError(msg) from error
    return validator
