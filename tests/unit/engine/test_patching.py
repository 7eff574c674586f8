"""Changes to objects and looks into calls that are others'."""

from __future__ import annotations

from flask_realtime.engine.patching import callers, change_class, put_before


class Front:
    """A class that goes before another one."""

    def name(self) -> str:
        """Name who answers."""
        return "front"


class Behind:
    """That other one."""

    def __init__(self) -> None:
        self.held = "still here"

    def name(self) -> str:
        """Name who answers."""
        return "behind"


def test_a_class_goes_before_another_one_and_has_its_name() -> None:
    kind = put_before(Front, Behind, {"own": 1})
    assert (kind.__name__, kind.__mro__[1:3], kind.own) == ("Behind", (Front, Behind), 1)
    assert (kind().name(), Behind().name()) == ("front", "behind")


def test_an_object_of_another_class_holds_what_it_held() -> None:
    thing = Behind()
    change_class(thing, put_before(Front, Behind))
    assert (thing.name(), thing.held) == ("front", "still here")


def test_callers_are_found_from_whoever_asks_outwards() -> None:
    def ask() -> list[str]:
        frames = list(callers())
        return [frame.f_code.co_name for frame in frames]

    def pass_on() -> list[str]:
        return ask()

    assert pass_on()[:3] == ["ask", "pass_on", "test_callers_are_found_from_whoever_asks_outwards"]
