"""Programs that begin with flask_realtime imported are processes of their own all the same."""

from pathlib import Path

from tests.warm_python import WarmPython


def test_a_program_has_its_own_arguments_variables_and_folder(tmp_path: Path) -> None:
    source = "import os, sys; print(sys.argv[1:], dict(os.environ), os.getcwd())"
    with WarmPython() as warm:
        done = warm.run("-c", source, "one", "two", folder=tmp_path, environment={"NAME": "value"})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"['one', 'two'] {{'NAME': 'value'}} {tmp_path}\n", "")


def test_what_a_program_changes_and_how_it_ends_is_nothing_to_the_next_one(tmp_path: Path) -> None:
    source = "import sys, flask; assert not hasattr(flask, 'seen'); flask.seen = True; sys.exit({})"
    with WarmPython() as warm:
        codes = [warm.run("-c", source.format(code), folder=tmp_path, environment={}).returncode for code in (3, "'said'", 0)]
    assert codes == [3, 1, 0]


def test_pythons_options_hold_for_a_program(tmp_path: Path) -> None:
    with WarmPython("-W", "error") as warm:
        done = warm.run("-c", "import warnings; warnings.warn('careful')", folder=tmp_path, environment={})
    assert done.returncode == 1
    assert done.stderr.endswith("UserWarning: careful\n")
