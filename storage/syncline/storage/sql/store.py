"""The store, put together. Each part is a class of its own, in a file named for its theme."""

from __future__ import annotations

from syncline.storage.sql.accounts import SqlAccounts
from syncline.storage.sql.acknowledging import SqlAcknowledging
from syncline.storage.sql.api_keys import SqlApiKeys
from syncline.storage.sql.auditing import SqlAudit
from syncline.storage.sql.claiming import SqlClaiming
from syncline.storage.sql.collecting import SqlCollecting
from syncline.storage.sql.device_managing import SqlDeviceManaging
from syncline.storage.sql.diagnosing import SqlDiagnosing
from syncline.storage.sql.queue_opening import SqlQueueOpening
from syncline.storage.sql.queue_reading import SqlQueueReading
from syncline.storage.sql.reconciling import SqlReconciling
from syncline.storage.sql.records import SqlRecords
from syncline.storage.sql.request_collecting import SqlRequestCollecting
from syncline.storage.sql.request_lists import SqlRequestLists
from syncline.storage.sql.scheduling import SqlScheduling
from syncline.storage.sql.schema_version import check_version
from syncline.storage.sql.server_secrets import SqlServerSecrets
from syncline.storage.sql.statistics import SqlStatistics
from syncline.storage.sql.sweeping import SqlSweeping
from syncline.storage.sql.sync_requests import SqlSyncRequests


class SqlStore(
    SqlAccounts,
    SqlApiKeys,
    SqlRecords,
    SqlQueueOpening,
    SqlQueueReading,
    SqlAcknowledging,
    SqlReconciling,
    SqlDiagnosing,
    SqlCollecting,
    SqlRequestCollecting,
    SqlScheduling,
    SqlSyncRequests,
    SqlRequestLists,
    SqlClaiming,
    SqlSweeping,
    SqlServerSecrets,
    SqlStatistics,
    SqlDeviceManaging,
    SqlAudit,
):
    """The whole contract on a `Database`."""

    def check_version(self) -> None:
        """See `Store.check_version`."""
        check_version(self._database)

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()
