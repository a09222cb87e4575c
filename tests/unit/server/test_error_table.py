"""Every error that can leave a command has a row, and every row a reason of the contract."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.data.errors import DataError
from syncline.server import errors as server_errors
from syncline.server.interceptors.error_table import TABLE, row_of
from syncline.server.upload.refusals import REFUSAL_CODES
from syncline.storage import errors as store_errors
from syncline.storage.models import Feed
from syncline.v1 import errors_pb2

NOT_ANSWERED = {
    store_errors.StoreError: "a base class",
    server_errors.ServerError: "a base class",
    server_errors.SettingsInvalid: "ends the process before it serves",
    store_errors.ApiKeyNotFound: "told by the command line: no call manages API keys",
    store_errors.ApiKeyTaken: "told by the command line: no call manages API keys",
}


def error_classes(module: ModuleType) -> list[type[Exception]]:
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    ]


@pytest.mark.parametrize("kind", error_classes(store_errors) + error_classes(server_errors) + [DataError])
def test_every_error_class_has_a_row(kind: type[Exception]) -> None:
    assert (kind in TABLE) != (kind in NOT_ANSWERED)


def test_every_row_has_a_reason_of_the_contract() -> None:
    known = set(errors_pb2.ErrorReason.keys())

    assert {row.reason for row in TABLE.values()} <= known


def test_every_reason_is_sent_by_somebody() -> None:
    sent = {row.reason for row in TABLE.values()} | {"INTERNAL_ERROR"} | set(REFUSAL_CODES)

    assert set(errors_pb2.ErrorReason.keys()) - sent == {"ERROR_REASON_UNSPECIFIED"}


def test_an_unknown_error_has_no_row() -> None:
    assert row_of(RuntimeError("inside")) is None


@pytest.mark.parametrize(
    "error",
    [
        store_errors.StoreUnavailable("could not connect to 10.0.0.7 as admin"),
        store_errors.StoreVersionMismatch("run: syncline-server migrate on /srv/db"),
    ],
)
def test_what_concerns_operators_only_is_not_told(error: Exception) -> None:
    row = row_of(error)

    assert row is not None
    assert str(error) not in row.message(error)


def test_a_resync_names_its_feeds() -> None:
    error = store_errors.ResyncRequired([Feed("main", "red/blue"), Feed("a/b", "50%25 é")], "gone")
    row = row_of(error)

    assert row is not None
    (detail,) = row.details(error)
    assert isinstance(detail, error_details_pb2.PreconditionFailure)
    assert [violation.subject for violation in detail.violations] == ["main/red/blue", "a%2Fb/50%2525%20%C3%A9"]


def test_what_ends_an_upload_names_its_numbers() -> None:
    for error, metadata in (
        (store_errors.SeqReused(7, 9), {"change_seq": "7", "next_change_seq": "9"}),
        (store_errors.SeqSettled(7), {"change_seq": "7"}),
        (store_errors.SeqSettled(7, 9), {"change_seq": "7", "last_change_seq": "9"}),
        (store_errors.StaleDevice(), {}),
    ):
        row = row_of(error)
        assert row is not None
        assert row.metadata(error) == metadata
