"""What becomes of local changes when a device synchronises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from syncline.client import ConnectionLost, InvalidOption
from syncline.replica import Phase, ReplicaError, ScopeTask, SyncEvent, SyncStopped, VerdictCounts
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import Served, contend, shown, states


def test_changes_go_up_and_come_back_as_the_base(served: Served, open_device: OpenDevice) -> None:
    served.write("note", {"id": "a", "text": "a"}, {"id": "b", "text": "b"})
    device = open_device(served.address)
    device.sync()
    notes = device.objects("note")
    notes.create({"id": "c", "text": "c"})
    notes.update_by_pk("a", {"text": "changed", "color": "red"})
    notes.delete_by_pk("b")
    expected = {"a": {"id": "a", "text": "changed", "color": "red"}, "c": {"id": "c", "text": "c"}}
    assert shown(device, "note") == expected
    report = device.sync()
    assert (report.upload.counts, report.upload.batches) == ({"note": VerdictCounts(applied=3)}, 1)
    assert shown(device, "note") == served.records("note") == expected
    assert states(device) == []
    assert device.sync().upload == type(report.upload)()


def test_a_verdict_shows_until_the_base_has_caught_up(served: Served, open_device: OpenDevice) -> None:
    """The view never falls back to the state before the change."""
    served.write("note", {"id": "a", "text": "a", "color": "red"}, {"id": "b", "text": "b"})
    device = open_device(served.address)
    device.sync()
    device.objects("note").update_by_pk("a", {"text": "mine"})
    device.objects("note").delete_by_pk("b")
    served.write("note", {"id": "a", "text": "a", "color": "blue"}, {"id": "b", "text": "others"})
    report = device.push()
    assert report.verdicts == VerdictCounts(merged=1, server_won=1)
    merged = {"a": {"id": "a", "text": "mine", "color": "blue"}, "b": {"id": "b", "text": "others"}}
    assert shown(device, "note") == merged
    assert states(device) == ["settled", "settled"]
    assert [conflict.key for conflict in device.conflicts()] == ["b"]
    device.objects("note").update_by_pk("a", {"text": "mine again"})
    device.sync(upload=False)
    assert states(device) == ["pending"]
    assert shown(device, "note") == served.records("note") | {"a": {**merged["a"], "text": "mine again"}}


def test_g7_a_rejected_change_holds_up_only_what_depends_on_it(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    contend(served, device, "a")
    strict, notes = device.objects("strict"), device.objects("note")
    strict.update_by_pk("a", {"color": "red"})
    with device.transaction():
        strict.update_by_pk("a", {"color": "blue"})
        notes.create({"id": "grouped"})
    notes.create({"id": "free"})
    report = device.sync(upload_batch=1)
    assert report.upload.counts == {
        "strict": VerdictCounts(rejected=1, held=report.upload.counts["strict"].held),
        "note": VerdictCounts(applied=1, held=report.upload.counts["note"].held),
    }
    (rejected,) = report.upload.rejected
    assert (rejected.scope, rejected.object_type, rejected.key, rejected.reason) == (
        "main",
        "strict",
        "a",
        "CONFLICT_REFUSED",
    )
    assert states(device) == ["rejected", "pending", "pending", "pending"]
    assert shown(device, "strict") == {"a": {"id": "a", "text": "of the device", "color": "blue"}}
    assert served.records("note") == {"free": {"id": "free"}}
    # Taking the rejected change back lets go of what depends on it; the rest is as the server has it.
    strict.roll_back_pending_local_changes_by_pk("a")
    assert states(device) == []
    device.sync()
    assert shown(device, "strict") == served.records("strict") == {"a": {"id": "a", "text": "of the server"}}


def test_a_rejected_change_that_is_sent_again_goes_up_as_a_new_one(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    contend(served, device, "a")
    device.sync()
    device.objects("strict").resend("a")
    report = device.sync()
    assert (report.upload.verdicts, states(device)) == (VerdictCounts(applied=1), [])
    assert served.records("strict")["a"]["text"] == "of the device"


def test_a_change_that_was_taken_back_on_its_way_is_reversed(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    served.write("note", {"id": "a", "text": "a"})
    device.sync()
    notes = device.objects("note")
    notes.update_by_pk("a", {"text": "mine"})

    def take_back(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_SENT and event.batches == 1:
            assert notes.roll_back_pending_local_changes_by_pk("a").awaiting == 1

    report = device.sync(on_event=take_back)
    assert report.upload.verdicts == VerdictCounts(applied=2)
    assert shown(device, "note") == served.records("note") == {"a": {"id": "a", "text": "a"}}
    assert states(device) == []


def test_what_a_run_tells(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    for key in "abc":
        device.objects("note").create({"id": key})
    told: list[SyncEvent] = []
    device.sync(upload_batch=2, on_event=told.append)
    assert [event.phase.value for event in told] == [
        "sync_started",
        "upload_started",
        "upload_batch_sent",
        "upload_batch_sent",
        "upload_batch_decided",
        "upload_batch_decided",
        "upload_finished",
        "download_started",
        "page_stored",
        "checkpoint",
        "sync_finished",
    ]
    started, sent, finished = told[1], told[2], told[6]
    assert (started.changes, sent.changes, sent.scopes, sent.batches) == (3, 2, {"main": 2}, 1)
    assert (finished.changes, finished.batches) == (3, 2)
    assert (told[8].received, told[9].checkpoint_revision) == (3, 3)


def test_a_run_that_fails_says_so(open_device: OpenDevice) -> None:
    told: list[Phase] = []
    device = open_device("127.0.0.1:1", attempts_max=1)
    with pytest.raises(ConnectionLost):
        device.sync(on_event=lambda event: told.append(event.phase))
    assert told == [Phase.SYNC_STARTED, Phase.RETRY, Phase.SYNC_FAILED]


def test_scopes_are_uploaded_by_themselves(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    device.objects("note").create({"id": "a"})
    device.objects("memo").create({"id": "a"})
    device.push(scopes=["second"])
    assert (served.records("note"), served.records("memo")) == ({}, {"a": {"id": "a"}})
    device.sync(tasks={"main": ScopeTask(upload=False)})
    assert states(device) == ["pending"]
    device.sync(upload=False)
    assert states(device) == ["pending"]
    served.write("memo", {"id": "b"})
    device.sync(tasks={"second": ScopeTask(download=False)})
    assert served.records("note") == {"a": {"id": "a"}}
    assert set(shown(device, "memo")) == {"a"}
    with pytest.raises(ReplicaError, match="there is no scope 'third'"):
        device.sync(tasks={"third": ScopeTask()})


def test_a_scope_that_aborts_leaves_the_others_alone(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    contend(served, device, "a")
    for number in range(6):
        device.objects("strict").create({"id": f"later {number}"})
    device.objects("memo").create({"id": "m"})
    served.write("note", {"id": "n"})
    served.write("memo", {"id": "n"})
    aborted: list[str] = []
    report = device.sync(
        tasks={"main": ScopeTask(on_rejected="abort")},
        upload_batch=1,
        on_event=lambda event: aborted.append(event.scope) if event.phase is Phase.SCOPE_ABORTED else None,
    )
    assert report.upload.aborted == aborted == ["main"]
    assert states(device).count("pending") == 3, "no more messages than were on their way already"
    assert shown(device, "note") == {}
    assert set(shown(device, "memo")) == {"m", "n"}
    assert device.sync().upload == type(report.upload)(counts={"strict": VerdictCounts(applied=3)}, batches=1)


def test_filters_choose_buckets(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    served.store.grant_buckets("dev", device.device_uuid, ["b"])
    device.objects("note").create({"id": "here"})
    device.objects("note").create({"id": "there"}, bucket="b")
    device.sync()
    assert set(shown(device, "note")) == {"here", "there"}
    device.sync(filters={"main": ["b"]})
    assert set(shown(device, "note")) == {"there"}
    device.sync()
    assert set(shown(device, "note")) == {"here", "there"}


def test_a_stopped_upload_goes_on_with_the_next_run(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    for number in range(10):
        device.objects("note").create({"id": str(number)})

    def stop(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_DECIDED:
            device.stop()

    with pytest.raises(SyncStopped):
        device.sync(upload_batch=1, on_event=stop)
    assert states(device)[0] == "settled"
    assert "pending" in states(device)
    device.sync()
    assert len(served.records("note")) == 10


def test_g7_backpressure_keeps_few_messages_on_their_way(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    for number in range(30):
        device.objects("note").create({"id": str(number)})
    unanswered = [0]

    def count(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_SENT:
            unanswered.append(unanswered[-1] + 1)
        elif event.phase is Phase.UPLOAD_BATCH_DECIDED:
            unanswered.append(unanswered[-1] - 1)

    device.push(upload_batch=1, on_event=count)
    assert (max(unanswered), len(served.records("note"))) == (4, 30)


def test_nothing_is_synchronised_inside_a_transaction(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    with device.transaction(), pytest.raises(ReplicaError, match="transaction is open"):
        device.sync()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scopes": "main"}, r"scopes must be a list of names, such as \['main'\]"),
        ({"filters": {"main": "north"}}, r"the buckets of 'main' must be a list of names, such as \['north'\]"),
        ({"upload_batch": 0}, "upload_batch must be from 1 to 1,000, not 0"),
        ({"upload_batch": 1001}, "upload_batch must be from 1 to 1,000, not 1001"),
    ],
)
def test_what_a_run_cannot_be_asked_for(
    served: Served, open_device: OpenDevice, options: dict[str, Any], why: str
) -> None:
    device = open_device(served.address)
    with pytest.raises(InvalidOption, match=why):
        device.sync(**options)
    with pytest.raises(InvalidOption, match=why):
        device.watch(**options)
    device.sync()


def test_what_a_task_cannot_be_asked_for() -> None:
    with pytest.raises(ReplicaError, match="on_rejected must be"):
        ScopeTask(on_rejected="stop")  # type: ignore[arg-type]


def test_a_closed_file_says_so(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    notes = device.objects("note")
    device.close()
    calls: tuple[Callable[[], object], ...] = (
        device.sync, device.reset, device.reconcile, lambda: notes.create({"id": "a"}), notes.get_all,
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ReplicaError, match="this Replica is closed"):
            call()
