"""The rules of uploads that need no store to be seen."""

from __future__ import annotations

from uuid import UUID

import pytest

from syncline.data.changes import Content, Operation, Verdict
from syncline.storage.upload_models import Change, CurrentRecord, Decision
from syncline.storage.upload_plan import UploadState, plan_upload

DEVICE = UUID(int=1)
INSERT = Change(b"c" * 16, 7, b"h", b"", "note", "k", "", 0, Content(Operation.INSERT, {}))


def _no_judge(*_: object) -> Decision:
    raise AssertionError("nothing is left to be judged")


@pytest.mark.parametrize("frame", [None, b"frame"], ids=["deleted since", "still there"])
def test_g10_an_insert_without_a_receipt_brings_nothing_back(frame: bytes | None) -> None:
    """It went under another number before, and its receipt is gone: the record itself tells that it was done."""
    record = CurrentRecord("main", "", 5, frame, b"", INSERT.change_uuid, None)
    state = UploadState(
        DEVICE,
        head_revision=9,
        next_change_seq=7,
        settled_through=0,
        grants=frozenset({""}),
        scopes={"note": "main"},
        by_seq={},
        by_uuid={},
        records={("note", "k"): record},
        conflicts={},
    )

    plan = plan_upload(state, [INSERT], {}, _no_judge, now=1)

    assert [answer.verdict for answer in plan.answers] == [Verdict.APPLIED]
    assert plan.writes == []
