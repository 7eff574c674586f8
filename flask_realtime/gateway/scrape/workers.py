"""The workers of one machine: each answers for itself on a Unix socket, and whoever is asked asks the others.

::

    scrape ─► any worker, or `flask realtime metrics`
                 │ its own readings
                 └─► the socket of each other worker ─► its readings, as JSON, within a time

A worker that is gone has nobody behind its socket, so that its series end with it. One that hangs is left out, which is counted.
Processes that run jobs and serve no clients answer in the same way, with the readings of the process and of the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from flask import Flask

from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.scrape.answering import Answering, Waiter
from flask_realtime.gateway.scrape.asking import Answers, Worker, ask
from flask_realtime.gateway.scrape.readings import Reading, Readings
from flask_realtime.gateway.scrape.sockets import IS_SUPPORTED, ProcessSockets
from flask_realtime.gateway.scrape.threads import Threads

Figures = Callable[[], Iterable[tuple[str, tuple[str, ...], float]]]
"""Returns readings: the name, the labels and the value of each."""


class Workers:
    """The workers of one application on this machine, this process among them once it serves.

    Args:
        app: The application; its workers have the same name and instance folder.
        config: Its settings.
        server: Its greenlets or threads.
        readings: Takes this process's readings.
    """

    def __init__(self, app: Flask, config: RealtimeConfig, server: Waiter, readings: Readings) -> None:
        self._server = server
        self._readings = readings
        self._watched: list[Figures] = []
        self._is_enabled = config.metrics
        self._is_serving = self._runs_jobs = False
        self._sockets: Final = ProcessSockets(app, config.metrics_folder)
        self._answering: Final = Answering(self._sockets, self._take)
        self.stop: Final = self._answering.stop
        """Stops answering."""

    def watch(self, figures: Figures) -> None:
        """Have the readings of something else among those of this process.

        Args:
            figures: Returns them: the name, the labels and the value of each.
        """
        self._watched.append(figures)

    def enable(self) -> None:
        """Answer for this process from the moment on when it serves, which may be now."""
        self._is_enabled = True
        self._start()

    def on_serving(self) -> None:
        """Handle the beginning of serving."""
        self._is_serving = True
        self._start()

    def on_jobs(self) -> None:
        """Handle that this process runs jobs, which it may do besides serving."""
        self._runs_jobs = True
        self._start()

    def ask(self) -> Answers:
        """Return the readings of all workers, this process among them."""
        others, errors = self.ask_others()
        return Answers([Worker(self._sockets.name, self._take()), *others], errors)

    def ask_others(self) -> Answers:
        """Return the readings of the workers, from a process that is none."""
        return ask(self._sockets.of_others(), self._server.wait_readable) if IS_SUPPORTED else Answers([], 0)

    def _start(self) -> None:
        if not (self._is_enabled and IS_SUPPORTED):
            return
        if self._is_serving:
            self._answering.start(self._server)
        elif self._runs_jobs:
            self._answering.start(Threads(), for_jobs=True)

    def _take(self) -> list[Reading]:
        own = self._readings.of_process() if self._runs_jobs and not self._is_serving else self._readings.take()
        return [*own, *(Reading(*figure) for figures in self._watched for figure in figures())]
