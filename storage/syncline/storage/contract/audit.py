"""The log of administrative acts."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.audit_models import Act, AuditEntry, AuditFilter, AuditPlace


class AuditStore(Protocol):
    """Acts of an account. Those of calls that take an `act` are kept in the same transaction."""

    def note_act(self, account_id: str, act: Act) -> None:
        """Keep an act that no call of the store keeps."""

    def list_acts(
        self, account_id: str, wanted: AuditFilter, *, before: AuditPlace | None, limit: int
    ) -> list[AuditEntry]:
        """The newest `limit` entries that are wanted and stand before `before`; the newest first."""

    def forget_acts(self, account_id: str, *, happened_before: int) -> int:
        """Remove what happened before; how many entries were there?"""
