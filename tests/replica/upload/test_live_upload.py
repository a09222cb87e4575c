"""A watch uploads local changes as they are committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Any

import pytest

from syncline.client import AlreadySyncing, Superseded
from syncline.replica import Phase, Replica, ReplicaError, ScopeTask, SyncEvent, SyncReport
from tests.harness.breaking_proxy import Loss, breaking_proxy
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import ACCOUNT, Served, contend, shown, states


class Watch:
    """A watch in a thread of its own. What it has done is told by events, so that nobody looks over and over."""

    def __init__(self) -> None:
        self.events: list[SyncEvent] = []
        self.reports: list[SyncReport] = []
        self.failure: Exception | None = None
        self._happened = Condition()

    def follow(self, device: Replica, **options: Any) -> None:
        """Run the watch, to its end."""
        try:
            for report in device.watch(on_event=self.note, **options):
                self.reports.append(report)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def note(self, event: SyncEvent) -> None:
        """Take an event."""
        with self._happened:
            self.events.append(event)
            self._happened.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for an event after which something holds; pytest's timeout ends a wait for ever."""
        with self._happened:
            self._happened.wait_for(holds)

    def has(self, phase: Phase) -> bool:
        """Has this happened?"""
        return any(event.phase is phase for event in self.events)


@contextmanager
def watching(device: Replica, **options: Any) -> Iterator[Watch]:
    """Let the device watch, from its first checkpoint on."""
    watch = Watch()
    thread = Thread(target=watch.follow, args=(device,), kwargs=options)
    thread.start()
    try:
        watch.until(lambda: watch.has(Phase.CHECKPOINT) or watch.has(Phase.SYNC_FAILED))
        yield watch
    finally:
        device.stop()
        thread.join()


def test_a_watch_uploads_what_is_committed(served: Served, open_device: OpenDevice) -> None:
    device, other = open_device(served.address), open_device(served.address, "other")
    device.sync()
    device.objects("note").create({"id": "before"})
    with watching(device) as watch:
        watch.until(lambda: states(device) == [])
        for number in range(3):
            with device.transaction():
                device.objects("note").create({"id": f"{number} a"})
                device.objects("note").create({"id": f"{number} b"})
            watch.until(lambda: states(device) == [])
    assert (watch.failure, watch.events[-1].phase) == (None, Phase.SYNC_FINISHED)
    other.sync()
    assert shown(other, "note") == shown(device, "note") == served.records("note")
    assert len(served.records("note")) == 7


def test_two_devices_that_watch_see_each_others_changes(served: Served, open_device: OpenDevice) -> None:
    one, two = open_device(served.address, "one"), open_device(served.address, "two")
    with watching(one) as watch_of_one, watching(two) as watch_of_two:
        one.objects("note").create({"id": "a", "text": "one"})
        watch_of_two.until(lambda: "a" in shown(two, "note"))
        two.objects("note").update_by_pk("a", {"text": "two"})
        watch_of_one.until(lambda: shown(one, "note")["a"]["text"] == "two")


def test_a_report_says_what_went_up_since_the_last(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    following = device.watch()
    next(following)
    device.objects("note").create({"id": "a"})
    totals: list[int] = []
    while sum(totals) < 1:
        served.write("memo", {"id": str(len(totals))})
        report = next(following)
        totals.append(report.upload.total)
    assert sum(totals) == 1


def test_a_watch_may_leave_uploading_alone(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    following = device.watch(upload=False)
    next(following)
    device.objects("note").create({"id": "a"})
    served.write("note", {"id": "b"})
    report = next(following)
    assert (report.upload.total, states(device)) == (0, ["pending"])


def test_g6_a_watch_uploads_through_broken_connections(served: Served, open_device: OpenDevice) -> None:
    with breaking_proxy() as proxy:
        proxy.lead_to(served.address)
        device = open_device(proxy.address)
        device.sync()
        with watching(device) as watch:
            for messages, loss in enumerate(Loss):
                proxy.break_at(loss, messages)
                device.objects("note").create({"id": loss.value})
                watch.until(lambda: states(device) == [])
        device.close()
    assert set(served.records("note")) == {loss.value for loss in Loss}


def test_g8_a_watch_carries_its_changes_into_a_new_history(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    with watching(device) as watch:
        served.store.renew_store_epoch(ACCOUNT)
        device.objects("note").create({"id": "a"})
        watch.until(lambda: states(device) == [])
    assert shown(device, "note") == served.records("note") == {"a": {"id": "a"}}


def test_a_scope_that_aborts_leaves_the_watch(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    contend(served, device, "a")
    with watching(device, tasks={"main": ScopeTask(on_rejected="abort")}) as watch:
        watch.until(lambda: watch.has(Phase.SCOPE_ABORTED))
        device.objects("note").create({"id": "n"})
        device.objects("memo").create({"id": "m"})
        watch.until(lambda: states(device) == ["rejected", "pending"])
    assert (served.records("note"), set(served.records("memo"))) == ({}, {"m"})


def test_a_callback_that_raises_in_the_upload_ends_the_watch(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()

    def fail(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_DECIDED:
            raise ValueError("enough")

    following = device.watch(on_event=fail)
    next(following)
    device.objects("note").create({"id": "a"})
    with pytest.raises(ValueError, match="enough"):
        list(following)
    assert device.sync().checkpoint_revision


def test_another_upload_of_the_same_device_takes_over(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    copy = open_device(served.address, "copy", device=device.device_uuid)
    copy.sync()

    def take_over(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_SENT and event.batches == 1:
            copy.objects("note").create({"id": "copy"})
            copy.push()

    for number in range(8):
        device.objects("note").create({"id": str(number)})
    with pytest.raises(Superseded):
        device.sync(upload_batch=1, on_event=take_over)
    device.sync()
    assert len(served.records("note")) == 9


def test_a_writer_never_waits_for_the_network(served: Served, open_device: OpenDevice) -> None:
    """Writes of the app go on while a watch uploads and downloads; all of it arrives."""
    device = open_device(served.address)
    device.sync()
    with watching(device, upload_batch=5) as watch:
        for number in range(60):
            device.objects("note").create({"id": f"{number:02}"})
        watch.until(lambda: states(device) == [])
    assert shown(device, "note") == served.records("note")
    assert len(served.records("note")) == 60


def test_a_callback_of_the_upload_cannot_close_the_file(served: Served, open_device: OpenDevice) -> None:
    """It would wait for its own end."""
    device = open_device(served.address)
    device.sync()
    raised: list[Exception] = []

    def close(event: SyncEvent) -> None:
        if event.phase is Phase.UPLOAD_BATCH_DECIDED:
            try:
                device.close()
            except ReplicaError as error:
                raised.append(error)

    following = device.watch(on_event=close)
    next(following)
    device.objects("note").create({"id": "a"})
    list(following)
    assert "callback" in str(raised[0])
    assert set(served.records("note")) == {"a"}


def test_closing_ends_the_watch_that_runs_not_one_that_was_refused(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    following, refused = device.watch(), device.watch()
    next(following)
    with pytest.raises(AlreadySyncing):
        next(refused)
    device.close()
    assert list(following) == []
