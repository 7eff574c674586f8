"""What holds for every test."""

from collections.abc import Generator

import hypothesis
import pytest

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that cannot run shows nothing: it fails instead of being skipped."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped instead of run: {report.longrepr}"
    return report
