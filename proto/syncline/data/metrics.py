"""Every metric of the system, as a table: what it is called, what it counts, by which labels.

Those that start with `syncline.` are our own; the others are of OpenTelemetry's semantic conventions. No label is an
id: not of an account, a device, a record or a request. docs/metrics.md says of each what to do when it is high.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncline.data import telemetry


class Kind(StrEnum):
    """What can be done with a metric's numbers."""

    COUNTER = "counter"
    """Only grows; its rate tells."""
    UP_DOWN = "up-down counter"
    """How many there are now, of what begins and ends."""
    HISTOGRAM = "histogram"
    """How a value is distributed."""
    GAUGE = "gauge"
    """A value that is looked up now and then."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, as it is told to whoever collects it."""

    name: str
    kind: Kind
    unit: str
    """UCUM: `s`, `By`, `1`, or what is counted, in braces."""
    says: str
    """One line."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None
    """Upper bounds of a histogram's classes, in the unit; None: those of the conventions."""

    @property
    def prometheus_name(self) -> str:
        """What Prometheus calls it; a histogram is `_bucket`, `_sum` and `_count` of it."""
        name = self.name.replace(".", "_")
        unit = _PROMETHEUS_UNITS.get(self.unit, "")
        if unit and not name.endswith(f"_{unit}"):
            name = f"{name}_{unit}"
        return f"{name}_total" if self.kind is Kind.COUNTER else name

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """What Prometheus calls its labels, in the order of `labels`."""
        return tuple(label.replace(".", "_") for label in self.labels)


_PROMETHEUS_UNITS = {"s": "seconds", "By": "bytes"}
"""The units that become part of a name."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Classes for what people wait for."""
LONG_SECONDS = (0.01, 0.1, 1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
"""Classes for what may be away for days."""
PATIENT_SECONDS = (*SECONDS, 30, 60, 300)
"""Classes for what people wait for, and devices may take their time with."""

# Labels that are used in several places.
METHOD = "rpc.method"
VERDICT = "syncline.verdict"
POLICY = "syncline.policy"
DIRECTION = "syncline.direction"
OPERATION = telemetry.REQUEST_OPERATION
STATUS = "syncline.status"
CONNECTOR = telemetry.CONNECTOR
OUTCOME = "syncline.outcome"
LOCK = "syncline.lock"
STATISTIC = "syncline.statistic"
STATE = "syncline.state"
KIND = "syncline.kind"
REASON = "syncline.reason"
LIMIT = "syncline.limit"

# Calls.
CALL_DURATION = Metric(
    name="rpc.server.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long calls took; a stream takes as long as it is open.",
    labels=(telemetry.RPC_SYSTEM_NAME, METHOD, telemetry.RPC_RESPONSE_STATUS_CODE),
    buckets=SECONDS,
)
LIVE_STREAMS = Metric(
    name="syncline.streams.live",
    kind=Kind.UP_DOWN,
    unit="{stream}",
    says="Streams that answer, such as ReadQueue, and are open now.",
    labels=(METHOD,),
)

ADMISSION_WAIT = Metric(
    name="syncline.admission.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long calls waited for a thread to the store: what first syncs do, which have a quarter of the threads,"
    " and all that is small.",
    labels=(KIND,),
    buckets=SECONDS,
)
FIRST_SYNC_WAIT = Metric(
    name="syncline.first_syncs.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long first syncs stood in line for a place before a read, those that were refused included.",
    buckets=PATIENT_SECONDS,
)
REFUSALS = Metric(
    name="syncline.refusals",
    kind=Kind.COUNTER,
    unit="{call}",
    says="Calls that were answered with an error, by its reason; of a limit that was reached, which one.",
    labels=(REASON, LIMIT),
)

# What devices read and acknowledge.
QUEUE_ITEMS = Metric(
    name="syncline.queue.items",
    kind=Kind.COUNTER,
    unit="{item}",
    says="Items that were handed out to devices, those that came again included.",
    labels=(METHOD,),
)
DELIVERY_LATENCY = Metric(
    name="syncline.delivery.latency",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="From when the newest record of a live page was written until the device acknowledged the page. Live is what a"
    " stream hands out after its first checkpoint; told by the server that has the stream, if it takes the"
    " acknowledgement, too.",
    buckets=PATIENT_SECONDS,
)
WAKEUP_LATENCY = Metric(
    name="syncline.wakeup.latency",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="From when this server heard of new records, by a hint or by looking, until a live stream has read them and"
    " has the first page of them.",
    buckets=SECONDS,
)

# What devices upload.
UPLOAD_CHANGES = Metric(
    name="syncline.upload.changes",
    kind=Kind.COUNTER,
    unit="{change}",
    says="Changes that were answered, by verdict or as held; one that is sent again counts again.",
    labels=(VERDICT,),
)
CONFLICTS = Metric(
    name="syncline.conflicts",
    kind=Kind.COUNTER,
    unit="{conflict}",
    says="Conflicts that were answered, by the policy that decided and what came of it; counted as changes are.",
    labels=(POLICY, VERDICT),
)

# Hints between processes.
NOTIFICATIONS_SENT = Metric(
    name="syncline.notifications.sent",
    kind=Kind.COUNTER,
    unit="{message}",
    says="Messages of hints that this process gave to Postgres for the others.",
)
NOTIFICATIONS_RECEIVED = Metric(
    name="syncline.notifications.received",
    kind=Kind.COUNTER,
    unit="{message}",
    says="Messages of hints that came from other processes through Postgres.",
)
NOTIFICATION_RECONNECTS = Metric(
    name="syncline.notifications.reconnects",
    kind=Kind.COUNTER,
    unit="{connection}",
    says="Connections for hints that were lost or could not be made, each of which is tried again.",
    labels=(DIRECTION,),
)

# Sync requests.
REQUESTS_ENDED = Metric(
    name="syncline.requests.ended",
    kind=Kind.COUNTER,
    unit="{request}",
    says="Sync requests that ended, by how; a parent that ends with the last of its batches is not counted.",
    labels=(OPERATION, STATUS),
)
REQUESTS_PICKUP = Metric(
    name="syncline.requests.pickup",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="From when a sync request was due until a worker began with it, once for each attempt.",
    buckets=LONG_SECONDS,
)
REQUESTS_RETRIES = Metric(
    name="syncline.requests.retries",
    kind=Kind.COUNTER,
    unit="{attempt}",
    says="Attempts at sync requests that failed, with another one to follow; lost leases are counted apart.",
    labels=(OPERATION,),
)
LEASES_LOST = Metric(
    name="syncline.leases.lost",
    kind=Kind.COUNTER,
    unit="{lease}",
    says="Leases that ran out: their workers gave no sign of life for too long. Told by whoever took the request back.",
)
CONNECTOR_ROWS = Metric(
    name="syncline.connector.rows",
    kind=Kind.COUNTER,
    unit="{row}",
    says="Rows that sync requests moved, by connector and by what became of them: each counts as read, and as one of"
    " the others once it is known. What a WRITE has brought into the system is read, too. Of a worker outside only"
    " those read, and those that do not fit.",
    labels=(CONNECTOR, OUTCOME),
)

# The store.
STORE_CALL_DURATION = Metric(
    name="db.client.operation.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long calls of the store took, with all of their statements and tries; an error names only what is none of"
    " the store's answers.",
    labels=(telemetry.DB_SYSTEM_NAME, telemetry.DB_OPERATION_NAME, telemetry.ERROR_TYPE),
    buckets=SECONDS,
)
STORE_CONNECTION_WAIT = Metric(
    name="db.client.connection.wait_time",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long it took to get a connection to the database, be it from the pool or a new one.",
    buckets=SECONDS,
)
STORE_LOCK_WAIT = Metric(
    name="syncline.store.lock.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="SQLite: how long a transaction that writes waited for the others of this process, and then for the file,"
    " which other processes may write to.",
    labels=(LOCK,),
    buckets=SECONDS,
)
STORE_RETRIES = Metric(
    name="syncline.store.retries",
    kind=Kind.COUNTER,
    unit="{transaction}",
    says="Transactions that were tried again: serialisation failures, deadlocks, lost connections, a locked file.",
    labels=(telemetry.ERROR_TYPE,),
)

# The database, looked at now and then. Every server tells the same of one database: take the highest, not the sum.
DEVICES = Metric(
    name="syncline.devices",
    kind=Kind.GAUGE,
    unit="{device}",
    says="Devices that were seen within a day, that are away for longer, and that have expired.",
    labels=(STATE,),
)
QUEUE_LAG = Metric(
    name="syncline.queue.lag",
    kind=Kind.GAUGE,
    unit="{revision}",
    says="How far the newest record of a feed is ahead of what a device has acknowledged, of devices seen within a day:"
    " the worst one and the one in the middle. A write uses up a revision, or a few.",
    labels=(STATISTIC,),
)
QUEUE_OLDEST = Metric(
    name="syncline.queue.oldest.age",
    kind=Kind.GAUGE,
    unit="s",
    says="How long ago the oldest item was written that a device seen within a day has not acknowledged. What was there"
    " before the device began to load does not count.",
)
QUEUE_HOLES = Metric(
    name="syncline.queue.holes",
    kind=Kind.GAUGE,
    unit="{hole}",
    says="Gaps before what devices seen within a day have acknowledged out of order: in the worst feed of a device, and"
    " all. A device is refused more than 1,000 in a feed.",
    labels=(STATISTIC,),
)
QUEUE_REFUSED = Metric(
    name="syncline.queue.refused",
    kind=Kind.GAUGE,
    unit="{item}",
    says="Items that devices refused: those that are sent again, and those that are parked.",
    labels=(STATE,),
)
DELETES_KEPT = Metric(
    name="syncline.deletes.kept",
    kind=Kind.GAUGE,
    unit="{record}",
    says="Tombstones of deleted records, and departures of moved ones, which wait until every device has passed them.",
    labels=(KIND,),
)
REQUESTS_OPEN = Metric(
    name="syncline.requests.open",
    kind=Kind.GAUGE,
    unit="{request}",
    says="Sync requests that have not ended, by status.",
    labels=(STATUS,),
)
REQUESTS_OLDEST_DUE = Metric(
    name="syncline.requests.oldest_due.age",
    kind=Kind.GAUGE,
    unit="s",
    says="How long the sync request has been due that waits the longest for a worker.",
)
ENROLLMENTS_FAILING = Metric(
    name="syncline.enrollments.failing",
    kind=Kind.GAUGE,
    unit="{enrollment}",
    says="Enabled app enrollments whose last run failed.",
)

# Traces.
DROPPED_SPANS = Metric(
    name="syncline.telemetry.dropped_spans",
    kind=Kind.COUNTER,
    unit="{span}",
    says="Spans that were dropped: their collector or file did not take them, or not as fast as they came.",
)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""The table, in the order of this file. Metrics stand above this line."""
