"""The order of a record's changes, and changes that stand or fall together (G7)."""

from __future__ import annotations

import pytest

from syncline.data.changes import Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.uploader import Uploader, hashed, json_judge, note, stands, verdicts
from syncline.storage.errors import SeqReused
from syncline.storage.upload_models import ChangeRefusal, UploadOutcome

APPLIED, MERGED, REJECTED = Verdict.APPLIED, Verdict.MERGED, Verdict.REJECTED
HELD, SERVER_WON = Verdict.HELD, Verdict.SERVER_WON

REFUSAL = ChangeRefusal("CHANGE_INVALID", "not so")
TOGETHER = {"transaction_id": b"together"}


def reasons(outcome: UploadOutcome) -> list[str]:
    """Why each change was refused; empty if it was not."""
    return ["" if answer.refusal is None else answer.refusal.reason for answer in outcome.answers]


class UploadOrderConformance:
    """Holding back, and transactions."""

    def test_g7_what_follows_a_refused_change_is_held(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        outcome = device.send(
            device.insert("k", {"a": 1}, refusal=REFUSAL),
            device.update("k", {"a": (1, 2)}),
            device.insert("other", {"a": 1}),
            device.insert("k", {"a": 1}, object_type="task"),
        )
        assert verdicts(outcome) == [REJECTED, HELD, APPLIED, APPLIED]
        assert outcome.holds == {("note", "k"): 2}
        later = device.send(device.delete("k", {"a": 2}))
        assert verdicts(later) == [HELD]
        assert later.answers[0].revision == 0
        assert not later.written
        assert stands(tenant, "k") is None

    def test_g7_a_hold_ends_when_it_is_settled(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        held = device.insert("k", {"a": 1})
        refused = device.insert("k", {"a": 0}, refusal=REFUSAL, change_seq=1)
        held = hashed(device.again(held))
        assert verdicts(device.send(refused, held)) == [REJECTED, HELD]
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert row.next_change_seq == held.change_seq + 1
        assert device.send(settled_through=1).holds == {("note", "k"): held.change_seq}
        outcome = device.send(settled_through=held.change_seq)
        assert outcome.holds == {}
        again = device.again(held)
        assert device.one(again, settled_through=held.change_seq).verdict is APPLIED
        assert stands(tenant, "k") == {"a": 1}

    def test_g7_a_held_change_leaves_no_receipt(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        refused = device.insert("k", {"a": 0}, refusal=REFUSAL)
        held = device.insert("k", {"a": 1})
        head = tenant.head()
        device.send(refused)
        device.send(held)
        assert tenant.head() == head + 1
        device.open()
        assert device.one(held).verdict is APPLIED

    def test_g7_a_repeated_refusal_holds_on_the_new_stream(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        refused, held = device.insert("k", {"a": 0}, refusal=REFUSAL), device.insert("k", {"a": 1})
        device.send(refused, held)
        device.open()
        assert verdicts(device.send(refused, held)) == [REJECTED, HELD]
        assert stands(tenant, "k") is None

    def test_g7_a_refusal_by_the_judge_holds_too(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 5}))
        device = Uploader(tenant, judge=json_judge(ConflictPolicy.REJECT))
        outcome = device.send(device.update("k", {"a": (1, 2)}), device.update("k", {"b": (None, 1)}))
        assert verdicts(outcome) == [REJECTED, HELD]
        assert stands(tenant, "k") == {"a": 5}

    def test_g7_what_the_server_won_holds_nothing(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 5}))
        device = Uploader(tenant)
        outcome = device.send(device.update("k", {"a": (1, 2)}), device.update("k", {"b": (None, 1)}))
        assert verdicts(outcome) == [SERVER_WON, APPLIED]
        assert outcome.holds == {}
        assert stands(tenant, "k") == {"a": 5, "b": 1}

    def test_g7_a_chain_of_edits_does_not_contest_itself(self, tenant: Tenant) -> None:
        """All made on one base, before any of them was uploaded."""
        base = tenant.write(note("k", {"a": 1})).revisions[0]
        device = Uploader(tenant)
        chain = [device.update("k", {"a": (turn, turn + 1)}, base_revision=base) for turn in range(1, 5)]
        outcome = device.send(*chain[:2])
        assert verdicts(outcome) == [APPLIED, APPLIED]
        outcome = device.send(chain[2], device.update("k", {"b": (None, 1)}, base_revision=base), chain[3])
        assert verdicts(outcome) == [APPLIED] * 3
        assert verdicts(device.send(device.delete("k", {"a": 5, "b": 1}, base_revision=base))) == [APPLIED]
        assert stands(tenant, "k") is None

    def test_g7_a_chain_made_again_does_not_contest_itself(self, tenant: Tenant) -> None:
        """As after a lost receipt: its last edit finds the value that it wants."""
        base = tenant.write(note("k", {"a": 1})).revisions[0]
        device = Uploader(tenant)
        device.send(*(device.update("k", {"a": (turn, turn + 1)}, base_revision=base) for turn in (1, 2)))
        answer = device.one(device.update("k", {"a": (2, 3)}, base_revision=base))
        assert (answer.verdict, answer.conflict) == (APPLIED, None)

    def test_g7_edits_that_others_made_as_well_are_no_conflict(self, tenant: Tenant) -> None:
        base = tenant.write(note("k", {"a": 1})).revisions[0]
        first, second = Uploader(tenant), Uploader(tenant)
        assert first.one(first.update("k", {"a": (1, 2)}, base_revision=base)).verdict is APPLIED
        answer = second.one(second.update("k", {"a": (1, 2), "b": (None, 3)}, base_revision=base))
        assert (answer.verdict, answer.frame, answer.conflict) == (MERGED, b'{"a":2,"b":3}', None)

    def test_g7_a_chain_goes_on_over_what_others_changed(self, tenant: Tenant) -> None:
        base = tenant.write(note("k", {"a": 1})).revisions[0]
        device, other = Uploader(tenant), Uploader(tenant)
        edits = [device.update("k", {"a": (turn, turn + 1)}, base_revision=base) for turn in (1, 2)]
        other.one(other.update("k", {"b": (None, 7)}))
        outcome = device.send(*edits)
        assert verdicts(outcome) == [MERGED, APPLIED]
        assert stands(tenant, "k") == {"a": 3, "b": 7}

    def test_g7_a_transaction_is_done_as_a_whole(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        outcome = device.send(
            device.insert("parent", {"a": 1}, **TOGETHER),
            device.insert("child", {"a": 1}, object_type="task", **TOGETHER),
            device.update("parent", {"a": (1, 2)}, **TOGETHER),
            device.insert("alone", {"a": 1}),
        )
        assert verdicts(outcome) == [APPLIED] * 4
        assert stands(tenant, "parent") == {"a": 2}
        assert stands(tenant, "child", object_type="task") == {"a": 1}

    def test_g7_a_transaction_with_a_refused_member_is_refused(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        head = tenant.head()
        changes = [
            device.insert("x", {"a": 1}, **TOGETHER),
            device.update("x", {"a": (1, 2)}, **TOGETHER),
            device.insert("bad", {"a": 1}, refusal=REFUSAL, **TOGETHER),
            device.insert("y", {"a": 1}, **TOGETHER),
            device.update("x", {"a": (2, 3)}),
            device.insert("z", {"a": 1}),
        ]
        outcome = device.send(*changes)
        assert verdicts(outcome) == [REJECTED] * 4 + [HELD, APPLIED]
        assert reasons(outcome) == ["GROUP_REJECTED", "GROUP_REJECTED", "CHANGE_INVALID", "GROUP_REJECTED", "", ""]
        refusal = outcome.answers[0].refusal
        assert refusal is not None
        assert refusal.metadata == (("change_seq", str(changes[2].change_seq)),)
        assert set(outcome.holds) == {("note", key) for key in ("x", "y", "bad")}
        assert outcome.answers[5].revision > head
        assert [stands(tenant, key) for key in ("x", "y", "z")] == [None, None, {"a": 1}]
        device.open()
        assert device.send(*changes[:4]).answers == outcome.answers[:4]

    def test_g7_a_transaction_with_a_member_that_the_server_won_is_not_done(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 5}))
        device = Uploader(tenant)
        outcome = device.send(
            device.insert("x", {"a": 1}, **TOGETHER),
            device.update("k", {"a": (1, 2)}, **TOGETHER),
            device.insert("x", {"a": 3}),
        )
        assert verdicts(outcome) == [SERVER_WON, SERVER_WON, APPLIED]
        assert [answer.frame for answer in outcome.answers] == [None, b'{"a":5}', None]
        assert [answer.conflict is None for answer in outcome.answers] == [True, False, True]
        assert outcome.holds == {}
        assert (stands(tenant, "x"), stands(tenant, "k")) == ({"a": 3}, {"a": 5})

    def test_g7_a_transaction_with_a_held_member_is_held(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        outcome = device.send(
            device.insert("k", {"a": 1}, refusal=REFUSAL),
            device.insert("x", {"a": 1}, **TOGETHER),
            device.update("k", {"a": (1, 2)}, **TOGETHER),
            device.update("x", {"a": (1, 2)}),
        )
        assert verdicts(outcome) == [REJECTED, HELD, HELD, HELD]
        assert stands(tenant, "x") is None

    def test_g7_nothing_of_a_transaction_is_done_if_one_number_is_used(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        device.one(device.insert("used", {"a": 1}, change_seq=3))
        outcome = device.send(
            device.insert("x", {"a": 1}, change_seq=1),
            device.insert("y", {"a": 1}, change_seq=2, **TOGETHER),
            device.insert("z", {"a": 1}, change_seq=3, **TOGETHER),
        )
        assert verdicts(outcome) == [APPLIED]
        assert isinstance(outcome.stopped_by, SeqReused)
        assert [stands(tenant, key) for key in "xyz"] == [{"a": 1}, None, None]

    @pytest.mark.parametrize("device_count", [1, 2])
    def test_g7_transactions_of_equal_names_are_different_ones(self, tenant: Tenant, device_count: int) -> None:
        """The name says nothing beyond the changes that stand next to each other."""
        devices = [Uploader(tenant) for _ in range(device_count)]
        device = devices[-1]
        devices[0].one(devices[0].insert("x", {"a": 1}, refusal=REFUSAL, **TOGETHER))
        assert device.one(device.insert("y", {"a": 1}, **TOGETHER)).verdict is APPLIED
