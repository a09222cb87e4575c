"""A tap's catalog: what streams it has, and which of them it is to read."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.singer.settings import StreamSettings


def parse_catalog(output: bytes, program: str) -> list[dict[str, Any]]:
    """The streams that a discovery printed.

    Raises:
        ConnectorError: it is no catalog.
    """
    try:
        streams = list(json.loads(output)["streams"])
        sound = all(isinstance(stream["tap_stream_id"], str) for stream in streams)
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise ConnectorError(f"{program} printed no catalog when it was asked for one", for_good=True)
    return streams


def stream_names(stream: Mapping[str, Any]) -> tuple[str, str]:
    """What a stream is known by: its id, and the name that its messages carry."""
    return stream["tap_stream_id"], stream.get("stream") or stream["tap_stream_id"]


def selected_catalog(
    streams: Sequence[Mapping[str, Any]], wanted: Mapping[str, StreamSettings], *, full: bool
) -> dict[str, Any]:
    """The catalog that has the tap read just the streams wanted.

    Raises:
        ConnectorError: a stream that is wanted is not there.
    """
    known = {name for stream in streams for name in stream_names(stream)}
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known)[:10]) or 'none'}"
            raise ConnectorError(f"the tap has no stream {name!r}{hint}", for_good=True)
    chosen = []
    for stream in streams:
        settings = next((wanted[name] for name in stream_names(stream) if name in wanted), None)
        if settings is not None:
            chosen.append(_selected(stream, "" if full else settings.replication_key))
    return {"streams": chosen}


def _selected(stream: Mapping[str, Any], replication_key: str) -> dict[str, Any]:
    of_table: dict[str, Any] = {"selected": True}
    if replication_key:
        of_table |= {"replication-method": "INCREMENTAL", "replication-key": replication_key}
    else:
        of_table |= {"replication-method": "FULL_TABLE"}
    metadata = [dict(entry) for entry in stream.get("metadata") or []]
    for entry in metadata:
        of_column = entry.get("breadcrumb") or []
        entry["metadata"] = dict(entry.get("metadata") or {})
        if not of_column:
            entry["metadata"].pop("replication-key", None)
            entry["metadata"] |= of_table
        elif entry["metadata"].get("inclusion") != "unsupported":
            entry["metadata"]["selected"] = True
    if all(entry.get("breadcrumb") for entry in metadata):
        metadata.append({"breadcrumb": [], "metadata": of_table})
    selected = {**stream, "selected": True, "metadata": metadata, "replication_method": of_table["replication-method"]}
    selected.pop("replication_key", None)
    return {**selected, "replication_key": replication_key} if replication_key else selected
