"""The guide to metrics, its dashboard and its alert rules: whatever they ask for is in a real scrape."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import promql_parser
import pytest
import requests
import yaml

from example_app.address import DEFAULT_PORT
from flask_realtime.metrics.families import FAMILIES, OF_SCRAPE
from tests.docs.conftest import SECONDS, Serve
from tests.docs.pages import DOCS, ROOT
from tests.e2e.clients import JS_FOLDER, PyClient, Refused, node
from tests.e2e.example import User, environment
from tests.e2e.servers import gunicorn, python_module
from tests.redis_server import RedisServer
from tests.scrapes import Scrape

PAGE = "docs/how-to/metrics.md"
GIVEN_BY_PROMETHEUS = {"instance", "job"}
DASHBOARD = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """What the dashboard and the rules ask for, with Grafana's variables filled in."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [*(text.replace("$__rate_interval", "5m") for text in asked), *(rule["expr"] for rule in ALERTS)]


def nodes(node: Any) -> Iterator[Any]:
    """An expression, and all that is in it."""
    yield node
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        part = getattr(node, name, None)
        if part is not None:
            yield from nodes(part)
    for part in getattr(node, "args", ()):
        yield from nodes(part)


def parsed(text: str) -> tuple[set[str], set[str]]:
    """The metrics that an expression names, and the labels."""
    metrics, labels = set(), set()
    for part in nodes(promql_parser.parse(text)):
        if hasattr(part, "matchers"):
            metrics.add(part.name)
            labels |= {matcher.name for matcher in part.matchers.matchers}
        modifier = getattr(part, "modifier", None)
        for names in ("labels", "matching", "group_labels"):
            found = getattr(modifier, names, None)
            labels |= set(getattr(found, "labels", found) or ())
    return metrics, labels


def parsed_by_prometheus(*texts: str) -> list[dict[str, list[str]]]:
    """What the grammar in Prometheus's own repository finds in expressions: errors, metrics and labels."""
    options: Any = {"cwd": JS_FOLDER, "input": json.dumps(texts), "capture_output": True, "text": True, "timeout": SECONDS}
    answer = subprocess.run([node(), "parse-promql.mjs"], check=False, **options)
    assert answer.returncode == 0, answer.stderr
    found: list[dict[str, list[str]]] = json.loads(answer.stdout)
    return found


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrape]:
    """A scrape of a server to which everything has happened that has a metric."""
    folder = tmp_path_factory.mktemp("w")
    with RedisServer() as redis:
        variables = {**environment(folder), "TMPDIR": str(folder), "MESSAGE_QUEUE_URL": redis.url}
        with gunicorn("example_app:app", variables, ready="/healthz") as server:
            auth = {"token": User(server.url, "alice").token}
            with pytest.raises(Refused):
                PyClient(server.url, {"auth": {"token": "none"}, "transports": ["websocket"]})
            PyClient(server.url, {"auth": auth, "transports": ["polling"]}).disconnect()
            comeback = {"recovery": True, "pid": "a lost one", "offset": "1"}
            client = PyClient(server.url, {"auth": {**auth, **comeback}, "transports": ["websocket"]})
            try:
                client.call("users:get-status", ["nobody"])
                assert requests.get(f"{server.url}/api/conversations", timeout=SECONDS).status_code == 401
                yield Scrape(requests.get(f"{server.url}/metrics", timeout=SECONDS).text)
            finally:
                client.release()


@pytest.mark.parametrize("text", expressions())
def test_each_expression_asks_for_what_there_is(scraped: Scrape, text: str) -> None:
    metrics, labels = parsed(text)
    found = {sample.name for sample in scraped.samples}
    assert metrics
    assert metrics <= found
    known = {label for sample in scraped.samples if sample.name in metrics for label in sample.labels}
    assert labels <= known | GIVEN_BY_PROMETHEUS


def test_the_names_in_an_expression_are_all_found() -> None:
    text = "topk(3, sum by (a) (rate(x{b='1'}[5m]))) / on (c) group_left (d) (y > 1)"
    assert parsed(text) == ({"x", "y"}, {"a", "b", "c", "d"})


def test_prometheus_s_own_grammar_finds_the_same_in_each_expression() -> None:
    texts = expressions()
    for text, found in zip(texts, parsed_by_prometheus(*texts), strict=True):
        assert found["errors"] == [], text
        assert (set(found["metrics"]), set(found["labels"])) == parsed(text), text


@pytest.mark.parametrize("text", ["sum(rate(x[5m])", "rate(x[5 minutes])", "sum by a (x)", "x{a=b}", "topk(3,, x)"])
def test_prometheus_s_own_grammar_finds_errors(text: str) -> None:
    (found,) = parsed_by_prometheus(text)
    assert found["errors"]


def test_every_metric_is_on_the_dashboard() -> None:
    asked = {metric for text in expressions() for metric in parsed(text)[0]}
    found = {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in asked}
    assert {family.full_name for family in (*FAMILIES, *OF_SCRAPE)} - found == {"flask_realtime_process_threads"}


def test_panels_have_names_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["description"].endswith((".", "?")) for panel in PANELS)
    places = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(column, line) for column in range(at["x"], at["x"] + at["w"]) for line in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & places
        places |= cells


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_what_is_wrong_and_why_it_matters(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert len(rule["annotations"]["reason"]) > 80
    assert re.fullmatch(r"\d+[sm]", rule.get("for", "1m"))


def test_the_page_of_the_guide_needs_the_token_from_elsewhere(serve: Serve) -> None:
    page = serve(PAGE)
    address = f"{page.url}/metrics"
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert requests.get(address, timeout=SECONDS).status_code == 200
    assert requests.get(address, headers=forwarded, timeout=SECONDS).status_code == 401
    token = page.value("app.config['METRICS_TOKEN']")
    allowed = requests.get(address, headers={**forwarded, "Authorization": f"Bearer {token}"}, timeout=SECONDS)
    assert allowed.status_code == 200
    assert Scrape(allowed.text).values("workers") == [1]


def test_prometheus_is_told_to_ask_where_the_example_answers(tmp_path: Path) -> None:
    config, _ = configurations()
    assert [Path(name).name for name in config["rule_files"]] == ["alerts.yml"]
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert port == DEFAULT_PORT
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        answer = requests.get(server.url.replace("127.0.0.1", host) + "/metrics", timeout=SECONDS)
    assert answer.status_code == 200
    assert sum(Scrape(answer.text).values("workers")) >= 1  # Other tests may have the same application on this machine.


def test_prometheus_on_another_machine_has_the_token_of_the_page(serve: Serve) -> None:
    _, config = configurations()
    token = serve(PAGE).value("app.config['METRICS_TOKEN']")
    assert config["scrape_configs"][0]["authorization"] == {"credentials": token}


def configurations() -> list[dict[str, Any]]:
    """The examples of Prometheus's configuration, in their order."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    return [yaml.safe_load(dedent(block)) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
