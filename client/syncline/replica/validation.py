"""What a local write must keep to, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.data.canonical import canonical_bytes
from syncline.data.changes import Edit, field_text
from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.ids import uuid7
from syncline.data.keys import KeyRule, check_key
from syncline.data.schema import ObjectType, Relationship, Schema
from syncline.data.text import check_text
from syncline.replica.errors import NotSynchronised, ReadOnlyType, UnknownObjectType, ValidationFailed


class TypeRules:
    """The rules of one object type; prepared once, used for each write."""

    def __init__(self, schema: Schema, kind: ObjectType) -> None:
        self.kind = kind
        self.children: tuple[tuple[ObjectType, Relationship], ...] = tuple(
            (child, relationship)
            for child in schema.object_types
            for relationship in child.relationships
            if relationship.parent == kind.name
        )
        """The relationships of other types, or of its own, that refer to this one."""
        self._fields = frozenset(field.name for field in kind.fields)
        self._key_rule = KeyRule(kind) if kind.primary_key else None

    def check_writable(self, key: str) -> None:
        """Refuse what devices may not change.

        Raises:
            ReadOnlyType: the type is one of those.
        """
        if self.kind.read_only:
            raise ReadOnlyType(self.kind.name, key, "", "devices may not change records of this object type")

    def new_key(self, record: Mapping[str, Any], given: str | None) -> str:
        """The key of a record that is to be created.

        Raises:
            ValidationFailed: a key field is missing or wrong, or another key was given.
        """
        try:
            if self._key_rule is None:
                if given is None:
                    return str(uuid7())
                if not isinstance(given, str):
                    raise DataError("", f"a record's key is text, not {given!r:.60}")  # noqa: TRY301 - one way out
                check_key(given, "")
                return given
            key = self._key_rule.key_of(record)
        except DataError as error:
            raise ValidationFailed(self.kind.name, given or "", error.path, error.rule) from None
        if given is not None and given != key:
            rule = f"its key fields make the key {key!r}; the key given is another"
            raise ValidationFailed(self.kind.name, given, self.kind.primary_key[0], rule)
        return key

    def new_record(self, data: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The record to be created: the data without nulls.

        Raises:
            ValidationFailed: it is no record of the type.
        """
        if not isinstance(data, Mapping):
            raise ValidationFailed(self.kind.name, key or "", "", f"a record is a mapping, not {data!r:.60}")
        record = {name: value for name, value in data.items() if value is not None}
        for name in data:
            self._check_name(key or "", name)
        self.check_fields(key or "", record)
        return record

    def changed_record(self, key: str, old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """The record after an update: None in the changes removes a field.

        Raises:
            ValidationFailed: it is no record of the type any more, or has another key.
        """
        if not isinstance(changes, Mapping):
            raise ValidationFailed(self.kind.name, key, "", f"changes are a mapping, not {changes!r:.60}")
        record = dict(old)
        for name, value in changes.items():
            self._check_name(key, name)
            if value is None:
                record.pop(name, None)
            else:
                record[name] = value
        for name in self.kind.primary_key:
            if name in changes and not _equal(old, record, name):
                rule = "is a key field, which cannot change: create another record, and delete this one"
                raise ValidationFailed(self.kind.name, key, name, rule)
        self.check_fields(key, record)
        return record

    def check_fields(self, key: str, record: Mapping[str, Any]) -> None:
        """Check names, types, lengths, and that what is required is there.

        Raises:
            ValidationFailed: a field breaks a rule.
        """
        try:
            check_record(self.kind, record)
        except DataError as error:
            raise ValidationFailed(self.kind.name, key, error.path, error.rule) from None

    def canonical(self, key: str, record: Mapping[str, Any]) -> str:
        """The record in canonical form.

        Raises:
            ValidationFailed: it has none, or is too large.
        """
        try:
            return canonical_bytes(record).decode()
        except DataError as error:
            raise ValidationFailed(self.kind.name, key, error.path, error.rule) from None

    def edits(
        self, key: str, old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, Any]
    ) -> tuple[Edit, ...]:
        """What an update of these fields makes of the record.

        Raises:
            ValidationFailed: a value has no canonical form.
        """
        try:
            edits = tuple(Edit(name, field_text(old, name), field_text(new, name)) for name in names)
        except DataError as error:
            raise ValidationFailed(self.kind.name, key, error.path, error.rule) from None
        return tuple(edit for edit in edits if edit.old != edit.new)

    def check_bucket(self, key: str, bucket: str) -> None:
        """Refuse what cannot name a bucket.

        Raises:
            ValidationFailed: it is no text, or holds NUL or a lone surrogate.
        """
        try:
            if not isinstance(bucket, str):
                raise DataError("", f"a bucket is named by text, not {bucket!r:.60}")  # noqa: TRY301 - one way out
            check_text(bucket, "")
        except DataError as error:
            raise ValidationFailed(self.kind.name, key, "", f"the bucket {bucket!r:.60}: {error.rule}") from None

    def _check_name(self, key: str, name: object) -> None:
        if name not in self._fields:
            rule = f"the object type {self.kind.name!r} has no such field"
            raise ValidationFailed(self.kind.name, key, str(name), rule)


def known_type(schema: Schema, object_type: str) -> ObjectType:
    """The object type of this name.

    Raises:
        NotSynchronised: the device knows no schema yet.
        UnknownObjectType: the schema has none.
    """
    kind = schema.object_type(object_type)
    if kind is not None:
        return kind
    if not schema.version:
        raise NotSynchronised(object_type, "", "", "the device knows no object types yet: synchronise first")
    raise UnknownObjectType(f"the schema has no object type {object_type!r}")


def _equal(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    try:
        return field_text(old, name) == field_text(new, name)
    except DataError:
        return False
