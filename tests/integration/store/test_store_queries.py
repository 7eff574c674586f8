"""How many statements the operations take, and that none of them reads a whole table."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_realtime.store import Store
from tests.integration.example_support import StoreApp, full_scans, new_store_app, recorded

OPERATIONS: dict[str, tuple[int, Callable[[Store], Any]]] = {
    "create": (2, lambda store: store.conversations.create(["ann", "ben", "cat"])),
    "exists": (1, lambda store: store.conversations.exists("1")),
    "has_participant": (1, lambda store: store.conversations.has_participant("1", "ann")),
    "of_user": (2, lambda store: store.conversations.of_user("ann")),
    "add": (3, lambda store: store.messages.add("1", "ann", "hello")),
    "send": (6, lambda store: store.messages.send("1", "ann", "hello", "new")),
    "send_again": (5, lambda store: store.messages.send("1", "ann", "hello", "sent")),
    "get": (3, lambda store: store.messages.get("1", "1", "ann")),
    "page": (3, lambda store: store.messages.page("1", "ann")),
    "earlier_page": (3, lambda store: store.messages.page("1", "ann", before="9", limit=3)),
    "mark_read": (7, lambda store: store.messages.mark_read("1", "ben", ["1", "2", "3", "4"])),
    "mark_all_read": (7, lambda store: store.receipts.mark_read("1", "ben", up_to="99")),
    "mark_read_again": (2, lambda store: store.messages.mark_read("1", "cat", ["3"])),
    "mark_delivered": (6, lambda store: store.receipts.mark_delivered("1", "ben", up_to="3")),
    "receipts": (3, lambda store: store.receipts.of_message("1", "3")),
    "unread_count": (1, lambda store: store.messages.unread_count("ben")),
    "unread_counts": (1, lambda store: store.receipts.unread_counts("ben")),
    "delete": (7, lambda store: store.messages.delete("1", "5")),
    "notify": (1, lambda store: store.notifications.add("ann", "note", "Title", "Text")),
    "notifications": (1, lambda store: store.notifications.of_user("ann")),
    "earlier_notifications": (1, lambda store: store.notifications.of_user("ann", before="3")),
    "unread_notifications": (1, lambda store: store.notifications.unread_count("ann")),
    "read_notification": (2, lambda store: store.notifications.mark_read("ann", "1")),
    "confirm_notification": (1, lambda store: store.notifications.mark_delivered("ann", "1")),
    "subscriptions": (1, lambda store: store.push.of_user("ann")),
    "read_all_notifications": (2, lambda store: store.notifications.mark_all_read("ann")),
}


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    """A store with several of everything."""
    with new_store_app(database_url) as made:
        for count in (10, 2, 2, 2):
            conversation = made.store.conversations.create(["ann", "ben", "cat", "dan"])
            for number in range(count):
                made.store.messages.add(conversation.id, ["ann", "ben"][number % 2], "hello")
            made.store.notifications.add("ann", "note", "Title", "Text")
        for client_id in ("sent", "another"):
            made.store.messages.send("1", "ann", "hello", client_id)
        made.store.messages.mark_read("1", "cat", [str(number) for number in range(1, 8)])
        yield made


@pytest.mark.parametrize("name", OPERATIONS)
def test_statements_are_few_and_use_indexes(chat: StoreApp, name: str) -> None:
    count, operation = OPERATIONS[name]
    with recorded(chat.app) as statements:
        operation(chat.store)
    assert len(statements) == count, statements
    assert full_scans(chat.app, statements) == []
