"""Every meeting of a device's change with what the server did meanwhile, under every policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncline.data.changes import Operation, Verdict
from syncline.data.parsing import parse_object
from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.uploader import Data, Uploader, json_judge, note, stands
from syncline.storage.upload_models import Change

APPLIED, MERGED, SERVER_WON, REJECTED = Verdict.APPLIED, Verdict.MERGED, Verdict.SERVER_WON, Verdict.REJECTED
INSERT, UPDATE, DELETE = Operation.INSERT, Operation.UPDATE, Operation.DELETE

Cell = tuple[Verdict, Data | None, tuple[str, ...] | None]
"""The verdict, the record afterwards, and the contested fields; None: no conflict."""

NOTHING = (APPLIED, {"a": 2}, None)
GONE = (APPLIED, None, None)
# The device creates {a: 2}, or sets a from 1 to 2, or deletes {a: 1}. Meanwhile the server did nothing; or created
# (or deleted and created) {a: 9, c: 9}; or set c, which the device leaves alone, to 9; or set a to 9; or deleted.
TABLE: dict[tuple[ConflictPolicy, Operation], tuple[Cell, Cell, Cell, Cell, Cell]] = {
    (ConflictPolicy.MERGE_FIELDS, INSERT): (
        NOTHING,
        (SERVER_WON, {"a": 9, "c": 9}, ("a",)),
        (SERVER_WON, {"a": 2, "c": 9}, None),
        (SERVER_WON, {"a": 9}, ("a",)),
        NOTHING,
    ),
    (ConflictPolicy.MERGE_FIELDS, UPDATE): (
        NOTHING,
        (SERVER_WON, {"a": 9, "c": 9}, ("a",)),
        (MERGED, {"a": 2, "c": 9}, None),
        (SERVER_WON, {"a": 9}, ("a",)),
        (SERVER_WON, None, ()),
    ),
    (ConflictPolicy.MERGE_FIELDS, DELETE): (
        GONE,
        (SERVER_WON, {"a": 9, "c": 9}, ()),
        (SERVER_WON, {"a": 1, "c": 9}, ()),
        (SERVER_WON, {"a": 9}, ()),
        GONE,
    ),
    (ConflictPolicy.CLIENT_WINS, INSERT): (
        NOTHING,
        (MERGED, {"a": 2, "c": 9}, ("a",)),
        (SERVER_WON, {"a": 2, "c": 9}, None),
        (APPLIED, {"a": 2}, ("a",)),
        NOTHING,
    ),
    (ConflictPolicy.CLIENT_WINS, UPDATE): (
        NOTHING,
        (MERGED, {"a": 2, "c": 9}, ("a",)),
        (MERGED, {"a": 2, "c": 9}, None),
        (MERGED, {"a": 2}, ("a",)),
        (SERVER_WON, None, ()),
    ),
    (ConflictPolicy.CLIENT_WINS, DELETE): (
        GONE,
        (APPLIED, None, ()),
        (APPLIED, None, ()),
        (APPLIED, None, ()),
        GONE,
    ),
    (ConflictPolicy.SERVER_WINS, INSERT): (
        NOTHING,
        (SERVER_WON, {"a": 9, "c": 9}, ("a",)),
        (SERVER_WON, {"a": 2, "c": 9}, None),
        (SERVER_WON, {"a": 9}, ("a",)),
        NOTHING,
    ),
    (ConflictPolicy.SERVER_WINS, UPDATE): (
        NOTHING,
        (SERVER_WON, {"a": 9, "c": 9}, ("a",)),
        (MERGED, {"a": 2, "c": 9}, None),
        (SERVER_WON, {"a": 9}, ("a",)),
        (SERVER_WON, None, ()),
    ),
    (ConflictPolicy.SERVER_WINS, DELETE): (
        GONE,
        (SERVER_WON, {"a": 9, "c": 9}, ()),
        (SERVER_WON, {"a": 1, "c": 9}, ()),
        (SERVER_WON, {"a": 9}, ()),
        GONE,
    ),
    (ConflictPolicy.REJECT, INSERT): (
        NOTHING,
        (REJECTED, {"a": 9, "c": 9}, ("a",)),
        (SERVER_WON, {"a": 2, "c": 9}, None),
        (REJECTED, {"a": 9}, ("a",)),
        NOTHING,
    ),
    (ConflictPolicy.REJECT, UPDATE): (
        NOTHING,
        (REJECTED, {"a": 9, "c": 9}, ("a",)),
        (MERGED, {"a": 2, "c": 9}, None),
        (REJECTED, {"a": 9}, ("a",)),
        (REJECTED, None, ()),
    ),
    (ConflictPolicy.REJECT, DELETE): (
        GONE,
        (REJECTED, {"a": 9, "c": 9}, ()),
        (REJECTED, {"a": 1, "c": 9}, ()),
        (REJECTED, {"a": 9}, ()),
        GONE,
    ),
    # The resolver is `add_up`.
    (ConflictPolicy.RESOLVER, INSERT): (
        NOTHING,
        (MERGED, {"a": 11}, ("a",)),
        (SERVER_WON, {"a": 2, "c": 9}, None),
        (MERGED, {"a": 11}, ("a",)),
        NOTHING,
    ),
    (ConflictPolicy.RESOLVER, UPDATE): (
        NOTHING,
        (MERGED, {"a": 11}, ("a",)),
        (MERGED, {"a": 2, "c": 9}, None),
        (MERGED, {"a": 11}, ("a",)),
        (SERVER_WON, None, ()),
    ),
    (ConflictPolicy.RESOLVER, DELETE): (
        GONE,
        (SERVER_WON, {"a": 9, "c": 9}, ()),
        (SERVER_WON, {"a": 1, "c": 9}, ()),
        (SERVER_WON, {"a": 9}, ()),
        GONE,
    ),
}


def do_nothing(tenant: Tenant, key: str, before: Data) -> None:
    """The server leaves the record alone."""
    del tenant, key, before


def create(tenant: Tenant, key: str, before: Data) -> None:
    """The server creates it, deleting what there was."""
    del before
    tenant.remove(key)
    tenant.write(note(key, {"a": 9, "c": 9}))


def set_another_field(tenant: Tenant, key: str, before: Data) -> None:
    """The server sets a field that the device leaves alone."""
    tenant.write(note(key, {**before, "c": 9}))


def set_the_field(tenant: Tenant, key: str, before: Data) -> None:
    """The server sets the field that the device sets."""
    tenant.write(note(key, {**before, "a": 9}))


def delete(tenant: Tenant, key: str, before: Data) -> None:
    """The server deletes it."""
    tenant.write(note(key, before))
    tenant.remove(key)


MEANWHILE: tuple[Callable[[Tenant, str, Data], None], ...] = (
    do_nothing,
    create,
    set_another_field,
    set_the_field,
    delete,
)


def change_of(device: Uploader, operation: Operation, key: str) -> Change:
    """What the device does to the record."""
    if operation is INSERT:
        return device.insert(key, {"a": 2})
    return device.update(key, {"a": (1, 2)}) if operation is UPDATE else device.delete(key, {"a": 1})


class ConflictTableConformance:
    """The table of policies, cell by cell."""

    @pytest.mark.parametrize("policy", ConflictPolicy, ids=lambda policy: policy.value)
    @pytest.mark.parametrize("operation", Operation, ids=lambda operation: operation.value)
    def test_g7_conflict(self, tenant: Tenant, operation: Operation, policy: ConflictPolicy) -> None:
        device = Uploader(tenant, judge=json_judge(policy))
        for happened, (verdict, result, fields) in zip(MEANWHILE, TABLE[policy, operation], strict=True):
            key = happened.__name__
            if operation is not INSERT:
                tenant.write(note(key, {"a": 1}))
            change = change_of(device, operation, key)
            # Of what a device creates, the server has as much as the device wants, before it does something else.
            happened(tenant, key, {"a": 2} if operation is INSERT else {"a": 1})
            answer = device.one(change)
            conflict = answer.conflict
            assert (answer.verdict, stands(tenant, key)) == (verdict, result), key
            assert (None if conflict is None else conflict.note.fields) == fields, key
            if verdict in (MERGED, SERVER_WON):
                assert (None if answer.frame is None else parse_object(answer.frame)) == result, key
            if conflict is not None:
                after = conflict.note.result_data
                assert (None if after is None else parse_object(after)) == result, key
                assert conflict.note.policy is policy, key
