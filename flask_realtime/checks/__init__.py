"""Checks of an application's setup: definite problems, possible ones, and the remedy for each.

`flask realtime check` runs all of them; at the first request an application's server runs those that cost nothing and need no
network, and logs the findings. None of them guesses: what cannot be known from inside the application is not checked.

Each finding is a `Finding`: a code for machines, a level, the problem and its remedy. To test one, call its function with an
application that has the problem.
"""

from flask_realtime.checks.findings import Finding, Level
from flask_realtime.checks.runs import find_all, find_certain, warn_at_start

__all__ = ["Finding", "Level", "find_all", "find_certain", "warn_at_start"]
