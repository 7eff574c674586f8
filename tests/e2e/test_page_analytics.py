"""Figures on the example application's page, in a real Chromium: charts, the table behind them, and who gets to see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from flask_realtime.features.analytics.figures import (
    CONNECTION_PEAK,
    CONNECTION_TIME,
    DAY,
    DELIVERY,
    HOUR,
    MESSAGES,
    MINUTE,
    READING,
    RECEIVED,
    SENT,
    Figure,
)
from flask_realtime.features.analytics.histogram import bucket_of
from tests.e2e.browser import PHONE, WIDE, Person, chromium
from tests.e2e.example import environment
from tests.e2e.servers import Server, python_module
from tests.integration.example_support import StoreApp

HOURS = 30


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = environment(tmp_path_factory.mktemp("figures"))
    with python_module("example_app", variables, ready="/healthz") as server:
        fill(variables["DATABASE_URL"])
        yield server


def fill(database_url: str) -> None:
    """Write figures of the last hours."""
    made = StoreApp(database_url, analytics=True)
    analytics = made.store.analytics
    assert analytics is not None
    now = HOUR.start_of(datetime.now(timezone.utc))
    with made.app.app_context():
        for number in range(1, HOURS):
            start = now - number * HOUR.length
            analytics.add(
                {
                    Figure(start, CONNECTION_PEAK): 5 + number % 7,
                    Figure(start, CONNECTION_TIME): 3_600_000 * (2 + number % 3),
                    Figure(start, MESSAGES): number,
                    Figure(start, RECEIVED, "message:send"): number,
                    Figure(start, SENT, "message:new"): 3 * number,
                    Figure(start, DELIVERY, str(bucket_of(0.02 * number))): number,
                    Figure(start, READING, str(bucket_of(20.0 * number))): number,
                }
            )
            analytics.roll_up(start, HOUR)
        for days in (0, 1, 2):
            analytics.roll_up(DAY.start_of(now) - timedelta(days=days), DAY)
        made.db.session.remove()
        made.db.engine.dispose()


def open_figures(person: Person) -> Locator:
    person.page.get_by_role("button", name="Administration").click()
    dialog = person.page.get_by_role("dialog", name="Administration")
    dialog.get_by_role("button", name="Figures").click()
    expect(dialog.locator("canvas")).to_have_count(5)
    return dialog


@pytest.mark.parametrize(("size", "colours"), [(WIDE, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_an_administrator_sees_charts_and_the_same_values_in_tables(
    browser: Browser, example: Server, size: dict[str, int], colours: str
) -> None:
    alice = Person(browser, example.url, size, colours)  # type: ignore[arg-type]
    alice.log_in("alice")
    dialog = open_figures(alice)
    expect(dialog.get_by_role("figure").filter(has_text="Messages")).to_contain_text(str(sum(range(1, HOURS))))
    expect(dialog.get_by_role("figure").filter(has_text="Time to deliver")).to_contain_text("Median")
    assert alice.accessibility_faults() == []

    for table, row in (("Events by kind", "message:new"), ("All values", "10")):
        dialog.get_by_text(table, exact=True).click()
        expect(dialog.get_by_role("region", name=table).get_by_role("row").filter(has_text=row).first).to_be_visible()
    assert alice.accessibility_faults() == []
    assert alice.width <= size["width"], "it can be scrolled sideways"
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")

    dialog.get_by_label("Time").select_option("The last 30 days")
    expect(dialog.locator("canvas")).to_have_count(6)
    expect(dialog.get_by_role("figure").filter(has_text="Active users")).to_contain_text("daily")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("form", name="Announcement")).to_be_visible()
    alice.leave()
    assert alice.complaints == []


def test_figures_of_the_present_hour_are_shown_before_they_are_rolled_up(browser: Browser, tmp_path: Path) -> None:
    variables = environment(tmp_path)
    with python_module("example_app", variables, ready="/healthz") as server:
        alice = Person(browser, server.url)
        alice.log_in("alice")
        made = StoreApp(variables["DATABASE_URL"], analytics=True)
        assert made.store.analytics is not None
        with made.app.app_context():
            made.store.analytics.add({Figure(MINUTE.start_of(datetime.now(timezone.utc)), MESSAGES): 1_234})
            made.db.session.remove()
            made.db.engine.dispose()
        dialog = open_figures(alice)
        expect(dialog.get_by_role("figure").filter(has_text="Messages")).to_contain_text("1,234")
        dialog.get_by_label("Time").select_option("The last 30 days")
        expect(dialog.get_by_role("figure").filter(has_text="Messages")).to_contain_text("1,234")
        alice.leave()
        assert alice.complaints == []


def test_the_charts_are_loaded_when_somebody_looks_at_them_and_keep_to_the_security_policy(
    browser: Browser, example: Server
) -> None:
    alice = Person(browser.new_context(), example.url)
    loaded: list[str] = []
    alice.page.on("request", lambda request: loaded.append(Path(request.url).name))
    alice.log_in("alice")
    assert [name for name in loaded if name.startswith("FiguresView")] == []
    open_figures(alice)
    assert {Path(name).suffix for name in loaded if name.startswith("FiguresView")} == {".js", ".css"}
    alice.leave()
    assert alice.complaints == []


def test_the_charts_have_the_colours_that_the_user_has_chosen(browser: Browser, example: Server) -> None:
    alice = Person(browser, example.url, colours="light")
    alice.log_in("alice")
    dialog = open_figures(alice)
    picture = "dialog => dialog.querySelector('canvas').toDataURL()"
    light = dialog.evaluate(picture)
    alice.page.emulate_media(color_scheme="dark")
    is_another = "light => [...document.querySelectorAll('canvas')].slice(0, 1).some(canvas => canvas.toDataURL() !== light)"
    alice.page.wait_for_function(is_another, arg=light)
    alice.leave()
    assert alice.complaints == []
