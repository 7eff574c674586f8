"""A clock for code that is handed one."""


class Clock:
    """A clock that stands still until a test moves it.

    Args:
        now: The time in seconds that it begins with.
    """

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
