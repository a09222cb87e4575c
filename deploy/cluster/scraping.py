"""The metrics of a cluster's programs: the file that Prometheus collects them by, and the figures of a check."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.cluster.ports import METRICS, Ports, address
from syncline.data import metrics

_ALERTS: Final = Path(__file__).parents[1] / "alerts.yml"
_INTERVAL_S: Final = 15
_ANSWER_S_MAX: Final = 5

FIGURES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "calls": (f"{metrics.CALL_DURATION.prometheus_name}_count", {}),
    "rows read by workers": (metrics.CONNECTOR_ROWS.prometheus_name, {"syncline_outcome": "read"}),
    "items handed out": (metrics.QUEUE_ITEMS.prometheus_name, {}),
    "changes answered": (metrics.UPLOAD_CHANGES.prometheus_name, {}),
}
"""What of the metrics sums up a check: for each figure the series, as Prometheus names it, and which labels it has."""


def write_prometheus_file(path: Path, ports: Ports) -> None:
    """Write a configuration for Prometheus: every program of the cluster, and the alerts."""
    targets = [{"targets": [address(ports, name)], "labels": {"program": program}} for program, name in METRICS.items()]
    configuration = {
        "global": {"scrape_interval": f"{_INTERVAL_S}s", "evaluation_interval": f"{_INTERVAL_S}s"},
        "rule_files": [str(_ALERTS)],
        "scrape_configs": [{"job_name": "syncline", "static_configs": targets}],
    }
    path.write_text(yaml.safe_dump(configuration, sort_keys=False))


def read_figures(ports: Ports) -> dict[str, float]:
    """The figures, summed up over all programs, each counting since it was started.

    Raises:
        URLError: a program shows no metrics now.
    """
    sums = dict.fromkeys(FIGURES, 0.0)
    for name in METRICS.values():
        url = f"http://{address(ports, name)}/metrics"
        with urllib.request.urlopen(url, timeout=_ANSWER_S_MAX) as answer:
            page = answer.read().decode()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                for figure, (series, labels) in FIGURES.items():
                    if sample.name == series and labels.items() <= sample.labels.items():
                        sums[figure] += sample.value
    return sums
