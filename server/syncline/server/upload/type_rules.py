"""The schema's rules for what devices change, prepared once for each version of the schema."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

import orjson

from syncline.data.canonical import canonical_bytes, canonical_text, parse_object
from syncline.data.changes import Edit
from syncline.data.errors import DataError
from syncline.data.fields import check_record, check_value
from syncline.data.keys import KeyRule
from syncline.data.limits import RECORD_BYTES_MAX
from syncline.data.parsing import parse_value
from syncline.data.schema import ObjectType, Schema
from syncline.server.identity.caller import Caller
from syncline.server.plain_fields import plain_rules
from syncline.server.recently_used import RecentlyUsed
from syncline.server.upload.refusals import ChangeRefused, invalid, invalid_data
from syncline.v1 import upload_pb2

SCHEMAS_KEPT_MAX: Final = 100


class SchemaRules:
    """The rules of all object types of a schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._kinds = {kind.name: kind for kind in schema.object_types}
        self._rules: dict[str, TypeRules] = {}

    def of(self, object_type: str) -> TypeRules | None:
        """The rules of this object type; None: there is none. Made when they are first asked for."""
        rules = self._rules.get(object_type)
        if rules is None and object_type in self._kinds:
            rules = self._rules[object_type] = TypeRules(self._kinds[object_type])
        return rules


class RulesCache:
    """Keeps the rules of those schemas that were asked for last. From any thread."""

    def __init__(self) -> None:
        self._rules = RecentlyUsed[tuple[str, frozenset[str] | None], SchemaRules](SCHEMAS_KEPT_MAX)
        """By account, and by the scopes that a caller sees of its schema."""
        self._lock = Lock()

    def rules(self, caller: Caller, schema: Schema) -> SchemaRules:
        """The rules of this schema, as it is for the caller."""
        seen = (caller.account_id, caller.scopes)
        with self._lock:
            rules = self._rules.get(seen)
            if rules is None or rules.schema != schema:
                rules = SchemaRules(schema)
                self._rules.put(seen, rules)
        return rules


class TypeRules:
    """The rules of one object type."""

    def __init__(self, kind: ObjectType) -> None:
        self.kind = kind
        self._fields = {field.name: field for field in kind.fields}
        self._plain = plain_rules(kind)
        self._required = tuple(field.name for field in kind.fields if field.required)
        self._keys = KeyRule(kind) if kind.primary_key else None

    def inserted(self, key: str, data: bytes) -> dict[str, Any]:
        """The record that an INSERT brings.

        Raises:
            ChangeRefused: it is no canonical data, does not fit the object type, or has another key.
        """
        if len(data) > RECORD_BYTES_MAX:
            what = f"a record has {len(data):,} bytes; at most {RECORD_BYTES_MAX:,} are taken"
            raise ChangeRefused("CHANGE_TOO_LARGE", what, "data")
        record = self._plain_record(data)
        if record is None:
            record = canonical_record(data)
            try:
                check_record(self.kind, record)
            except DataError as error:
                raise invalid_data(error, field="data") from error
        if self._keys is not None:
            try:
                own = self._keys.key_of(record)
            except DataError as error:
                raise invalid_data(error, field="key") from error
            if own != key:
                raise ChangeRefused("KEY_CHANGED", f"the record's key is {own!r:.100}, not {key!r:.100}", "key")
        return record

    def edit(self, message: upload_pb2.FieldEdit) -> Edit:
        """One field of an UPDATE.

        Raises:
            ChangeRefused: there is no such field, it is part of the key, or a value breaks a rule.
        """
        name = message.name
        field = self._fields.get(name)
        if field is None:
            raise invalid(f"the object type {self.kind.name!r} has no such field", name)
        if name in self.kind.primary_key:
            raise ChangeRefused("KEY_CHANGED", "is part of the key, which a record keeps for ever", name)
        old = canonical_value(message.old_value, name)[0] if message.HasField("old_value") else None
        if not message.HasField("new_value"):
            if field.required:
                raise invalid("is required", name)
            return Edit(name, old, None)
        new, value = canonical_value(message.new_value, name)
        try:
            check_value(field, value)
        except DataError as error:
            raise invalid_data(error) from error
        return Edit(name, old, new)

    def _plain_record(self, data: bytes) -> dict[str, Any] | None:
        """The quick way, which nearly every record takes: None if the data must be looked at closely."""
        # orjson is lenient. What it bends it spells otherwise than it came, so equal bytes prove that nothing was: no
        # name stands twice, and no number is inexact. The checks see to it that it spells as canonical data does.
        plain = self._plain
        try:
            record: dict[str, Any] = orjson.loads(data)
            for name, value in record.items():
                kind, check = plain[name]
                if (kind is not None and type(value) is not kind) or (check is not None and not check(value)):
                    return None
            for name in self._required:
                record[name]
        except (ValueError, KeyError, AttributeError):
            return None
        same = orjson.dumps(record, option=orjson.OPT_SORT_KEYS) == data and b"\\u0000" not in data
        return record if same else None


def canonical_record(data: bytes) -> dict[str, Any]:
    """Read a record's data, which must be in canonical form.

    Raises:
        ChangeRefused: it is not.
    """
    try:
        record = parse_object(data)
        if canonical_bytes(record) == data:
            return record
    except DataError as error:
        raise invalid_data(error, field="data") from error
    raise invalid("is not in canonical form", "data")


def canonical_value(data: bytes, name: str) -> tuple[str, Any]:
    """Read a field's value, other than null, which must be in canonical form: its text and the value.

    Raises:
        ChangeRefused: it is not.
    """
    if len(data) > RECORD_BYTES_MAX:
        what = f"has {len(data):,} bytes; a record has at most {RECORD_BYTES_MAX:,}"
        raise ChangeRefused("CHANGE_TOO_LARGE", what, name)
    try:
        value = parse_value(data)
        text = canonical_text(value)
    except DataError as error:
        inside = error.path if not error.path or error.path.startswith("[") else f".{error.path}"
        raise invalid(error.rule, f"{name}{inside}") from error
    if value is None:
        raise invalid("null means that the field is absent; leave the value unset", name)
    if text.encode() != data:
        raise invalid("is not in canonical form", name)
    return text, value
