"""A store with an enrollment of the scripted connector, and runs of its requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.config import load_settings
from syncline.server.enrollments.secrets import SecretBox
from syncline.server.environment import now_us
from syncline.server.requests.connectors.registry import Connectors
from syncline.server.requests.holding import HeldRequest
from syncline.server.requests.runner import Runner
from syncline.storage import Store
from syncline.storage.models import Record
from syncline.storage.request_models import ClaimLimits, Enrollment, NewRequest, Operation, SyncRequest
from syncline.v1.frame_pb2 import Frame
from tests.connectors.scripted import Scripted
from tests.harness.server import declare_notes

ACCOUNT = "dev"
ENROLLMENT_ID = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
LEASE_US = 30_000_000
LIMITS = ClaimLimits(per_account=8)
BOX = SecretBox(bytes(32))
SECRET = "hunter2!"  # noqa: S105  not really one


@dataclass
class HintLog:
    """What was told of what runs changed."""

    heads: list[int] = field(default_factory=list)

    def head_moved(self, account_id: str, revision: int) -> None:
        assert account_id == ACCOUNT
        self.heads.append(revision)

    def request_made(self, account_id: str) -> None:
        assert account_id == ACCOUNT

    def requests_changed(self, account_id: str) -> None:
        assert account_id == ACCOUNT


class Site:
    """A store with one account and one enrollment, and a runner over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.connector = Scripted()
        self.connectors = Connectors({"scripted": self.connector})
        self.runner = self.runner_with(self.connectors)
        self.hints = HintLog()

    def runner_with(self, connectors: Connectors, **settings: Any) -> Runner:
        """A runner with these connectors; fields of `Settings` say what the account may have."""
        return Runner(self.store, connectors, BOX, StoredLimits(load_settings(**settings), self.store))

    def declare(self) -> None:
        """Make the account; in the schema is `note`."""
        declare_notes(self.store, ACCOUNT)

    def enroll(
        self, enrollment_id: str = ENROLLMENT_ID, *, secret: str = "", enabled: bool = True, **settings: Any
    ) -> None:
        """Make the enrollment, or give it other settings."""
        known = {one.enrollment_id: one for one in self.store.list_enrollments(ACCOUNT)}.get(enrollment_id)
        secrets = {"password": secret} if secret else {}
        enrollment = Enrollment(
            enrollment_id=enrollment_id,
            name=enrollment_id,
            connector="scripted",
            settings=json.dumps(settings),
            sealed_secrets=BOX.seal(ACCOUNT, enrollment_id, secrets),
            enabled=enabled,
            created_at=1,
            modified_at=known.modified_at + 1 if known else 1,
            modified_by="test",
        )
        expected = known.modified_at if known else None
        self.store.put_enrollment(ACCOUNT, enrollment, expected_modified_at=expected)

    def ask(self, operation: Operation = Operation.READ, *, full: bool = False, **more: Any) -> str:
        """Make a request that is due; its id."""
        request_id = str(uuid4())
        new: dict[str, Any] = {
            "request_id": request_id,
            "idempotency_key": "",
            "payload_hash": b"",
            "operation": operation,
            "run_full_sync": full,
            "enrollment_id": ENROLLMENT_ID,
            "due_at": 0,
            "by": "test",
        }
        self.store.create_request(ACCOUNT, NewRequest(**(new | more)), now=now_us())
        return request_id

    def claim(self, *, lease_us: int = LEASE_US, failures_max: int = 5) -> HeldRequest:
        """Claim the request that is due; those that wait for a later attempt are due, too."""
        self.store.promote_requests(now=now_us() + 400_000_000, failures_max=failures_max)
        lease = self.store.claim_request(worker="test", limits=LIMITS, lease_us=lease_us, now=now_us())
        assert lease is not None
        return HeldRequest(self.store, lease, lease_us=lease_us, failures_max=failures_max, hints=self.hints)

    def run(self, request_id: str, **claiming: int) -> SyncRequest:
        """Make one attempt at it; how it stands then."""
        held = self.claim(**claiming)
        assert held.lease.request_id == request_id
        self.runner.run(held)
        return self.request(request_id)

    def request(self, request_id: str) -> SyncRequest:
        """How it stands."""
        return self.store.get_request(ACCOUNT, request_id)

    def records(self) -> list[Record]:
        """The notes as the store has them."""
        return self.store.scan_records(ACCOUNT, "note", after_key=None, limit=100)

    def texts(self) -> dict[str, str]:
        """The notes by key."""
        found: dict[str, str] = {}
        after: str | None = None
        while records := self.store.scan_records(ACCOUNT, "note", after_key=after, limit=1_000):
            for record in records:
                assert record.frame is not None
                found[record.key] = json.loads(Frame.FromString(record.frame).data)["text"]
            after = records[-1].key
        return found


def expected_texts(count: int) -> dict[str, str]:
    """What `Site.texts` is once so many rows of the scripted connector were written."""
    return {f"k{number}": f"text {number}" for number in range(count)}


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another thread brings about; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.001)
