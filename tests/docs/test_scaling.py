"""The page on scaling has what the simulation prints, and the simulation behaves as servers do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.model import ALONE, LINGER, SHARED, WORKERS, Costs, Row, bus_costs, fit, read, rows, traffic, written
from benchmarks.simulate import PAGE, SIZES, WAYS, Load, blocks, cells, model, one_stream, own_streams, parse, replaced
from flask_realtime.backends.redis.stream import MAX_ENTRIES

ONE_STREAM, MANY_STREAMS, CELLS, OWN_STREAMS = WAYS


def test_the_page_has_what_the_simulation_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    parts = blocks(Load())
    for name, text in parts.items():
        assert f"<!-- simulated: {name} -->\n{text}\n<!-- end -->" in page, "run python -m benchmarks.simulate --write"
    assert page.count("<!-- simulated: ") == len(parts)


def test_a_part_of_the_page_is_replaced_and_nothing_else() -> None:
    page = "a\n<!-- simulated: one -->\nold\n\\1\n<!-- end -->\nb\n<!-- simulated: two -->\nother\n<!-- end -->\n"
    assert replaced(page, {"one": "new \\1"}) == page.replace("old\n\\1", "new \\1")


def test_the_model_agrees_with_what_1_2_and_4_workers_were_measured_at() -> None:
    measured = rows()
    costs = fit(measured, bus_costs())
    assert {row.servers for row in measured} >= {1, 2, 4}
    assert [costs.of(row) for row in measured] == [pytest.approx(row.measured, rel=0.2) for row in measured]


def test_the_model_finds_the_costs_that_made_the_measurements() -> None:
    made = Costs(delivery=4.0, event=10.0, publish=6.0, read=300.0, received=8.0, server=2000.0, bus=bus_costs())
    loads = [Row(name, 0, *load, 0.0) for name, load in ALONE.items()]
    loads += [Row(name, servers, *load, 0.0) for name, load in SHARED.items() for servers in WORKERS]
    found = fit([replace(row, measured=made.of(row)) for row in loads], made.bus)
    for name in ("delivery", "event", "read", "received"):
        assert getattr(found, name) == pytest.approx(getattr(made, name), rel=0.05)


def test_events_that_wait_together_are_one_entry() -> None:
    handled = [[0.0, 0.0001, 0.0015, LINGER, 0.5], [0.0]]
    assert written(handled) == [(0.0, 0, 1), (0.0, 1, 1), (LINGER, 0, 3), (0.5, 0, 1)]


def test_a_server_reads_no_more_often_than_the_linger_and_so_many_entries_at_once() -> None:
    at_once = [(0.0, 1, 2)] * (MAX_ENTRIES + 1)
    assert read(at_once, 0) == (2, MAX_ENTRIES + 1, 2 * (MAX_ENTRIES + 1))
    assert read([(0.0, 0, 5), (LINGER / 2, 1, 1), (LINGER / 4 * 3, 1, 1), (1.0, 1, 1)], 0) == (3, 4, 3)


def test_each_server_reads_what_all_write() -> None:
    found = traffic([[0.0, 0.5], [0.1], [0.2]], 1.0)
    assert (found.writes, found.entries, found.received) == (4, 12, 8)


def test_with_one_stream_a_server_reads_more_with_each_machine_and_with_cells_it_does_not() -> None:
    shared = [[way(Load(), machines, 1) for machines in SIZES] for way in (one_stream, cells, own_streams)]
    growing, bounded, own = ([each.received for each in way] for way in shared)
    assert growing == sorted(set(growing))
    assert bounded[1:] == [bounded[1]] * (len(SIZES) - 1)
    assert own[-1] < 1.1 * own[-2]


def test_one_stream_bends_where_the_model_says_and_not_before() -> None:
    found = model(Load())
    fits, why = found.bend(ONE_STREAM)
    assert 1 < fits < 1000
    assert found.failure(*found.needed(ONE_STREAM, fits)) == ""
    assert found.failure(*found.needed(ONE_STREAM, fits + 1)) == why != ""
    assert found.bend(MANY_STREAMS)[0] < 1000
    for way in (CELLS, OWN_STREAMS):
        assert found.bend(way) == (1000, "")


def test_more_active_users_and_more_workers_need_more() -> None:
    usual, active, divided = (model(load).need(ONE_STREAM, 10, 1) for load in (Load(), Load(pause=10.0), Load(workers=4)))
    assert active.delivering > usual.delivering
    assert active.redis > usual.redis
    assert divided.redis > usual.redis


def test_the_load_can_be_chosen() -> None:
    chosen = parse(["--connections", "50", "--workers", "2", "--pause", "3.5", "--members", "4", "--write"])
    assert chosen == (Load(50, 2, 3.5, 4), True)
    assert parse([]) == (Load(), False)
