"""The mutation runner: the faults it makes, that tests see them, and that the tree itself is never touched."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.mutation.__main__ import choose, try_module
from tests.mutation.mutants import find_mutants
from tests.mutation.plan import PLAN, ROOT, Suite, modules_of, suite_of
from tests.mutation.report import Tally, read_judged, summary

SOURCE = textwrap.dedent('''
    """A module."""

    LIMIT: int = 8


    def allows(sizes: list[int], extra: int = 0) -> bool:
        """Return whether all fit."""
        if not sizes or extra > LIMIT:
            raise ValueError("no sizes")
        return all(size + extra <= LIMIT for size in sizes)
''')
TEST = textwrap.dedent("""
    import pytest

    from small import allows


    def test_all_have_to_fit():
        assert allows([8, 1]) and not allows([9, 1]) and not allows([1, 9])
        assert allows([6], 2) and not allows([7], 2)


    def test_no_sizes_are_an_error():
        with pytest.raises(ValueError):
            allows([])
        with pytest.raises(ValueError):
            allows([1], 9)
""")


def changed(source: str) -> set[str]:
    return {mutant.difference.splitlines()[-1].lstrip("+ ") for mutant in find_mutants(source)}


def test_each_kind_of_fault_is_made() -> None:
    assert {mutant.kind for mutant in find_mutants(SOURCE)} == {
        *(
            "constant",
            "comparison",
            "and/or",
            "not",
            "condition",
            "exception swallowed",
            "any/all",
            "arithmetic",
            "value not returned",
        ),
    }
    assert {"LIMIT: int = 9", "LIMIT: int = (7)", "pass", "return None"} <= changed(SOURCE)
    assert "return any(size + extra <= LIMIT for size in sizes)" in changed(SOURCE)
    assert "return all((size - extra <= LIMIT) for size in sizes)" not in changed(SOURCE), "one fault at a time"


def test_calls_and_statements_are_removed_and_arguments_swapped() -> None:
    source = "def run(self, a, b):\n    self.count += 1\n    self.go(a, b)\n    for item in a:\n        continue\n"
    assert {"(self.go(b, a))", "pass", "return"} <= changed(source)


def test_types_and_log_lines_are_left_alone() -> None:
    source = textwrap.dedent("""
        def run(value: dict[str, 1]) -> "list[2]":
            logger.info("%s %s", value, f"{3 + 4}")
    """)
    assert find_mutants(source) == []


def test_a_seed_chooses_the_same_faults_every_time() -> None:
    chosen = [mutant.source for mutant in choose(SOURCE, 5, "1:small.py")]
    assert chosen == [mutant.source for mutant in choose(SOURCE, 5, "1:small.py")]
    assert len(chosen) == 5
    assert len(choose(SOURCE, 0, "1")) == len(find_mutants(SOURCE))


# Nothing but pytest's own threads could be meant, and the child needs none of them.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_faults_are_seen_by_good_tests_and_reported_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").mkdir()
    module = tmp_path / "small.py"
    module.write_text(SOURCE)
    (tmp_path / "tests" / "test_small.py").write_text(TEST)
    (tmp_path / "tests" / "test_nothing.py").write_text("import small\n\n\ndef test_nothing():\n    assert small\n")
    mutants = [mutant for mutant in find_mutants(SOURCE) if "all(" in mutant.before and mutant.kind in {"any/all", "arithmetic"}]
    assert len(mutants) == 2
    assert (tally := try_module(tmp_path, "small.py", mutants, Suite(["test_small.py"]))).fast == 2
    assert tally.unseen == []
    unseen = try_module(tmp_path, "small.py", mutants[:1], Suite(["test_nothing.py"])).unseen
    assert unseen == mutants[:1]
    assert "+    return any(" in capsys.readouterr().out
    assert module.read_text() == SOURCE


def test_the_report_counts_what_can_be_felt() -> None:
    mutants = find_mutants(SOURCE)
    text = summary([Tally("a.py", fast=6, slow=1, without_effect=2, unseen=mutants[:1]), Tally("b.py", fast=2)])
    assert "| a.py | 10 | 7 | 6 | 2 | 1 |" in text
    assert "| all | 12 | 9 | 8 | 2 | 1 |" in text
    assert "90.0 % of the faults that can be felt were seen" in text


def test_each_module_has_tests_that_exist() -> None:
    for module in modules_of(["flask_realtime", "example_app"]):
        assert suite_of(module).fast
    named = {test for tests in PLAN.values() for test in (*tests.fast, *tests.slow)}
    assert {test for test in named if not (ROOT / "tests" / test).exists()} == set()


def test_what_is_judged_to_be_without_effect_is_still_in_the_code() -> None:
    for module, difference in read_judged():
        lines = {line.strip() for line in (ROOT / module).read_text().splitlines()}
        assert {line[1:] for line in difference.splitlines() if line.startswith("-")} <= lines, module
