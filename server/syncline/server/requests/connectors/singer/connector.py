"""The connector `singer`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syncline.server.config import load_settings
from syncline.server.requests.connectors.contract import ConnectorError, DiscoveredStream, Incoming, Job, Outgoing
from syncline.server.requests.connectors.singer.catalog import selected_catalog
from syncline.server.requests.connectors.singer.process import Stopped
from syncline.server.requests.connectors.singer.reading import read_catalog, read_tap
from syncline.server.requests.connectors.singer.settings import merged_config, parse_settings, program_path
from syncline.server.requests.connectors.singer.streams import discovered_streams
from syncline.server.requests.connectors.singer.writing import feed_target
from syncline.storage.request_models import Operation


class SingerConnector:
    """Reads from any Singer tap, and writes to any Singer target.

    Rows that a state of the tap does not cover yet come again when a run is resumed. The program sees its configuration
    in a file that only it may read, in a directory that goes when the run ends.
    """

    name = "singer"
    description = "Any Singer tap or target, run as a program in an environment of its own."
    operations = frozenset({Operation.READ, Operation.WRITE, Operation.CHECK})

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """See `Connector.check_settings`."""
        merged_config(parse_settings(settings).config, secrets)

    def read(self, job: Job) -> Iterator[Incoming]:
        """See `Connector.read`."""
        settings = parse_settings(job.settings)
        if not settings.tap:
            raise ConnectorError("settings: there is no `tap` to read from", for_good=True)
        if not settings.streams:
            raise ConnectorError("settings: streams: name at least one stream to read", for_good=True)
        tap = _program(settings.tap)
        with _config_file(merged_config(settings.config, job.secrets)) as config:
            try:
                yield from read_tap(tap, config, settings, job)
            except Stopped:
                return

    def discover(self, job: Job) -> Sequence[DiscoveredStream]:
        """See `Connector.discover`: the tap's catalog, which reads no rows. Nothing, if there is no tap."""
        settings = parse_settings(job.settings)
        if not settings.tap:
            return ()
        tap = _program(settings.tap)
        with _config_file(merged_config(settings.config, job.secrets)) as config:
            try:
                streams = read_catalog(tap, config, job, settings.silence_seconds)
            except Stopped:
                raise ConnectorError("the run was stopped", for_good=False) from None
            return discovered_streams(streams, settings, job)

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:
        """See `Connector.write`."""
        settings = parse_settings(job.settings)
        if not settings.target:
            raise ConnectorError("settings: there is no `target` to write to", for_good=True)
        target = _program(settings.target)
        wanted = frozenset(settings.object_types)
        chosen = (record for record in records if not wanted or record.object_type in wanted)
        with _config_file(merged_config(settings.config, job.secrets)) as config:
            try:
                yield from feed_target(target, config, job, chosen, settings.silence_seconds)
            except Stopped:
                return

    def check(self, job: Job) -> str:
        """See `Connector.check`."""
        settings = parse_settings(job.settings)
        if settings.target:
            _program(settings.target)
        if not settings.tap:
            return f"{settings.target} is installed"
        tap = _program(settings.tap)
        with _config_file(merged_config(settings.config, job.secrets)) as config:
            try:
                streams = read_catalog(tap, config, job, settings.silence_seconds)
            except Stopped:
                return "stopped"
            selected_catalog(streams, settings.streams, full=True)
            return f"{len(streams):,} streams, the {len(settings.streams):,} that are wanted among them"


def _program(program: str) -> Path:
    return program_path(load_settings().connectors_dir, program)


@contextmanager
def _config_file(config: Mapping[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="syncline-singer-") as directory:
        path = Path(directory) / "config.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(config, file)
        yield path
