"""The file that keeps a device's UUID from one run of a program to the next."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from uuid import UUID, uuid4

from syncline.client.errors import DeviceFileError


def device_uuid_from_file(path: Path) -> UUID:
    """The UUID that the file holds; a new one is made and stored if there is no such file.

    The file appears whole or not at all and is readable by its owner only. Processes that race to make it get the
    same UUID. A file that holds something else is never overwritten: a new UUID would be another device.

    Raises:
        DeviceFileError: the file cannot be read or made, or holds no UUID.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        return _read(path)
    except OSError as error:
        raise DeviceFileError(f"cannot keep the device's UUID in {path}: {error.strerror or error}") from error


def _read(path: Path) -> UUID:
    content = path.read_bytes()
    try:
        return UUID(content.decode("ascii").strip())
    except ValueError as error:
        raise DeviceFileError(
            f"{path} is not a device file: it must hold one UUID. Put it back from a copy, or remove it "
            "to let this be a new device."
        ) from error


def _make(path: Path) -> None:
    """Write the file beside its place, then link it there: a link, unlike a rename, never replaces a file."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{uuid4()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)  # noqa: PTH108 - the name is what mkstemp gave
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
