"""What the streams of a tap's catalog would be as object types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.requests.connectors.contract import DiscoveredStream, Job
from syncline.server.requests.connectors.discovery import STREAMS_MAX, stream_of, unusable_stream
from syncline.server.requests.connectors.singer.catalog import stream_names
from syncline.server.requests.connectors.singer.settings import SingerSettings, StreamSettings

_OWN_OF_TAPS: Final = "_sdc_"
_KEY_NAMES: Final = ("table-key-properties", "view-key-properties")
_TYPES: Final = {
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "string": FieldType.STRING,
}
_FORMATS: Final = {
    "date-time": FieldType.TIMESTAMP,
    "date": FieldType.DATE,
    "singer.decimal": FieldType.DECIMAL,
}
_NUMERIC: Final = frozenset({"integer", "number"})


def discovered_streams(
    streams: Sequence[Mapping[str, Any]], settings: SingerSettings, job: Job
) -> list[DiscoveredStream]:
    """The streams that are read first, then the others, each as its catalog entry describes it."""
    found = [_discovered(stream, settings, job) for stream in streams]
    return sorted(found, key=lambda stream: not stream.selected)[:STREAMS_MAX]


def _discovered(stream: Mapping[str, Any], settings: SingerSettings, job: Job) -> DiscoveredStream:
    name, called = stream_names(stream)
    chosen = next((settings.streams[each] for each in (name, called) if each in settings.streams), None)
    of_stream = chosen or StreamSettings(object_type=called)
    is_selected = chosen is not None
    properties = _properties(stream, of_stream)
    if properties is None:
        return unusable_stream(name, "the catalog describes no properties of it", selected=is_selected)
    declared = job.schema.object_type(of_stream.object_type)
    key = declared.primary_key if declared is not None else _key(stream)
    if not key and declared is None:
        return unusable_stream(name, "the catalog names no key; declare the object type", selected=is_selected)
    fields = tuple(Field(each, _field_type(described)) for each, described in properties.items())
    kind = ObjectType(of_stream.object_type, job.scope, fields, key)
    return stream_of(name, kind, selected=is_selected)


def _properties(stream: Mapping[str, Any], settings: StreamSettings) -> dict[str, Any] | None:
    """The columns that records have, with their JSON schemas."""
    schema = stream.get("schema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return None
    unsupported = {
        breadcrumb[1]
        for breadcrumb, metadata in _metadata(stream)
        if len(breadcrumb) > 1 and metadata.get("inclusion") == "unsupported"
    }
    left_out = unsupported | settings.leave_out
    return {
        name: described
        for name, described in properties.items()
        if name not in left_out and not name.startswith(_OWN_OF_TAPS)
    }


def _key(stream: Mapping[str, Any]) -> tuple[str, ...]:
    named = stream.get("key_properties")
    for breadcrumb, metadata in _metadata(stream):
        if not named and not breadcrumb:
            named = next((metadata[each] for each in _KEY_NAMES if metadata.get(each)), None)
    return tuple(named) if isinstance(named, list) and all(isinstance(name, str) for name in named) else ()


def _metadata(stream: Mapping[str, Any]) -> list[tuple[list[Any], Mapping[str, Any]]]:
    entries = stream.get("metadata")
    return [
        (list(entry.get("breadcrumb") or ()), entry.get("metadata") or {})
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping)
    ]


def _field_type(described: object) -> FieldType:
    """The narrowest type that takes all that the JSON schema allows; null aside, which is an absent field."""
    types, formats = _described(described)
    types.discard("null")
    if types and types <= _NUMERIC:
        return FieldType.NUMBER if "number" in types else FieldType.INTEGER
    if len(types) != 1:
        return FieldType.JSON
    (only,) = types
    if only == "string" and len(formats) == 1:
        return _FORMATS.get(next(iter(formats)), FieldType.STRING)
    return _TYPES.get(only, FieldType.JSON)


def _described(described: object) -> tuple[set[str], set[str]]:
    """The types that a JSON schema and its alternatives name, and the formats of texts (empty: any)."""
    if not isinstance(described, Mapping):
        return set(), set()
    named = described.get("type", [])
    types = {each for each in ([named] if isinstance(named, str) else named) if isinstance(each, str)}
    formats = {str(described.get("format") or "")} if "string" in types else set()
    for name in ("anyOf", "oneOf"):
        for branch in described.get(name) or ():
            more_types, more_formats = _described(branch)
            types |= more_types
            formats |= more_formats
    return types, formats
