"""A worker process, and sync requests for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from bench.workplace import ACCOUNT
from syncline.server.environment import now_us
from syncline.storage import Store
from syncline.storage.request_models import NewRequest, Operation, SyncRequest
from syncline.storage.request_states import RequestStatus
from tests.harness.programs import running_program

_CLAIM_LOOK_SECONDS = 0.02
_END_LOOK_SECONDS = 0.1


class WorkerProcess:
    """A `syncline-server worker`, as its owner sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Watch this process."""
        self._process = process

    @property
    def pid(self) -> int:
        """For what Linux tells about it."""
        return self._process.pid

    def check_running(self) -> None:
        """Raise an error if it has ended: nothing would come of waiting for its work."""
        status = self._process.poll()
        if status is not None:
            raise RuntimeError(f"the worker ended with status {status}")

    def wait_for(self, store: Store, request_id: str) -> tuple[float, SyncRequest]:
        """Wait until the request has succeeded; the seconds from its claim to its end, and the request."""
        claimed_at = 0
        while True:
            request = store.get_request(ACCOUNT, request_id)
            if request.status.is_final:
                break
            if request.status is RequestStatus.IN_PROGRESS and not claimed_at:
                claimed_at = request.modified_at  # as long as nothing is written yet
            self.check_running()
            time.sleep(_END_LOOK_SECONDS if claimed_at else _CLAIM_LOOK_SECONDS)
        if request.status is not RequestStatus.SUCCESS or request.failure_count:
            raise RuntimeError(f"the request did not simply succeed: {request.result_message}")
        began_at = claimed_at or request.created_at  # quicker than a look
        return (request.modified_at - began_at) / 1_000_000, request


@contextmanager
def start_worker(url: str) -> Iterator[WorkerProcess]:
    """Run a worker over the database as long as the block lasts."""
    command = [sys.executable, "-m", "syncline.server", "worker", "--database", url]
    with running_program(command, stderr=subprocess.DEVNULL) as program:
        yield WorkerProcess(program.process)


def make_request(store: Store, payload: Sequence[bytes], payload_kind: str) -> str:
    """Make a request that is due now; its id."""
    now = now_us()
    new = NewRequest(
        request_id=str(uuid4()),
        idempotency_key="",
        payload_hash=b"",
        operation=Operation.READ,
        run_full_sync=False,
        enrollment_id=None,
        due_at=now,
        by="bench",
        payload=payload,
        payload_kind=payload_kind,
    )
    return store.create_request(ACCOUNT, new, now=now).request_id
