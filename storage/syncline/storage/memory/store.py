"""The model, put together."""

from __future__ import annotations

from syncline.storage.contract import Store
from syncline.storage.errors import InvalidValue
from syncline.storage.memory.accounts import MemoryAccounts
from syncline.storage.memory.acknowledgements import MemoryAcknowledgements
from syncline.storage.memory.api_keys import MemoryApiKeys
from syncline.storage.memory.audit import MemoryAudit
from syncline.storage.memory.collection import MemoryCollection
from syncline.storage.memory.devices import MemoryDevices
from syncline.storage.memory.diagnostics import MemoryDiagnostics
from syncline.storage.memory.enrollments import MemoryEnrollments
from syncline.storage.memory.queue import MemoryQueue
from syncline.storage.memory.reconciling import MemoryReconciling
from syncline.storage.memory.records import MemoryRecords
from syncline.storage.memory.request_collection import MemoryRequestCollection
from syncline.storage.memory.scheduling import MemoryScheduling
from syncline.storage.memory.server_secrets import MemoryServerSecrets
from syncline.storage.memory.statistics import MemoryStatistics
from syncline.storage.memory.sync_requests import MemorySyncRequests
from syncline.storage.memory.uploads import MemoryUploads
from syncline.storage.memory.working import MemoryWorking


class MemoryStore(
    MemoryAccounts,
    MemoryApiKeys,
    MemoryRecords,
    MemoryDevices,
    MemoryAudit,
    MemoryQueue,
    MemoryAcknowledgements,
    MemoryUploads,
    MemoryReconciling,
    MemoryCollection,
    MemoryRequestCollection,
    MemoryEnrollments,
    MemoryScheduling,
    MemorySyncRequests,
    MemoryWorking,
    MemoryDiagnostics,
    MemoryServerSecrets,
    MemoryStatistics,
):
    """The whole contract in memory. Not durable: a process's end is its end."""

    def __init__(self, *, max_rejections: int = 5) -> None:
        super().__init__(max_rejections)

    def check_version(self) -> None:
        """See `Store.check_version`: the tables are always this program's."""

    def close(self) -> None:
        """See `Store.close`: there is nothing to give back."""


def open_memory_store(url: str, *, durable: bool, max_rejections: int) -> Store:
    """Open a new, empty store in memory for the URL `memory:`. `durable` has nothing to act on.

    Raises:
        InvalidValue: the URL says more than its scheme.
    """
    del durable
    if url not in {"memory:", "memory://"}:
        raise InvalidValue("url", "a store in memory has no name; write memory:")
    return MemoryStore(max_rejections=max_rejections)
