"""The example application on one process, for the features that it shows, and clients of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import environment
from tests.e2e.servers import Server, python_module


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The example; for each module anew, since a user may log in so often alone."""
    with python_module("example_app", environment(tmp_path_factory.mktemp("example")), ready="/healthz") as server:
        yield server


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade", "py-websocket"])
def connect_example(request: pytest.FixtureRequest, driver: JSDriver, example: Server) -> Iterator[ClientFactory]:
    """Connects clients of one kind to the example."""
    factory = ClientFactory(request.param, driver, Api(example.url))
    yield factory
    factory.close()
