"""Runs the benchmarks: `python -m benchmarks.run --help`."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt

from benchmarks.build import FOLDER, build
from benchmarks.counting import Rows
from benchmarks.generator import GeneratorError, generator
from benchmarks.namespaces import allowed
from benchmarks.operations import OPERATIONS, TOKENS
from benchmarks.report import Results, machine
from benchmarks.scenarios import SCENARIOS, Bench, Scenario
from benchmarks.servers import CONTENDERS, KEY, Contender, Running, Settings, free_port, log_tail, running

TOKEN_SECONDS = 6 * 3600
PY_SPY = ("py-spy", "record", "--native", "--rate", "200")
SERVER_CORE, GENERATOR_CORE = "0", "1"


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Args:
        runs: How often everything is measured.
        servers: Names of contenders.
        scenarios: Names of scenarios; None for none.
        operations: Names of measures of operations; None for none.
        add: Whether the rows that the file of figures has already are kept, where they are not measured now.
        seconds: Measured seconds of each load.
        scale: Share of the idle connections to open.
        pin: Whether the server gets one core and the generator another.
        json: Where the figures go.
        markdown: Where the tables go as well.
        profile: The folder for profiles.
    """

    runs: int
    servers: list[str]
    scenarios: list[str] | None
    operations: list[str] | None
    add: bool
    seconds: float
    scale: float
    pin: bool
    json: Path
    markdown: Path | None
    profile: Path | None


def parse(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure flask_realtime beside other servers.")
    parser.add_argument("--runs", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--servers", type=_names(CONTENDERS), default=list(CONTENDERS), help=",".join(CONTENDERS))
    parser.add_argument("--scenarios", type=_names(SCENARIOS), default=None, help=",".join(SCENARIOS))
    parser.add_argument("--operations", type=_names(OPERATIONS), default=None, help=",".join(OPERATIONS))
    parser.add_argument("--add", action="store_true", help="keep the rows of the file of figures that are not measured now")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds of each load (default 2)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 10,000 idle connections to open (default 1)")
    parser.add_argument("--quick", action="store_true", help="the same as --runs 1 --seconds 0.7 --scale 0.2")
    parser.add_argument("--pin", action="store_true", help="give the server one core and the generator another")
    parser.add_argument("--json", type=Path, default=FOLDER / "results.json", help="where the figures go")
    parser.add_argument("--markdown", type=Path, help="where the tables go as well")
    parser.add_argument("--profile", type=Path, help="a folder for py-spy's profiles of Python servers under load")
    given = vars(parser.parse_args(arguments))
    if given.pop("quick"):
        given.update(runs=1, seconds=0.7, scale=0.2)
    if given["scenarios"] is None and given["operations"] is None:
        given.update(scenarios=list(SCENARIOS), operations=list(OPERATIONS))
    return Options(**given)


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = set(chosen) - set(known)
        if unknown:
            message = f"unknown: {', '.join(sorted(unknown))}"
            raise argparse.ArgumentTypeError(message)
        return chosen

    return names


def write_tokens(path: Path, count: int) -> None:
    """Write access tokens as Flask-JWT-Extended makes them, each of another user."""
    now = int(time.time())
    claims = {"fresh": False, "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS, "type": "access"}
    tokens = (jwt.encode({**claims, "sub": f"user-{user}", "jti": str(uuid.uuid4())}, KEY, "HS256") for user in range(count))
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="ascii")


def prefix(core: str, *, pin: bool) -> list[str]:
    """What goes before a command to keep it on one core."""
    return ["taskset", "-c", core] if pin and shutil.which("taskset") else []


def run_all(options: Options) -> Results:
    """Measure everything, each run going through all the servers, so that a busy minute of the machine hits all of them."""
    results = Results(machine())
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        tokens = Path(folder) / "tokens"
        scenarios, operations = options.scenarios or [], options.operations or []
        write_tokens(tokens, max([SCENARIOS[name].connections for name in scenarios] + [TOKENS for _ in operations]))
        for name in operations:
            for rows in OPERATIONS[name](tokens, options.runs, options.seconds):
                keep(results, rows)
        for run in range(1, options.runs + 1):
            for name in scenarios:
                for server in options.servers:
                    if takes_part(CONTENDERS[server], SCENARIOS[name]):
                        run_one(options, results, tokens, Step(run, name, CONTENDERS[server]))
    return results


def keep(results: Results, rows: Rows) -> None:
    """Keep the figures of one run of a measure of operations."""
    for row, sides in rows.items():
        for side, figures in sides.items():
            results.add(side, row, figures)
            say(f"{row:26} {side:12} {'  '.join(f'{key} {value:,.2f}' for key, value in figures.items())}")


def takes_part(contender: Contender, scenario: Scenario) -> bool:
    """Say whether a scenario is about a server."""
    if contender.name == "extension":
        return True
    if contender.machines:
        return scenario.spans and allowed()
    return contender.workers > 0 if scenario.shares else contender.workers == 0 and scenario.presence == "nobody"


@dataclass(frozen=True)
class Step:
    """One scenario on one server in one run."""

    run: int
    name: str
    contender: Contender

    @property
    def scenario(self) -> Scenario:
        """The scenario itself."""
        return SCENARIOS[self.name]


def run_one(options: Options, results: Results, tokens: Path, step: Step) -> None:
    """Measure one scenario on one server and keep its figures, or what went wrong."""
    start = time.monotonic()
    settings = Settings(free_port(), ping_interval=step.scenario.ping_interval, presence=step.scenario.presence)
    with running(step.contender, settings, prefix(SERVER_CORE, pin=options.pin)) as server:
        try:
            with (
                generator(server.port, tokens, prefix(GENERATOR_CORE, pin=options.pin), step.contender.hosts(server.port)) as load,
                profiling(options.profile, server, step) as start_profile,
            ):
                warm = min(1.0, options.seconds / 2)
                bench = Bench(server.tree, load, server.port, warm, options.seconds, options.scale, start_profile)
                rows = step.scenario.run(bench)
        except GeneratorError as error:
            results.failed(step.contender.name, step.name, str(error))
            say(f"run {step.run}  {step.contender.name:15} {step.name:18} failed: {error}\n{log_tail(server)}")
            return
    say(f"run {step.run}  {step.contender.name:15} {step.name:18} took {time.monotonic() - start:.1f} s")
    for row, figures in rows.items():
        results.add(step.contender.name, row, figures)
        shown = "  ".join(f"{key} {value:,.1f}" for key, value in figures.items())
        say(f"run {step.run}  {step.contender.name:15} {row:18} {shown}")


@contextmanager
def profiling(folder: Path | None, server: Running, step: Step) -> Iterator[Callable[[float], None]]:
    """Give what starts a profile of the server's worker for some seconds, and wait for it at the end."""
    profilers: list[subprocess.Popen[bytes]] = []

    def start(seconds: float) -> None:
        if folder is None or not step.contender.is_python:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for style, suffix in (("flamegraph", "svg"), ("raw", "txt")):
            output = folder / f"{step.contender.name}-{step.name}-{len(profilers)}.{suffix}"
            command = [*PY_SPY, "--duration", str(max(1, int(seconds))), "--pid", str(server.tree.pids()[-1])]
            command += ["--format", style, "--output", str(output)]
            profilers.append(subprocess.Popen(command))  # noqa: S603 - what the developer asked for

    yield start
    for profiler in profilers:
        profiler.wait(60)


def say(line: str) -> None:
    """Show progress, apart from the tables."""
    sys.stderr.write(line + "\n")


def main() -> None:
    """Measure, print the tables, and write them as JSON."""
    options = parse(sys.argv[1:])
    build()
    results = run_all(options)
    if options.add:
        results.add_earlier(options.json)
    sys.stdout.write(results.as_text())
    results.write_json(options.json)
    if options.markdown is not None:
        options.markdown.write_text(results.as_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
