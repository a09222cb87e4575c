"""Settings of the connector `file`: which files an enrollment reads, and whether the server lets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.storage.request_models import OnMatch

_NAMES: Final = frozenset({"path", "object_type", "keys", "nulls", "on_match"})
_ON_MATCH: Final = {on_match.value: on_match for on_match in OnMatch}


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What an enrollment says."""

    path: str = ""
    """A file or directory of the server's disk; empty: rows come by upload only."""
    object_type: str = ""
    """What all rows are; empty: each file is named for its object type."""
    nulls: tuple[str, ...] = ()
    """Texts that mean "absent" in a CSV file, besides the empty one."""
    on_match: OnMatch = OnMatch.UPDATE
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Object types, each with the columns of its key: for those that are inferred."""

    def key_of(self, object_type: str) -> tuple[str, ...] | None:
        """The key of this object type; None: nobody named it."""
        return dict(self.keys).get(object_type)


def read_settings(settings: Mapping[str, Any]) -> FileSettings:
    """Read an enrollment's settings.

    Raises:
        ConnectorError: one of them is unknown or has no sound value.
    """
    wrong = [f"{name}: is no setting of the connector `file`" for name in sorted(settings.keys() - _NAMES)]
    texts = ("path", "object_type")
    wrong += [f"{name}: must be a text" for name in texts if not isinstance(settings.get(name, ""), str)]
    nulls = settings.get("nulls", [])
    if not isinstance(nulls, list) or not all(isinstance(text, str) for text in nulls):
        wrong.append("nulls: must be a list of texts")
    keys = settings.get("keys", {})
    if not isinstance(keys, dict) or not all(map(_is_key, keys.values())):
        wrong.append("keys: must be an object of object types, each with the list of its key's columns")
        keys = {}
    on_match = settings.get("on_match", OnMatch.UPDATE.value)
    if not isinstance(on_match, str) or on_match not in _ON_MATCH:
        wrong.append(f"on_match: must be one of {', '.join(_ON_MATCH)}")
    if wrong:
        raise ConnectorError("; ".join(wrong), for_good=True)
    return FileSettings(
        settings.get("path", ""),
        settings.get("object_type", ""),
        tuple(nulls),
        _ON_MATCH[str(on_match)],
        tuple((name, tuple(columns)) for name, columns in sorted(keys.items())),
    )


def _is_key(columns: object) -> bool:
    return isinstance(columns, list) and bool(columns) and all(isinstance(name, str) and name for name in columns)


def allowed_path(path: str | Path, roots: Sequence[Path]) -> Path:
    """The path with symbolic links resolved. Of a path outside nothing is told, not even whether it is there.

    Raises:
        ConnectorError: it does not lie below one of the directories that the server allows.
    """
    if not Path(path).is_absolute():
        raise ConnectorError(f"path: must begin with a slash, unlike {str(path)!r:.100}", for_good=True)
    try:
        resolved = Path(path).resolve()
        if any(resolved.is_relative_to(root.resolve()) for root in roots):
            return resolved
    except (OSError, RuntimeError, ValueError):  # a loop of links, NUL, a name that is too long
        pass
    why = "lies in none of the directories that the server allows" if roots else "the server allows no directory"
    raise ConnectorError(f"path: {why} (setting `file_roots`): {str(path)!r:.100}", for_good=True)
