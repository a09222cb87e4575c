"""One attempt at a sync request: everything that its operation needs."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.data.schema import Schema
from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.requests.connectors.contract import Connector, Job
from syncline.server.requests.holding import HeldRequest
from syncline.server.requests.run_settings import RunSettings
from syncline.storage import Store
from syncline.storage.request_models import Enrollment, SyncRequest


class RunFailed(Exception):
    """The request fails for good: a repeat would fail likewise. The text is its result message."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What reading, writing and checking work with."""

    store: Store
    held: HeldRequest
    request: SyncRequest
    """As it was when the attempt began."""
    enrollment: Enrollment | None
    connector: Connector
    job: Job
    schema: Schema
    settings: RunSettings
    limits: StoredLimits

    @property
    def account_id(self) -> str:
        """Whose request it is."""
        return self.held.lease.account_id
