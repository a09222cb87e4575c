"""Uploads of which a message or an answer is lost, at every place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncline.client import SyncError
from tests.harness.breaking_proxy import BreakingProxy, Loss, breaking_proxy
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import Served, contend, shown, states


@pytest.fixture
def proxy() -> Iterator[BreakingProxy]:
    with breaking_proxy() as proxy:
        yield proxy


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("attempts_max", [0, 8], ids=["by the next run", "by the same run"])
def test_g6_a_message_lost_anywhere_is_made_up_for(
    served: Served, open_device: OpenDevice, proxy: BreakingProxy, loss: Loss, attempts_max: int
) -> None:
    """Whichever message is lost: each change is applied once, in order, and the device learns its verdict."""
    proxy.lead_to(served.address)
    device = open_device(proxy.address, attempts_max=attempts_max)
    contend(served, device, "rejected")
    device.objects("strict").update_by_pk("rejected", {"color": "held"})
    device.objects("note").create({"id": "counter", "text": ""})
    for messages in range(7):
        with device.transaction():
            text = shown(device, "note")["counter"]["text"]
            device.objects("note").update_by_pk("counter", {"text": text + str(messages)})
            device.objects("note").create({"id": f"beside {messages}"})
        proxy.break_at(loss, messages)
        try:
            device.sync(upload_batch=1)
        except SyncError:
            assert not attempts_max
            device.sync()
        proxy.mend()
        assert states(device) == ["rejected", "pending"]
        assert shown(device, "note") == served.records("note")
    assert shown(device, "note")["counter"]["text"] == "0123456"
    assert device.conflicts()[0].key == "rejected"


def test_g6_a_verdict_that_was_not_heard_comes_again(
    served_database: Served, open_device: OpenDevice, proxy: BreakingProxy
) -> None:
    served = served_database
    proxy.lead_to(served.address)
    device = open_device(proxy.address, attempts_max=0)
    contend(served, device, "a")
    device.objects("note").create({"id": "n"})
    # The session's answer passes, the one with the verdicts is lost.
    proxy.break_at(Loss.ANSWER, 1)
    with pytest.raises(SyncError):
        device.push()
    assert states(device) == ["sent", "sent"]
    assert set(served.records("note")) == {"n"}
    report = device.push()
    assert (report.verdicts.applied, report.verdicts.rejected) == (1, 1)
    assert states(device) == ["rejected", "settled"]


def test_g6_answers_that_do_not_fit_one_message_come_with_the_rest(
    served: Served, open_device: OpenDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cuts them, be it in the middle of a transaction, and ends the stream: the device sends the rest."""
    monkeypatch.setattr("syncline.server.upload.answers.ANSWERS_BYTES_MAX", 7_000)
    monkeypatch.setattr("syncline.server.interceptors.error_table._RETRY_SECONDS", 0.001)
    keys = [f"k{number}" for number in range(7)]
    served.write("note", *({"id": key, "text": "before"} for key in keys))
    device = open_device(served.address, attempts_max=1)
    device.sync()
    with device.transaction():
        for key in keys:
            device.objects("note").update_by_pk(key, {"text": "of the device", "color": "red"})
    served.write("note", *({"id": key, "text": "t" * 1_500} for key in keys))

    report = device.sync()

    assert report.upload.verdicts.merged == len(keys)
    assert (
        shown(device, "note")
        == served.records("note")
        == {key: {"id": key, "text": "t" * 1_500, "color": "red"} for key in keys}
    )
