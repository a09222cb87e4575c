"""Receipts: a change is done once, however often and in whatever way it comes (G6)."""

from __future__ import annotations

from functools import partial

import pytest

from syncline.data.changes import Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import SECOND, Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.conformance.uploader import Uploader, hashed, json_judge, note, stands, verdicts
from syncline.storage.errors import SeqReused, SeqSettled, StoreError
from syncline.storage.models import Collected
from syncline.storage.upload_models import Change, ChangeAnswer

APPLIED, REJECTED = Verdict.APPLIED, Verdict.REJECTED


def collect_old(tenant: Tenant) -> Collected:
    """Collect with every change old enough. The devices are seen in time."""
    now = tenant.now() + SECOND
    devices = tenant.store.list_devices(tenant.account_id, after=None, limit=100)
    for device in devices:
        tenant.store.touch_device(tenant.account_id, device.device_uuid, now=now)
    return tenant.store.collect(tenant.account_id, devices_seen_before=now, now=now)


def edit_taken_back(tenant: Tenant) -> tuple[Uploader, Change, ChangeAnswer]:
    """A device whose edit of 1 to 2 was taken back by the server: done again, it would show."""
    tenant.write(note("k", {"a": 1}))
    device = Uploader(tenant)
    edit = device.update("k", {"a": (1, 2)})
    answer = device.one(edit)
    tenant.write(note("k", {"a": 1}))
    return device, edit, answer


class ReceiptConformance:
    """What a repeat comes to, and how long it is known."""

    @pytest.mark.parametrize("stream", ["same", "other"])
    def test_g6_a_repeat_gets_the_same_answer(self, tenant: Tenant, stream: str) -> None:
        device, edit, answer = edit_taken_back(tenant)
        head = tenant.head()
        if stream == "other":
            device.open()
        outcome = device.send(edit)
        assert outcome.answers == (answer,)
        assert not outcome.written
        assert stands(tenant, "k") == {"a": 1}
        assert tenant.head() == outcome.head_revision == head

    def test_g6_a_repeat_goes_on_where_the_answers_ended(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        outcome = device.send(edit, device.update("k", {"b": (None, 5)}))
        assert outcome.answers[0] == answer
        assert outcome.answers[1].verdict is APPLIED
        assert stands(tenant, "k") == {"a": 1, "b": 5}

    def test_g6_a_change_under_a_new_number_is_the_same_change(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        for _ in range(2):
            again = device.again(edit)
            assert device.one(again) == answer._replace(change_seq=again.change_seq)
        assert stands(tenant, "k") == {"a": 1}

    def test_g6_one_change_twice_in_a_message_is_done_once(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant)
        edit = device.update("k", {"a": (1, 2)})
        outcome = device.send(edit, device.update("k", {"a": (2, 1)}), device.again(edit))
        assert verdicts(outcome) == [APPLIED] * 3
        assert outcome.answers[2].revision == outcome.answers[0].revision
        assert stands(tenant, "k") == {"a": 1}

    def test_g6_a_repeat_shows_the_record_as_it_stands(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant)
        merged = device.update("k", {"b": (None, 2)})
        lost = device.update("k", {"a": (0, 2)})
        tenant.write(note("k", {"a": 1, "c": 3}))
        outcome = device.send(merged, lost)
        assert verdicts(outcome) == [Verdict.MERGED, Verdict.SERVER_WON]
        assert [answer.frame for answer in outcome.answers] == [b'{"a":1,"b":2,"c":3}'] * 2
        revision = tenant.write(note("k", {"a": 9})).revisions[0]
        repeated = device.send(merged, lost)
        assert verdicts(repeated) == verdicts(outcome)
        assert {(answer.revision, answer.frame) for answer in repeated.answers} == {(revision, b'{"a":9}')}
        assert repeated.answers[1].conflict == outcome.answers[1].conflict is not None
        tenant.remove("k")
        assert {answer.frame for answer in device.send(merged, lost).answers} == {None}
        tenant.write(note("k", {"a": 9}, bucket="north"))
        assert {answer.frame for answer in device.send(merged, lost).answers} == {None}

    def test_g6_a_repeat_that_breaks_a_rule_by_now_is_still_the_same(self, tenant: Tenant) -> None:
        """The schema has changed since: what was decided, was decided."""
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant)
        lost = device.update("k", {"a": (0, 2)})
        answer = device.one(lost)
        refusal = device.one(device.insert("z", {"a": 1}, base_revision=1 << 40)).refusal
        assert refusal is not None
        assert device.one(lost._replace(refusal=refusal)) == answer

    def test_g6_a_repeat_of_a_refusal_is_refused_again(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant, judge=json_judge(ConflictPolicy.REJECT))
        tenant.write(note("k", {"a": 5}))
        refused = device.update("k", {"a": (1, 2)})
        answer = device.one(refused)
        assert answer.verdict is REJECTED
        tenant.write(note("k", {"a": 1}))
        device.open()
        assert device.one(refused) == answer
        assert stands(tenant, "k") == {"a": 1}

    def test_g6_another_change_under_a_used_number_is_not_taken(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        first, second = device.insert("x", {"a": 1}), device.insert("y", {"a": 1})
        device.send(first, second)
        forged = hashed(second._replace(content=device.insert("y", {"a": 2}, change_seq=50).content))
        outcome = device.send(first, forged, device.insert("z", {"a": 1}, change_seq=3))
        assert [answer.change_seq for answer in outcome.answers] == [1]
        assert isinstance(outcome.stopped_by, SeqReused)
        assert (outcome.stopped_by.change_seq, outcome.stopped_by.next_change_seq) == (2, 3)
        assert (stands(tenant, "y"), stands(tenant, "z")) == ({"a": 1}, None)

    def test_g6_what_comes_before_a_used_number_is_done(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        device.one(device.insert("x", {"a": 1}, change_seq=2))
        before = device.insert("before", {"a": 1}, change_seq=1)
        forged = device.insert("x", {"a": 2}, change_seq=2)
        outcome = device.send(before, forged)
        assert verdicts(outcome) == [APPLIED]
        assert isinstance(outcome.stopped_by, SeqReused)
        assert stands(tenant, "before") == {"a": 1}

    def test_g6_a_settled_number_that_is_not_known_any_more_is_not_taken(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        settled = device.insert("x", {"a": 1})
        device.one(settled)
        device.settle()
        tenant.remove("x")
        assert collect_old(tenant).receipts == 1
        fresh = device.insert("y", {"a": 1})
        outcome = device.send(settled, fresh)
        assert outcome.answers == ()
        assert isinstance(outcome.stopped_by, SeqSettled)
        assert outcome.stopped_by.change_seq == settled.change_seq
        assert (stands(tenant, "x"), stands(tenant, "y")) == (None, None)

    def test_g6_a_settled_change_is_known_while_its_receipt_is_there(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        device.settle()
        assert device.one(edit) == answer
        assert stands(tenant, "k") == {"a": 1}

    def test_g6_a_receipt_stays_until_it_is_settled(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        assert collect_old(tenant).receipts == 0
        assert device.one(edit) == answer
        assert stands(tenant, "k") == {"a": 1}
        device.settle()
        assert collect_old(tenant).receipts == 1
        assert collect_old(tenant).receipts == 0

    def test_g6_a_receipt_stays_while_it_is_young(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        device.settle()
        seen_at = tenant.store.get_device(tenant.account_id, device.device_uuid).last_contact
        assert tenant.store.collect(tenant.account_id, devices_seen_before=seen_at - SECOND, now=seen_at).receipts == 0
        assert device.one(edit) == answer

    def test_g6_an_expired_device_keeps_its_receipts(self, tenant: Tenant) -> None:
        device, edit, answer = edit_taken_back(tenant)
        later = tenant.now() + SECOND
        collected = tenant.store.collect(tenant.account_id, devices_seen_before=later, now=later)
        assert (collected.devices_expired, collected.receipts) == (1, 0)
        tenant.open(device.device_uuid, full_resync=True, now=later)
        assert device.one(edit) == answer

    def test_g6_who_created_a_record_is_known_without_a_receipt(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        created = device.insert("k", {"a": 1})
        device.one(created)
        device.settle()
        assert collect_old(tenant).receipts == 1
        tenant.write(note("k", {"a": 5}))
        answer = device.one(device.again(created))
        assert (answer.verdict, answer.conflict) == (APPLIED, None)
        assert stands(tenant, "k") == {"a": 5}

    def test_g6_one_message_from_many_threads_is_done_once(self, tenant: Tenant) -> None:
        tenant.write(*(note(f"k{number}", {"a": 0}) for number in range(20)))
        device = Uploader(tenant)
        changes = [device.update(f"k{number}", {"a": (0, 1)}) for number in range(20)]

        def send() -> tuple[ChangeAnswer, ...] | StoreError:
            try:
                return device.send(*changes).answers
            except StoreError as error:
                return error

        first, *others = together(*[send] * 4)
        assert isinstance(first, tuple), first
        assert others == [first] * 3
        rows = tenant.store.scan_records(tenant.account_id, "note", after_key=None, limit=100)
        assert sorted(row.revision for row in rows) == [answer.revision for answer in first]
        assert tenant.head() == first[-1].revision

    def test_g6_streams_that_race_do_no_change_twice(self, tenant: Tenant) -> None:
        """A device that lost its connection sends again what may still be on its way."""
        tenant.write(note("k", {"a": 0}))
        device = Uploader(tenant)
        changes = [device.update("k", {"a": (turn, turn + 1)}) for turn in range(12)]

        def send(first: int) -> None:
            for change in changes[first:]:
                outcome = device.send(change)
                assert verdicts(outcome) == [APPLIED]

        together(*(partial(send, 0) for _ in range(3)))
        row = tenant.store.get_records(tenant.account_id, "note", ["k"])[0]
        assert row.frame == b'{"a":12}'
        assert row.revision == device.one(changes[-1]).revision
