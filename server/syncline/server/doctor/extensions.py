"""Resolvers and connectors that are installed: a server does not start with one that cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Final

from syncline.server.doctor.findings import Finding, State
from syncline.server.errors import SettingsInvalid
from syncline.server.requests.connectors.registry import load_connectors
from syncline.server.resolvers import load_resolvers

_LOADERS: Final[dict[str, Callable[[], Sized]]] = {
    "resolvers": load_resolvers,
    "connectors": lambda: load_connectors().infos(),
}


def look_at_extensions() -> Iterator[Finding]:
    """Load each as a server would."""
    for subject, load in _LOADERS.items():
        try:
            yield Finding(subject, State.OK, f"{len(load()):,}")
        except SettingsInvalid as error:
            yield Finding(subject, State.FAIL, str(error), "mend or uninstall the package that brings it")
