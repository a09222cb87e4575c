"""Each alert asks for series that there are, by labels that they have, and leads to a place that says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cluster.ports import METRICS, choose_ports
from deploy.cluster.scraping import FIGURES, write_prometheus_file
from syncline.data.metrics import ALL, Kind
from syncline.v1 import (
    app_enrollment_service_pb2,
    diagnostics_service_pb2,
    schema_service_pb2,
    sync_request_service_pb2,
    sync_service_pb2,
)

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/alerts.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
TARGET_LABELS = {"job", "instance", "program"}
"""What Prometheus adds to every series, and the configuration of the cluster."""
FILES = (
    app_enrollment_service_pb2,
    diagnostics_service_pb2,
    schema_service_pb2,
    sync_request_service_pb2,
    sync_service_pb2,
)
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}


def _shown() -> dict[str, set[str]]:
    """The labels of each series of the table, and of Prometheus's own `up`."""
    found = {"up": TARGET_LABELS}
    for metric in ALL:
        labels = {*metric.prometheus_labels, *TARGET_LABELS}
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{metric.prometheus_name}{part}": labels for part in ("_count", "_sum")}
            found[f"{metric.prometheus_name}_bucket"] = labels | {"le"}
        else:
            found[metric.prometheus_name] = labels
    return found


SHOWN = _shown()


def _asked(expression: str) -> tuple[set[str], set[str]]:
    """The series and the labels that an expression names."""
    text = re.sub(r'"[^"]*"', '""', expression)
    series_text = re.sub(
        r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^}]*\}|\[[^]]*\]", " ", text
    )
    series = set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", series_text)) - WORDS
    lists = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", text)
    matchers = re.findall(r"\{([^}]*)\}", text)
    labels = {label for part in lists for label in re.findall(r"\w+", part)}
    return series, labels | {label for part in matchers for label in re.findall(r"(\w+)\s*[=!]", part)}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_for_series_and_labels_of_the_table(rule: dict[str, Any]) -> None:
    series, labels = _asked(rule["expr"])
    assert series
    assert series <= set(SHOWN)
    assert labels <= set().union(*(SHOWN[name] for name in series))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_names_of_alerts_are_unique_and_each_has_its_test() -> None:
    names = [rule["alert"] for rule in RULES]
    case = yaml.safe_load((ROOT / "deploy/alerts_test.yml").read_text())["tests"][-1]
    (expected,) = case["promql_expr_test"]
    tested = re.findall(r'alertname="(\w+)"', " ".join(sample["labels"] for sample in expected["exp_samples"]))
    assert len(names) == len(set(names))
    assert tested == names


def test_the_alert_on_slow_calls_leaves_streams_out() -> None:
    """They take as long as they are open."""
    (rule,) = (rule for rule in RULES if rule["alert"] == "SynclineCallsSlow")
    left_out = re.compile(re.findall(r'rpc_method!~"([^"]*)"', rule["expr"])[0])
    methods = {
        f"{service.full_name}/{method.name}": method.client_streaming or method.server_streaming
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {name for name in methods if left_out.fullmatch(name)} == {
        name for name, is_open in methods.items() if is_open
    }


def test_the_figures_of_a_check_are_series_of_the_table() -> None:
    assert all(labels.keys() <= SHOWN[series] for series, labels in FIGURES.values())


def test_prometheus_is_told_of_every_program_and_of_the_alerts(tmp_path: Path) -> None:
    ports = choose_ports(tmp_path / "ports.json", None)
    write_prometheus_file(tmp_path / "prometheus.yml", ports)
    configuration = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    (scraped,) = configuration["scrape_configs"]
    assert {each["labels"]["program"]: each["targets"] for each in scraped["static_configs"]} == {
        program: [f"127.0.0.1:{ports[name]}"] for program, name in METRICS.items()
    }
    assert configuration["rule_files"] == [str(ALERTS)]
