"""Bounds of the example's own requests; those of the chat are the extension's, and tested there."""

import json
from typing import Any

import pytest
from flask import Flask
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest

from example_app import schemas
from example_app.schemas import Body, read_body, read_query

CREDENTIALS = {"username": "ann", "password": "a long one"}
NOTIFICATION = {"userId": "1", "type": "note", "title": "Title", "message": "Text"}
ORDER = {"userId": "1", "status": "sent"}
LIMITS: list[tuple[type[Body], dict[str, Any], str, int, int]] = [
    (schemas.Credentials, CREDENTIALS, "username", 1, 64),
    (schemas.Credentials, CREDENTIALS, "password", 0, 1000),
    (schemas.Registration, CREDENTIALS, "username", 1, 64),
    (schemas.Registration, CREDENTIALS, "password", 8, 1000),
    (schemas.NewNotification, NOTIFICATION, "userId", 1, 128),
    (schemas.NewNotification, NOTIFICATION, "type", 1, 64),
    (schemas.NewNotification, NOTIFICATION, "title", 1, 200),
    (schemas.NewNotification, NOTIFICATION, "message", 1, 4000),
    (schemas.NewNotification, NOTIFICATION, "link", 1, 2048),
    (schemas.NewOrder, ORDER, "userId", 1, 128),
    (schemas.NewOrder, ORDER, "status", 1, 64),
    (schemas.NewAnnouncement, {}, "message", 1, 4000),
]
"""A schema, what else it wants, a field, and how short and how long its text may be."""


def is_valid(schema: type[Body], body: dict[str, Any]) -> bool:
    try:
        schema.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("schema", "rest", "field", "least", "most"), LIMITS)
def test_a_text_has_its_length(schema: type[Body], rest: dict[str, Any], field: str, least: int, most: int) -> None:
    lengths = (least - 1, least, most, most + 1)
    found = [is_valid(schema, {**rest, field: "x" * length}) for length in lengths if length >= 0]
    assert found == [False, True, True, False][-len(found) :]


@pytest.mark.parametrize(("field", "least", "most"), [("limit", 1, 100), ("after", 0, 2**63 - 1)])
def test_a_number_has_its_bounds(field: str, least: int, most: int) -> None:
    found = [is_valid(schemas.UserPage, {field: number}) for number in (least - 1, least, most, most + 1)]
    assert found == [False, True, True, False]


def test_a_page_of_users_has_a_hundred_where_nobody_says() -> None:
    assert schemas.UserPage() == schemas.UserPage(after=0, limit=100)


@pytest.mark.parametrize(
    "link",
    ["/orders/7", "orders", "?page=2", "#top", "https://shop.example/7", "http://shop.example"],
)
def test_a_link_leads_to_a_page(link: str) -> None:
    assert is_valid(schemas.NewNotification, {**NOTIFICATION, "link": link})


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)", "data:text/html,x", "//other.example", "https:///path", "ftp://shop.example", "mailto:a@b.example",
        "/a\\b", "/a b", "/a\u0085b", "\\\\other.example",
    ],
)  # fmt: skip
def test_a_link_leads_nowhere_else(link: str) -> None:
    assert not is_valid(schemas.NewNotification, {**NOTIFICATION, "link": link})


def test_data_is_strict_json_of_a_bounded_size() -> None:
    fitting = "x" * (16_000 - 2)
    assert is_valid(schemas.NewNotification, {**NOTIFICATION, "data": fitting})
    assert not is_valid(schemas.NewNotification, {**NOTIFICATION, "data": fitting + "x"})
    for number in (float("nan"), float("inf")):
        assert not is_valid(schemas.NewNotification, {**NOTIFICATION, "data": [number]})


def test_what_fits_is_read_as_it_is() -> None:
    body = {**NOTIFICATION, "link": "/orders/7", "data": {"a": [1, None]}, "critical": True}
    read = schemas.NewNotification.model_validate_json(json.dumps(body))
    assert read.model_dump(by_alias=True) == body
    assert schemas.Registration(**CREDENTIALS).model_dump() == CREDENTIALS


def test_text_is_trimmed_and_has_no_nul() -> None:
    assert schemas.NewAnnouncement(message="  hello \n").message == "hello"
    assert not is_valid(schemas.NewAnnouncement, {"message": "a\0b"})
    assert not is_valid(schemas.NewAnnouncement, {"message": "  "})


@pytest.mark.parametrize("password", ["annabelle", "AnnaBelle"])
def test_a_password_is_not_the_name(password: str) -> None:
    assert not is_valid(schemas.Registration, {"username": "annabelle", "password": password})
    assert is_valid(schemas.Registration, {"username": "annabelle", "password": password + "!"})


def test_ids_are_texts_or_integers() -> None:
    read = [schemas.NewOrder.model_validate_json(json.dumps({**ORDER, "userId": user_id})).user_id for user_id in (7, "8")]
    assert read == ["7", "8"]
    for wrong in (True, 1.5, None, ["7"]):
        assert not is_valid(schemas.NewOrder, {**ORDER, "userId": wrong})


def test_every_wrong_field_is_named() -> None:
    app = Flask(__name__)
    body = json.dumps({**NOTIFICATION, "title": " ", "link": "javascript:x"})
    with app.test_request_context("/?limit=0&after=x", data=body):
        link = "link: expected a relative path or an http or https address"
        with pytest.raises(BadRequest, match=f"title: String should have at least 1 character; {link}$"):
            read_body(schemas.NewNotification)
        with pytest.raises(BadRequest, match=r"after: .*; limit: Input should be greater than or equal to 1$"):
            read_query(schemas.UserPage)
    with app.test_request_context("/?after=5", data="[]"):
        assert read_query(schemas.UserPage).after == 5
        with pytest.raises(BadRequest, match="body: "):
            read_body(schemas.NewOrder)
    with app.test_request_context(data=json.dumps(ORDER)):
        assert read_body(schemas.NewOrder).status == "sent"
