"""Reading the schema file: YAML in the shape of `syncline.data.schema_document`. Errors name file, line and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from syncline.data.errors import DataError
from syncline.data.schema import Schema
from syncline.data.schema_document import from_document
from syncline.data.schema_rules import check_schema

SCHEMA_FILE_BYTES_MAX = 8 * 1024 * 1024

_TEXT_TAG = "tag:yaml.org,2002:str"
_INTEGER_TAG = "tag:yaml.org,2002:int"

_SCOPE_DEPTH = 2
"""How deep in the document the mappings of object types by name stand. Names of scopes and types may hold dots."""


class SchemaFileError(Exception):
    """The schema file cannot be taken.

    Attributes:
        path: The file.
        line: The line that is wrong, counted from 1; 0 if it is the file as a whole.
        reason: What is wrong, in words.
    """

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


def load_schema_file(path: Path) -> Schema:
    """Read and check a schema file.

    Raises:
        SchemaFileError: it cannot be read, is no YAML, has another shape, or its schema breaks a rule.
    """
    reader = _Reader(path)
    try:
        document = reader.read()
    except RecursionError:
        raise SchemaFileError(path, 0, "is nested too deeply") from None
    try:
        schema = from_document(document)
        check_schema(schema)
    except DataError as error:
        raise SchemaFileError(path, _line_of(error.path, reader.lines), str(error)) from None
    return schema


class _Reader:
    """Turns YAML into a plain document and remembers on which line each part of it stands.

    Scalars are read by YAML 1.2's rules: `no`, `on` and dates are text, so that they can name fields.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[str, int] = {}
        self._seen: set[int] = set()

    def read(self) -> Any:
        try:
            root = yaml.compose(self._text(), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            raise SchemaFileError(self._path, line, f"is not YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise SchemaFileError(self._path, 0, f"is not YAML: {str(error).splitlines()[0]}") from None
        if root is None:
            raise SchemaFileError(self._path, 0, "is empty")
        return self._value(root, "", depth=0)

    def _text(self) -> str:
        try:
            with self._path.open("rb") as file:
                data = file.read(SCHEMA_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise SchemaFileError(self._path, 0, error.strerror or str(error)) from None
        if len(data) > SCHEMA_FILE_BYTES_MAX:
            raise SchemaFileError(self._path, 0, f"is larger than {SCHEMA_FILE_BYTES_MAX:,} bytes")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise SchemaFileError(self._path, line, "is not UTF-8") from None

    def _value(self, node: yaml.Node, path: str, *, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._seen:
            raise SchemaFileError(self._path, node.start_mark.line + 1, "anchors and aliases are not taken")
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, f"{path}[{index}]", depth=depth + 1) for index, item in enumerate(node.value)]
        return self._mapping(node, path, depth=depth)

    def _mapping(self, node: yaml.Node, path: str, *, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise SchemaFileError(self._path, line, "a name must be text")
            name = name_node.value
            if name in members:
                raise SchemaFileError(self._path, line, f"the name {name!r} stands twice")
            where = _join(path, name, depth)
            self.lines[where] = line
            members[name] = self._value(value_node, where, depth=depth + 1)
        return members


def _join(path: str, name: str, depth: int) -> str:
    """The path of a member, as errors of the schema spell it: below its scope, an object type is named alone."""
    return name if depth in (0, _SCOPE_DEPTH) else f"{path}.{name}"


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.style is not None or node.tag == _TEXT_TAG:
        return node.value
    if node.value in ("true", "false"):
        return node.value == "true"
    if node.tag == _INTEGER_TAG and node.value.isdecimal():
        return int(node.value)
    return None if node.value in ("", "~", "null") else node.value


def _line_of(path: str, lines: dict[str, int]) -> int:
    """The line of this part, or of the nearest part around it that stands in the file."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 0)
