"""`docs/ads_mapping.md` has a row for each call, field and status of the ADS sync API, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncline.v1 import (
    app_enrollment_service_pb2,
    errors_pb2,
    sync_request_pb2,
    sync_request_service_pb2,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/ads_mapping.md"
TEXT = PAGE.read_text()

CALLS = """
    POST_/api/v1/Sync POST_/api/v1/Sync/batch POST_/api/v1/Sync/zip GET_/api/v1/Sync/{id} PATCH_/api/v1/Sync/{id}
    DELETE_/api/v1/Sync/{id} GET_/api/v1/Sync/query GET_/api/v1/Status POST_/api/v1/Payments/erp-write
"""
GIVEN = """
    appEnrollmentId runFullSync isFullSync parentSyncRequestId currentBatch totalBatches companies contacts
    creditMemoApplications invoices invoiceLines invoiceWorkflowStatuses customFields payments paymentApplications
    financialYearSettings financialAccounts financialAccountBalanceHistories baseCurrencies journalEntries
    journalEntryLines erpKey onMatchAction networkId
"""
QUERY = "filter include order pageSize pageNumber operationType records totalCount"
FIELDS = """
    syncRequestId groupKey statusCode operationType operationTypeName processResultMessage failureCount runFullSync
    appEnrollmentId created modified modifiedUserId details parentSyncRequestId currentBatch totalBatches insertCount
    updateCount deleteCount skipCount errorCount errors skips lastSync lastSuccessfulSync
"""
STATUS = "Ready Connector In_Progress Success Failed Cancelled"
TRANSPORT = """
    Api-Key Authorization SdkName SdkVersion MachineName ApplicationName type title status detail instance errors
    content EmptyClause FieldNotFound FieldTypeMismatch IncludeNotFound InvalidToken OpenClause TrailingConjunction
    UnterminatedString TooManyParameters InvalidPageSize InvalidPageNumber Server-Duration
"""
SECTIONS = {
    "Calls": CALLS,
    "What a request is given": GIVEN,
    "What a query is given": QUERY,
    "Fields": FIELDS,
    "Status": STATUS,
    "Transport and errors": TRANSPORT,
}


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_name_has_its_row(section: str) -> None:
    named = [name.replace(" ", "_") for row in rows(section) for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(named) == sorted(SECTIONS[section].split())


@pytest.mark.parametrize("section", SECTIONS)
def test_each_row_says_what_and_names_tests_that_exist(section: str) -> None:
    for name, ours, different, tests in rows(section):
        assert ours, name
        named = re.findall(r"`(test_\w+)` in \[[^]]+\]\(([^)]+)\)", tests)
        assert named or "not offered" in ours, f"{name} names no test"
        assert different or named, f"{name} says nothing"
        for test, path in named:
            assert f"def {test}(" in (PAGE.parent / path).read_text(), f"{path} has no {test}"


def test_the_table_has_every_call_and_field_of_ours() -> None:
    service = sync_request_service_pb2.DESCRIPTOR.services_by_name["SyncRequestService"]
    calls = {call for row in rows("Calls") for call in re.findall(r"`(\w+)`", row[1])}
    assert {method.name for method in service.methods} == {call for call in calls if not call.isupper()}
    fields = {field for row in rows("Fields") for field in re.findall(r"`(\w+)`", row[1])}
    assert {field.name for field in sync_request_pb2.SyncRequest.DESCRIPTOR.fields} <= fields
    assert {field.name for field in sync_request_pb2.SyncTypeCounts.DESCRIPTOR.fields} <= fields
    enrollment = app_enrollment_service_pb2.AppEnrollment.DESCRIPTOR.fields_by_name
    assert {field for field in fields if field.startswith("last_")} <= set(enrollment)


def test_each_status_and_reason_that_is_named_is_there() -> None:
    told = [row[1] for row in rows("Status")]
    known = [name.removeprefix("SYNC_REQUEST_STATUS_") for name in sync_request_pb2.SyncRequestStatus.keys()]  # noqa: SIM118
    assert sorted(told) == sorted(set(known) - {"UNSPECIFIED"})
    reasons = {name for row in rows("Transport and errors") for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", row[1])}
    assert reasons <= set(errors_pb2.ErrorReason.keys())
