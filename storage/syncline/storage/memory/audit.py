"""The log of administrative acts in the model."""

from __future__ import annotations

from syncline.storage.audit_models import Act, AuditEntry, AuditFilter, AuditPlace
from syncline.storage.limits import check_act, check_text
from syncline.storage.memory.state import MemoryState


class MemoryAudit(MemoryState):
    """`AuditStore`."""

    def note_act(self, account_id: str, act: Act) -> None:
        """See `AuditStore.note_act`."""
        check_act(act)
        with self._transaction(account_id) as account:
            account.note_act(act)

    def list_acts(
        self, account_id: str, wanted: AuditFilter, *, before: AuditPlace | None, limit: int
    ) -> list[AuditEntry]:
        """See `AuditStore.list_acts`."""
        check_text("action", wanted.action or "")
        with self._transaction(account_id) as account:
            found = sorted(account.acts, key=lambda entry: entry.place, reverse=True)
            taken = (entry for entry in found if wanted.takes(entry.act) and (before is None or entry.place < before))
            return list(taken)[:limit]

    def forget_acts(self, account_id: str, *, happened_before: int) -> int:
        """See `AuditStore.forget_acts`."""
        with self._transaction(account_id) as account:
            kept = [entry for entry in account.acts if entry.act.happened_at >= happened_before]
            forgotten, account.acts = len(account.acts) - len(kept), kept
            return forgotten
