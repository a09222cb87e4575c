"""What every connector must do. For one's own: a `Source`, and a subclass of `ConnectorConformance` with it as fixture.

The source is a real system of the kind that the connector talks to. It holds notes, which the suite changes.
"""

from __future__ import annotations

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.data.schema_rules import check_object_type
from syncline.server.requests.connectors.contract import Connector, ConnectorError, Incoming, IncomingRow, Job, Outgoing
from syncline.storage.request_models import Operation

NOTES: Final = ObjectType(
    "notes",
    "notes",
    (Field("id", FieldType.INTEGER, required=True), Field("text", FieldType.STRING)),
    primary_key=("id",),
)
SCHEMA: Final = Schema(1, (NOTES,))
SECRET: Final = "Tr0ub4dor&3 @/?"  # noqa: S105 - it opens nothing
"""What `Source.broken` puts into a secret. It looks otherwise in a URL."""
ROWS_MAX: Final = 1_000
_SOME = {number: f"note {number}" for number in range(1, 2_501)}


class Source(ABC):
    """A system with notes in it, empty at first."""

    connector: Connector
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = {}
    needed: tuple[str, ...]
    """The settings that must not be missing."""
    tells_changes: bool
    """Does a delta bring less than everything?"""

    def job(self, *, full: bool = True, cursor: str = "", stopped: Callable[[], bool] = lambda: False) -> Job:
        """What the connector is asked to do."""
        return Job(self.settings, self.secrets, SCHEMA, full, cursor, stopped=stopped)

    @abstractmethod
    def put(self, notes: Mapping[int, str]) -> None:
        """Have these notes, besides the others that are there."""

    @abstractmethod
    def remove(self, *ids: int) -> None:
        """Have these notes no longer."""

    @abstractmethod
    def opened(self) -> int:
        """How many connections, files or processes of the connector are open at present."""

    @abstractmethod
    def broken(self) -> list[Job]:
        """Jobs that cannot be done, in several ways, with SECRET as a secret or a part of one."""

    def notes(self) -> dict[int, str]:
        """What is there; needed if the connector writes."""
        raise NotImplementedError


def notes_of(batches: list[Incoming]) -> dict[int, str]:
    """The notes that came, each as it came last."""
    return {row.data["id"]: row.data["text"] for batch in batches for row in batch.rows if not row.deleted}


class ConnectorConformance:
    """Needs the fixture `source`."""

    def test_it_says_what_it_is(self, source: Source) -> None:
        assert source.connector.name
        assert source.connector.description
        assert source.connector.operations <= frozenset(Operation)
        source.connector.check_settings(source.settings, source.secrets)

    def test_settings_that_lack_something_are_refused(self, source: Source) -> None:
        for name in source.needed:
            settings = {other: value for other, value in source.settings.items() if other != name}
            with pytest.raises(ConnectorError, match=name) as refused:
                source.connector.check_settings(settings, source.secrets)
            assert refused.value.for_good

    def test_a_full_run_brings_all_in_small_batches(self, source: Source) -> None:
        source.put(_SOME)
        batches = list(source.connector.read(source.job()))
        rows = [row for batch in batches for row in batch.rows]
        assert not [bad for batch in batches for bad in batch.bad_rows]
        assert {type(row) for row in rows} == {IncomingRow}
        assert {row.object_type for row in rows} == {"notes"}
        assert sorted(row.data["id"] for row in rows) == sorted(_SOME), "each once"
        assert notes_of(batches) == _SOME
        assert len({row.source_key for row in rows}) in (len(_SOME), 1), "its own for each row, or none at all"
        for batch in batches:
            assert len(batch.rows) <= ROWS_MAX
            assert isinstance(json.loads(batch.cursor), dict)

    def test_an_empty_source_is_no_fault(self, source: Source) -> None:
        source.put({1: "soon gone"})
        source.remove(1)
        batches = list(source.connector.read(source.job()))
        assert notes_of(batches) == {}

    def test_a_run_goes_on_from_any_cursor(self, source: Source) -> None:
        source.put(_SOME)
        batches = list(source.connector.read(source.job()))
        for index, batch in enumerate(batches):
            rest = list(source.connector.read(source.job(cursor=batch.cursor)))
            assert notes_of(batches[: index + 1]) | notes_of(rest) == _SOME
            if index == 0:
                assert len(notes_of(rest)) < len(_SOME), "it began anew"

    def test_a_delta_brings_what_changed(self, source: Source) -> None:
        source.put(_SOME)
        cursor = list(source.connector.read(source.job()))[-1].cursor
        source.put({7: "changed", 9_000: "new"})
        batches = list(source.connector.read(source.job(full=False, cursor=cursor)))
        assert {7: "changed", 9_000: "new"}.items() <= notes_of(batches).items()
        assert not source.tells_changes or len(notes_of(batches)) < len(_SOME)
        source.put({8: "changed later"})
        batches = list(source.connector.read(source.job(full=False, cursor=batches[-1].cursor)))
        assert notes_of(batches)[8] == "changed later"
        # Where nothing changed, there is still a place for the next delta to begin.
        assert list(source.connector.read(source.job(full=False, cursor=batches[-1].cursor)))[-1].cursor

    def test_a_delta_without_a_cursor_brings_all(self, source: Source) -> None:
        source.put(_SOME)
        assert notes_of(list(source.connector.read(source.job(full=False)))) == _SOME

    def test_what_was_removed_does_not_come(self, source: Source) -> None:
        source.put({1: "a", 2: "b"})
        source.remove(1)
        assert notes_of(list(source.connector.read(source.job()))) == {2: "b"}

    def test_closing_frees_what_was_opened(self, source: Source) -> None:
        source.put(_SOME)
        before = source.opened()
        unread = source.connector.read(source.job())
        unread.close()  # type: ignore[attr-defined]  # they are generators
        assert source.opened() == before
        begun = source.connector.read(source.job())
        next(begun)
        begun.close()  # type: ignore[attr-defined]
        assert source.opened() == before
        list(source.connector.read(source.job()))
        assert source.opened() == before

    def test_a_stopped_run_ends(self, source: Source) -> None:
        source.put(_SOME)
        stop: list[bool] = []
        reading = source.connector.read(source.job(stopped=lambda: bool(stop)))
        got = [next(reading)]
        stop.append(True)
        ended: ConnectorError | None = None
        try:
            got.extend(reading)
        except ConnectorError as error:
            ended = error
        assert ended is None or not ended.for_good
        assert len(notes_of(got)) < len(_SOME)

    def test_checking_says_something(self, source: Source) -> None:
        source.put({1: "a"})
        assert source.connector.check(source.job())

    def test_what_there_is_can_be_read_once_it_is_declared(self, source: Source) -> None:
        source.put({1: "a", 2: "b"})
        job = replace(source.job(), schema=Schema(1, ()), scope="found")
        streams = [stream for stream in source.connector.discover(job) if stream.selected]
        assert streams
        assert all(stream.object_type is not None or stream.note for stream in streams)
        for kind in (stream.object_type for stream in streams if stream.object_type is not None):
            check_object_type(kind)
            assert (kind.name, kind.scope, kind.primary_key) == ("notes", "found", ("id",))
            declared = replace(job, schema=Schema(2, (kind,)))
            assert notes_of(list(source.connector.read(declared))) == {1: "a", 2: "b"}
            (again,) = (stream for stream in source.connector.discover(declared) if stream.selected)
            assert again.object_type == kind

    def test_a_stopped_look_ends(self, source: Source) -> None:
        source.put(_SOME)
        before = source.opened()
        with suppress(ConnectorError):
            source.connector.discover(source.job(stopped=lambda: True))
        assert source.opened() == before

    def test_no_secret_is_told(self, source: Source) -> None:
        for job in source.broken():
            told = [repr(job), repr(source.connector)]
            for attempt in (self._check_settings, self._check, self._discover, self._read):
                try:
                    attempt(source.connector, job)
                except ConnectorError as fault:
                    told += ["".join(traceback.format_exception(fault)), repr(fault)]
            assert len(told) > 2, "nothing was broken"
            for text in told:
                assert SECRET not in text

    @staticmethod
    def _check_settings(connector: Connector, job: Job) -> None:
        connector.check_settings(job.settings, job.secrets)

    @staticmethod
    def _check(connector: Connector, job: Job) -> None:
        connector.check(job)

    @staticmethod
    def _discover(connector: Connector, job: Job) -> None:
        connector.discover(job)

    @staticmethod
    def _read(connector: Connector, job: Job) -> None:
        list(connector.read(job))

    def test_writing_brings_the_records_there(self, source: Source) -> None:
        if Operation.WRITE not in source.connector.operations:
            with pytest.raises(ConnectorError):
                list(source.connector.write(source.job(), iter([Outgoing("notes", "1", {"id": 1}, 1)])))
            return
        source.put({1: "old", 2: "to go", 3: "stays"})
        records = [
            Outgoing("notes", "[1]", {"id": 1, "text": "new"}, 11),
            Outgoing("notes", "[2]", None, 12),
            Outgoing("notes", "[4]", {"id": 4, "text": "first"}, 13),
            Outgoing("notes", "[5]", None, 14),
        ]
        for _ in range(2):  # at least once: it may come again
            assert list(source.connector.write(source.job(), iter(records)))[-1] == 14
            assert source.notes() == {1: "new", 3: "stays", 4: "first"}

    def test_what_was_yielded_is_written(self, source: Source) -> None:
        if Operation.WRITE not in source.connector.operations:
            return
        records = [Outgoing("notes", f"[{number}]", {"id": number, "text": "x"}, number) for number in range(1, 1_501)]
        before = source.opened()
        writing = source.connector.write(source.job(), iter(records))
        revision = next(writing)
        assert revision < 1_500, "nobody knows how far it has got until the end"
        assert set(range(1, revision + 1)) <= source.notes().keys()
        writing.close()  # type: ignore[attr-defined]
        assert source.opened() == before
