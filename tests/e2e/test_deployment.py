"""The Dockerfile, the systemd unit and the Kubernetes manifests of the example: what they name exists, and works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from example_app import create_app
from flask_realtime.config import RealtimeConfig
from tests.e2e.example import KEY
from tests.e2e.servers import ROOT, Server, process_environment, stopped_at_the_end
from tests.redis_server import free_port

SECONDS = 60.0
EXAMPLE = ROOT / "example_app"
PORT = "3000"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the image listens on, and the test does not


class Instruction(NamedTuple):
    """A statement of a Dockerfile.

    Args:
        name: What it does.
        value: What follows.
    """

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """Its words, without options."""
        return [word for word in self.value.split() if not word.startswith("--")]

    def command(self) -> list[str]:
        """The command of a CMD or a HEALTHCHECK, in exec form."""
        command: list[str] = json.loads(self.value[self.value.index("[") :])
        return command


def stages() -> dict[str, list[Instruction]]:
    """The stages of the Dockerfile, by their names; the last one has none."""
    lines = re.sub(r"\\\n\s*", "", (EXAMPLE / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    found: dict[str, list[Instruction]] = {}
    name = ""
    for line in lines:
        if line and not line.startswith("#"):
            instruction = Instruction(*line.split(" ", 1))
            if instruction.name == "FROM":
                name = instruction.value.partition(" AS ")[2]
                found[name] = []
            found[name].append(instruction)
    return found


def of(stage: str, name: str) -> list[Instruction]:
    return [instruction for instruction in stages()[stage] if instruction.name == name]


def is_ignored(path: str) -> bool:
    """Whether the ignore file keeps a path out of the build: the last pattern that matches it, or a folder of it, decides."""
    ignored = False
    for line in (EXAMPLE / "Dockerfile.dockerignore").read_text(encoding="utf-8").split():
        pattern = line.removeprefix("!")
        parts = path.split("/")
        if any(fnmatch("/".join(parts[:length]), pattern.replace("**/", "*")) for length in range(1, len(parts) + 1)):
            ignored = not line.startswith("!")
    return ignored


def copied(stage: str) -> Iterator[tuple[list[Path], str]]:
    """What a stage copies from the build's folder, and where to."""
    for instruction in of(stage, "COPY"):
        if "--from=" not in instruction.value:
            *sources, target = instruction.words
            yield [path for source in sources for path in sorted(ROOT.glob(source))], target


@pytest.mark.parametrize("stage", ["page", "packages", ""])
def test_what_is_copied_into_the_image_exists_and_is_not_ignored(stage: str) -> None:
    for instruction in of(stage, "COPY"):
        if "--from=" not in instruction.value:
            assert all(list(ROOT.glob(source)) for source in instruction.words[:-1]), instruction
    paths = [path for sources, _ in copied(stage) for path in sources]
    assert paths
    assert [path for path in paths if is_ignored(str(path.relative_to(ROOT)))] == []


def test_what_is_made_anew_stays_out_of_the_build() -> None:
    assert is_ignored("example_app/static/index.html")
    assert is_ignored("example_app/frontend/node_modules/react/index.js")
    assert is_ignored("flask_realtime/__pycache__/config.pyc")
    assert is_ignored(".venv/bin/python")


def test_stages_copy_from_stages_what_those_make() -> None:
    names = [re.findall(r"--from=(\S+) (\S+)", instruction.value) for instruction in of("", "COPY")]
    assert [name for found in names for name in found] == [
        ("packages", "/opt/venv"),
        ("page", "/build/example_app/static"),
    ]
    (folder,) = of("page", "WORKDIR")
    (made,) = re.findall(r"outDir: '([^']+)'", (EXAMPLE / "frontend" / "vite.config.ts").read_text(encoding="utf-8"))
    assert (Path(folder.value) / made).resolve() == Path("/build/example_app/static")
    assert any("npm run build" in instruction.value for instruction in of("page", "RUN"))
    assert "build" in json.loads((EXAMPLE / "frontend" / "package.json").read_text(encoding="utf-8"))["scripts"]


def test_the_packages_can_be_built_from_what_is_copied_and_have_the_extras(tmp_path: Path) -> None:
    for sources, target in copied("packages"):
        for source in sources:
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, tmp_path / target if source.is_dir() else tmp_path)
    command = [sys.executable, "setup.py", "--quiet", "--name", "--version"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert built.stdout.split()[0] == "flask-realtime"
    (extras,) = re.findall(r'"\.\[(.+)\]"', " ".join(run.value for run in of("packages", "RUN")))
    assert set(extras.split(",")) <= set(metadata("flask-realtime").get_all("Provides-Extra") or ())


def test_it_does_not_run_as_root() -> None:
    (user,) = of("", "USER")
    assert user.value == "10001"
    assert any(f"useradd --system --uid {user.value}" in run.value for run in of("", "RUN"))
    assert stages()[""].index(user) < stages()[""].index(of("", "CMD")[0])


def with_port(words: list[str], port: int) -> list[str]:
    return [word.replace(EVERYWHERE, "127.0.0.1").replace(PORT, str(port)) for word in words]


@contextmanager
def running_image(folder: Path, port: int) -> Iterator[Server]:
    """Run the image's command on the files that it has, with this environment's packages."""
    for sources, target in copied(""):
        (folder / target).mkdir(parents=True)
        for source in sources:
            shutil.copy(source, folder / target)
    variables = {"JWT_SECRET_KEY": KEY, "DEMO_MESSAGES": "false"}
    command = with_port(of("", "CMD")[0].command(), port)
    server = Server(command, variables, folder=folder)
    with stopped_at_the_end(server):
        server.url = f"http://127.0.0.1:{port}"
        server.wait_until_ready("/livez")
        yield server


def test_its_command_serves_and_its_health_check_sees_that(tmp_path: Path) -> None:
    port = free_port()
    check = with_port(of("", "HEALTHCHECK")[0].command(), port)

    def is_healthy() -> bool:
        done = subprocess.run(check, env=process_environment({}), capture_output=True, check=False, timeout=SECONDS)
        return done.returncode == 0

    with running_image(tmp_path, port):
        assert is_healthy()
    assert not is_healthy()


def manifests() -> dict[str, Any]:
    text = (EXAMPLE / "kubernetes.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def graceful_timeout(words: list[str]) -> int:
    return int(words[words.index("--graceful-timeout") + 1])


def test_kubernetes_waits_for_as_long_as_a_drain_takes() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    _sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    gunicorn_waits = graceful_timeout(of("", "CMD")[0].command())
    assert gunicorn_waits >= RealtimeConfig().drain_time + 5
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + gunicorn_waits + 5


def test_kubernetes_asks_for_what_the_example_answers(tmp_path: Path) -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": int(of("", "EXPOSE")[0].value)}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert [probe["path"] for probe in probes.values()] == ["/livez", "/livez", "/readyz"]
    database = f"sqlite:///{tmp_path}/example.sqlite3"
    client = create_app({"SQLALCHEMY_DATABASE_URI": database, "JWT_SECRET_KEY": KEY}, instance_path=str(tmp_path)).test_client()
    assert [client.get(probe["path"]).status_code for probe in probes.values()] == [200, 200, 200]


def test_kubernetes_runs_the_user_of_the_image_and_mounts_what_it_writes() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert str(pod["securityContext"]["runAsUser"]) == of("", "USER")[0].value
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    (workdir,) = of("", "WORKDIR")
    assert set(mounts) == {f"{workdir.value}/instance", "/tmp"}  # noqa: S108 - the pod's
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}


def test_the_service_and_the_budget_choose_the_deployment_s_pods() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def unit() -> dict[str, str]:
    lines = (EXAMPLE / "chat.service").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_systemd_starts_what_the_image_does_and_waits_as_long() -> None:
    settings = unit()
    program, *options = shlex.split(settings["ExecStart"])
    command = of("", "CMD")[0].command()
    assert program == f"/opt/venv/bin/{command[0]}"
    assert set(options) - {"127.0.0.1:3000"} <= set(command)
    assert graceful_timeout(options) + 5 <= int(settings["TimeoutStopSec"])
    assert settings["KillMode"] == "mixed"
    assert settings["ReadWritePaths"] == f"{settings['WorkingDirectory']}/instance"
