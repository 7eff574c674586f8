"""Sets of names that mostly hold one or two."""

from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.small_sets import NOTHING, SmallSet, take_name, with_name, without_name


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(str))))
def test_a_set_holds_what_was_added_and_not_taken_out_in_order(steps: list[tuple[bool, str]]) -> None:
    names, expected = NOTHING, list[str]()
    for is_added, name in steps:
        if not is_added:
            names = without_name(names, name)
            expected = [other for other in expected if other != name]
        elif name not in names:
            names = with_name(names, name)
            expected.append(name)
    assert list(names) == expected
    assert len(names) == len(expected)
    assert all((str(name) in names) == (str(name) in expected) for name in range(21))


def test_a_large_set_loses_what_is_taken_out_as_a_small_one_does() -> None:
    names = NOTHING
    for number in range(12):
        names = with_name(names, f"{number}")
    for gone in ("3", "unknown", "11"):
        names = without_name(names, gone)
    assert list(names) == [f"{number}" for number in range(11) if number != 3]


def test_the_last_name_that_is_taken_out_takes_its_key_along() -> None:
    sets: dict[str, SmallSet] = {"c1": ("1", "2")}
    assert take_name(sets, "c1", "1")
    assert not take_name(sets, "c1", "1")
    assert sets == {"c1": ("2",)}
    assert take_name(sets, "c1", "2")
    assert not take_name(sets, "c1", "2")
    assert sets == {}
