"""Fuzzing: bytes from outside, led by coverage through whatever parses them.

`targets.py` says what has to hold for any bytes; `python -m tests.fuzz` looks for bytes for which it does not; `corpus/` keeps
those that led somewhere new, and the test suite goes through them each time.
"""
