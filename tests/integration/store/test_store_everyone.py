"""A message that mentions everyone in a large conversation: each member is notified once, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from flask_realtime.features.messages.everyone_store import NOTIFIED_AT_ONCE
from flask_realtime.jobs.job import ClaimLost
from flask_realtime.store import utc_now
from flask_realtime.testing import run_due_jobs
from tests.integration.everyone_support import KILLED, MEMBERS, OWNER, EveryoneApp, everyone_app
from tests.integration.example_support import in_threads

PATIENCE_SECONDS = 60
ONCE = dict.fromkeys(MEMBERS, 1)


@pytest.fixture
def chat(database_url: str) -> Iterator[EveryoneApp]:
    with everyone_app(database_url) as made:
        made.fill()
        yield made


def jobs(chat: EveryoneApp) -> int:
    """How many jobs there are."""
    assert chat.store.jobs is not None
    return len(chat.store.jobs.pending(10)) + len(chat.store.jobs.dead_letters(10))


def test_some_are_notified_with_the_message_and_all_others_after_it(chat: EveryoneApp) -> None:
    chat.mention_everyone("1", MEMBERS[-1])
    assert chat.notified() == dict.fromkeys(MEMBERS[: NOTIFIED_AT_ONCE - 1], 1)
    assert {chat.store.messages.mention_counts(user, ["1"])["1"] for user in MEMBERS} == {1}
    assert (jobs(chat), chat.run(), chat.notified(), jobs(chat)) == (1, 1, ONCE, 0)
    (last,) = chat.store.notifications.of_user(MEMBERS[-1])
    assert (last.type, last.message, last.is_read) == ("mention", "look", False)
    assert last.data == {"conversationId": "1", "messageId": "1", "threadId": None, "senderId": OWNER}


def test_in_a_small_conversation_all_are_notified_with_the_message(chat: EveryoneApp) -> None:
    small = chat.store.conversations.create([OWNER, *MEMBERS[: NOTIFIED_AT_ONCE - 1]]).id
    chat.mention_everyone(small)
    assert (chat.notified(), jobs(chat)) == (dict.fromkeys(MEMBERS[: NOTIFIED_AT_ONCE - 1], 1), 0)


def test_without_jobs_all_are_notified_with_the_message(chat: EveryoneApp) -> None:
    assert chat.store.messages._everyone is not None
    chat.store.messages._everyone._postpone = None
    chat.mention_everyone()
    assert (chat.notified(), jobs(chat)) == (ONCE, 0)


def test_who_leaves_mutes_or_joins_meanwhile_hears_nothing(chat: EveryoneApp) -> None:
    members = chat.store.conversations.members
    for_now, for_good, later, gone, back = MEMBERS[-5:]
    chat.store.conversations.mute("1", for_now, muted=utc_now() + timedelta(hours=1))
    chat.mention_everyone()
    chat.store.conversations.mute("1", for_good, muted=True)
    chat.store.conversations.mute("1", later, muted=utc_now() - timedelta(hours=1))
    members.remove("1", gone, by=gone)
    members.remove("1", back, by=OWNER)
    members.add("1", [back, "new"])
    chat.run()
    assert chat.notified() == {user: 1 for user in MEMBERS if user not in {for_now, for_good, gone, back}}
    assert chat.store.messages.mention_counts(back, ["1"]) == {}


def test_nobody_hears_of_a_message_that_was_deleted_meanwhile(chat: EveryoneApp) -> None:
    message = chat.mention_everyone()
    chat.store.messages.delete("1", message)
    before = chat.notified()
    assert (chat.run(), chat.notified(), jobs(chat)) == (1, before, 0)


def test_a_part_that_fails_is_done_again_and_those_before_it_are_not(chat: EveryoneApp) -> None:
    chat.mention_everyone()
    failures = iter([False, True])

    def fail(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        if sql.startswith(("UPDATE realtime_job SET data", "DELETE FROM realtime_job")) and next(failures, False):
            msg = "the disk is full"
            raise OSError(msg)

    event.listen(chat.db.engine, "after_cursor_execute", fail)
    chat.run()
    assert (jobs(chat), sum(chat.notified().values())) == (1, NOTIFIED_AT_ONCE - 1 + NOTIFIED_AT_ONCE)
    chat.forget_claims()
    assert (chat.run(), chat.notified(), jobs(chat)) == (1, ONCE, 0)


def at_once(chat: EveryoneApp, *calls: Callable[[], Any]) -> None:
    """Make the calls in threads."""
    chat.db.session.rollback()
    in_threads(chat.app, chat.db, *calls)


def test_a_worker_whose_lease_has_run_out_notifies_nobody_again(chat: EveryoneApp) -> None:
    chat.mention_everyone()
    queue = chat.store.jobs
    assert queue is not None
    (stale,) = queue.claim(1, utc_now())

    def go_on() -> None:
        job, later = stale, utc_now() + timedelta(minutes=1)
        with suppress(ClaimLost):
            while (left := queue.advance(job, later, partial(chat.store.messages.notify_more, job.key))) is not None:
                job = left

    at_once(chat, go_on, lambda: run_due_jobs(chat.app))
    chat.forget_claims()
    chat.run()
    assert (chat.notified(), jobs(chat)) == (ONCE, 0)
    with pytest.raises(ClaimLost):
        queue.advance(stale, utc_now(), partial(chat.store.messages.notify_more, stale.key))
    assert chat.notified() == ONCE


def test_of_two_messages_at_once_each_notifies_everyone(chat: EveryoneApp) -> None:
    at_once(chat, chat.mention_everyone, chat.mention_everyone)
    at_once(chat, lambda: run_due_jobs(chat.app), lambda: run_due_jobs(chat.app))
    assert (chat.notified(), jobs(chat)) == (dict.fromkeys(MEMBERS, 2), 0)


def test_who_is_removed_while_others_are_notified_hears_nothing_after_that(chat: EveryoneApp) -> None:
    chat.mention_everyone()
    removed = MEMBERS[NOTIFIED_AT_ONCE + 50 :: 10]
    at_the_time: dict[str, int] = {}
    leaving: list[str] = []

    def note(_session: object) -> None:
        # Within the transaction that has removed the user: what is committed from here on must not be for them.
        counted = chat.notified_so_far()
        at_the_time.update({user: counted[user] for user in leaving})

    def remove() -> None:
        event.listen(chat.db.session(), "before_commit", note)
        for user in removed:
            leaving[:] = [user]
            chat.store.conversations.members.remove("1", user, by=OWNER)

    at_once(chat, remove, lambda: run_due_jobs(chat.app))
    assert chat.notified() == {user: count for user, count in (ONCE | at_the_time).items() if count}


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_process_that_is_killed_meanwhile_leaves_the_rest_to_another_one(
    chat: EveryoneApp, database_url: str, moment: str
) -> None:
    chat.mention_everyone()
    chat.db.session.rollback()
    command = [sys.executable, "-m", "tests.integration.everyone_support", database_url, moment]
    assert subprocess.run(command, timeout=PATIENCE_SECONDS, check=False).returncode == KILLED
    done = NOTIFIED_AT_ONCE - 1 + (NOTIFIED_AT_ONCE if moment == "after_commit" else 0)
    assert sum(chat.notified().values()) == done
    assert chat.run() == 0
    chat.forget_claims()
    assert (chat.run(), chat.notified(), jobs(chat)) == (1, ONCE, 0)
