"""What a connector is: the code that talks to one kind of connected system.

A connector is offered by an entry point of the group `syncline.connectors`, which names an object of this protocol.
`tests/connectors/conformance.py` holds a connector to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from syncline.data.schema import ObjectType, Schema
from syncline.storage.request_models import OnMatch, Operation

SCOPE_DEFAULT: Final = "main"
"""Where object types go that nobody declared."""


class ConnectorError(Exception):
    """The connected system, or what it gave, is not as it must be.

    Args:
        message: what went wrong, for people; no secrets.
        for_good: a repeat would fail likewise, so the request is not tried again.
    """

    def __init__(self, message: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.for_good = for_good


class IncomingRow(NamedTuple):
    """One row as a connector gives it; the runner holds it to the schema. A tuple: millions of them are made."""

    object_type: str
    data: Mapping[str, Any]
    """The fields; empty if `deleted`."""
    source_key: str = ""
    """What the system knows it by; empty: the record's key."""
    on_match: OnMatch = OnMatch.UPDATE
    deleted: bool = False
    """The system no longer has it."""
    line: int = 0
    """In its file, from 1; 0: it has none."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that the connector itself could not take; it becomes a detail."""

    object_type: str
    reason: str
    line: int = 0
    source_key: str = ""
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Some rows, and where to go on after them. The runner writes them in one transaction."""

    rows: tuple[IncomingRow, ...]
    """At most 1,000."""
    cursor: str
    """Where to go on, as JSON: given back to `read` when the run is resumed or, after a success, for the next delta."""
    bad_rows: tuple[BadRow, ...] = ()
    bytes_read: int = 0
    """Since the `Incoming` before."""
    estimate: int = 0
    """Rows that there are to read in all; 0: not known."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a connector is asked to do."""

    settings: Mapping[str, Any]
    """The enrollment's."""
    secrets: Mapping[str, str] = field(repr=False)
    """The enrollment's, by name. Never to be logged, nor put into a command line."""
    schema: Schema
    """The account's: rows of other object types are refused."""
    full: bool
    """Read all; else what changed since `cursor`."""
    cursor: str
    """Where to go on; empty: at the beginning."""
    payload: Iterator[bytes] | None = None
    """The bytes that were uploaded with the request."""
    payload_kind: str = ""
    """What they are, as `payload_kinds` writes it; empty: none."""
    stopped: Callable[[], bool] = field(default=lambda: False)
    """Is the run to end? To be asked at least once a second by what waits; the runner itself asks between batches."""
    scope: str = SCOPE_DEFAULT
    """Where object types go that `discover` finds and the schema lacks."""


@dataclass(frozen=True, slots=True)
class DiscoveredStream:
    """One of the things that a connected system has rows of, such as a table or a file."""

    name: str
    """What the system calls it."""
    object_type: ObjectType | None
    """What its rows would be if nobody had declared it, with the fields, in the job's scope; None: `note` says why
    they can be none."""
    selected: bool
    """READ takes its rows."""
    rows: int = 0
    """How many there are; 0: not known."""
    note: str = ""
    """What is left out of it, or why it has no object type; no secrets."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record that changed here, for WRITE."""

    object_type: str
    key: str
    data: Mapping[str, Any] | None
    """None: it was deleted."""
    revision: int


class Connector(Protocol):
    """One kind of connected system. Its methods block, and may be called from any thread."""

    name: str
    description: str
    """What it connects to, in a sentence."""
    operations: frozenset[Operation]
    """What it can do."""

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Raise `ConnectorError` unless the settings are complete and sound. Touches no network."""

    def read(self, job: Job) -> Iterator[Incoming]:
        """READ: the rows, in batches. Closing the iterator ends all that it opened; it may be resumed from any cursor.

        Called, read and closed in one thread, which asks for a batch while the one before is written.

        Rows may come again after a resume. A deleted row that was never seen does no harm.

        Raises:
            ConnectorError: the rest cannot be read; what was given stays.
        """

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:
        """WRITE: take the records, and yield the revision up to which all are stored durably, at least now and then.

        At least once: after a failure, records come again from the revision that was last yielded.

        Raises:
            ConnectorError: as `read`.
        """

    def discover(self, job: Job) -> Sequence[DiscoveredStream]:
        """What there is, whether or not the account's schema has it. Reads, and changes nothing.

        With a cursor and without `full`, what a READ would not look at may be left out.

        Raises:
            ConnectorError: it cannot be found out, or the run is to end.
        """

    def check(self, job: Job) -> str:
        """CHECK: connect, and say in a few words what was found; or `ConnectorError`."""
