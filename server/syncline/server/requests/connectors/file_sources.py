"""The files that a run of the connector `file` reads, as sources of rows."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from syncline.data.schema import ObjectType, Schema
from syncline.server.importing.archives import archive_sources
from syncline.server.importing.errors import SourceError
from syncline.server.importing.lines import Opener
from syncline.server.importing.sources import CsvSource, Source, open_source
from syncline.server.requests.connectors.contract import ConnectorError, Job
from syncline.server.requests.connectors.file_settings import FileSettings, allowed_path
from syncline.server.requests.zip_files import nearest

_UPLOADED: Final = "uploaded"
"""What identifies the files of a payload: those of one request never change."""
_SETTLED_NS: Final = 2_000_000_000
"""The coarsest clock of a file system in use."""

_ROW_SUFFIXES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_GZIP: Final = ".gz"
_ZIP: Final = ".zip"


@dataclass(frozen=True, slots=True)
class TypedSource:
    """A file, and what its rows are."""

    kind: ObjectType
    source: Source


@dataclass(frozen=True, slots=True)
class Files:
    """What a run reads, in this order."""

    sources: tuple[TypedSource, ...]
    identity: str
    """Another one when a file changed, or what is made of it: a place in the files as they were means nothing then."""
    is_settled: bool
    """A later change would show in the identity. A file that was written just now may be written again unseen."""
    size_bytes: int
    """Of all rows, uncompressed; 0: not known."""


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Files of the disk; the fields are those of `Files`."""

    sources: tuple[Source, ...]
    identity: str
    is_settled: bool
    is_plain: bool
    """None of them is compressed by itself."""


def disk_files(settings: FileSettings, roots: Sequence[Path], schema: Schema) -> Files:
    """The files that the settings name: one, or those of a directory by name. What is hidden or no rows is left out.

    Raises:
        ConnectorError: there are none, they lie outside of `roots`, or they are none of the schema's object types.
    """
    found = find_files(settings, roots, schema.version)
    typed = _typed(list(found.sources), schema, settings.object_type)
    return Files(typed, found.identity, found.is_settled, _size(typed) if found.is_plain else 0)


def find_files(settings: FileSettings, roots: Sequence[Path], schema_version: int) -> FoundFiles:
    """The files that the settings name, whatever is in them.

    Raises:
        ConnectorError: there are none, or they lie outside of `roots`.
    """
    began_at = time.time_ns()
    top = allowed_path(settings.path, roots)
    try:
        if top.is_dir():
            found = [path for path in sorted(top.iterdir()) if not path.name.startswith(".") and _has_rows(path)]
        else:
            found = [top]
        paths = [allowed_path(path, roots) for path in found]
        stats = [path.stat() for path in paths]
        for path in paths:
            if not path.is_file():
                raise ConnectorError(f"{path}: is neither a file nor a directory", for_good=True)
        sources = [source for path in paths for source in _path_sources(path)]
    except OSError as error:
        raise ConnectorError(f"{settings.path}: {error.strerror or error}", for_good=False) from error
    except SourceError as error:
        raise connector_error(error) from error
    if not sources:
        raise ConnectorError(f"{settings.path}: no files of rows are in it", for_good=True)
    seen = [(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in zip(paths, stats, strict=True)]
    identity = sha256(repr((seen, settings, schema_version)).encode(errors="surrogateescape")).hexdigest()[:32]
    is_settled = max(stat.st_mtime_ns for stat in stats) < began_at - _SETTLED_NS
    is_plain = all(path.suffix.lower() != _GZIP for path in paths)
    return FoundFiles(tuple(sources), identity, is_settled, is_plain)


@contextmanager
def uploaded_files(job: Job) -> Iterator[Files]:
    """The files of the zip that was uploaded; it is kept on disk until the context is left.

    Raises:
        ConnectorError: it cannot be read, or does not fit the schema any more.
    """
    with uploaded_sources(job) as sources:
        typed = _typed(sources, job.schema, "")
        yield Files(typed, f"{_UPLOADED}-{job.schema.version}", is_settled=True, size_bytes=_size(typed))


@contextmanager
def uploaded_sources(job: Job) -> Iterator[list[Source]]:
    """The same, whatever is in them.

    Raises:
        ConnectorError: it cannot be read.
    """
    with TemporaryFile() as file:
        for chunk in job.payload or ():
            file.write(chunk)
        try:
            sources = archive_sources(file, "")
        except SourceError as error:
            raise connector_error(error) from error
        yield sources


def type_name_of(source: Source) -> str:
    """The object type that the file is called for."""
    return _without_gzip(PurePath(source.name)).stem


def connector_error(error: SourceError) -> ConnectorError:
    """The error of a file as that of its connector. What the disk could not do now it may do later."""
    passing = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, gzip.BadGzipFile)
    return ConnectorError(str(error), for_good=not passing)


def _has_rows(path: Path) -> bool:
    name = _without_gzip(path)
    return name.suffix.lower() in _ROW_SUFFIXES or (name == path and path.suffix.lower() == _ZIP)


def _without_gzip(path: PurePath) -> PurePath:
    return path.with_suffix("") if path.suffix.lower() == _GZIP else path


def _path_sources(path: Path) -> list[Source]:
    if path.suffix.lower() == _ZIP:
        return archive_sources(path, str(path), _open)
    return [_open(str(path), path.stat().st_size, lambda: path.open("rb"))]


def _open(name: str, size_bytes: int, opener: Opener) -> Source:
    if PurePath(name).suffix.lower() == _GZIP:
        # The name keeps its ending in errors, so the source is chosen by the name below it.
        source = _open(str(_without_gzip(PurePath(name))), size_bytes, lambda: cast(BinaryIO, _Unzipped(opener())))
        source.name = name
        return source
    if PurePath(name).suffix.lower() == ".tsv":
        return CsvSource(name, size_bytes, opener, delimiter="\t")
    return open_source(name, size_bytes, opener)


class _Unzipped(gzip.GzipFile):
    """A compressed file that closes with what it reads from."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._compressed = file

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._compressed.close()


def _typed(sources: list[Source], schema: Schema, type_name: str) -> tuple[TypedSource, ...]:
    typed: list[TypedSource] = []
    seen: dict[str, str] = {}
    for source in sources:
        name = type_name or type_name_of(source)
        kind = schema.object_type(name)
        if kind is None:
            known = [each.name for each in schema.object_types]
            what = f"{source.name}: there is no object type {name!r:.100}{nearest(name, known)}"
            raise ConnectorError(what, for_good=True)
        if name in seen and not type_name:
            raise ConnectorError(f"{source.name}: holds {name!r}, as {seen[name]} does", for_good=True)
        seen[name] = source.name
        typed.append(TypedSource(kind, source))
    return tuple(typed)


def _size(typed: tuple[TypedSource, ...]) -> int:
    return sum(each.source.size_bytes for each in typed)
