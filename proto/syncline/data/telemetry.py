"""Every name that traces carry: spans, attributes, events. Metrics: `metrics.py`.

Those that start with `syncline.` are our own; the others are of OpenTelemetry's semantic conventions.
"""

from __future__ import annotations

SCOPE = "syncline"
"""The instrumentation scope of all spans and metrics."""

# Services, as `service.name` tells them unless OTEL_SERVICE_NAME does.
SERVICE_SERVER = "syncline-server"
"""A server of devices and of sync requests."""
SERVICE_SYNC = "syncline-sync"
SERVICE_REQUESTS = "syncline-requests"
SERVICE_WORKER = "syncline-worker"
SERVICE_IMPORT = "syncline-import"
"""The command that imports files past any server."""
SERVICE_CLI = "syncline-cli"

# Calls. Their spans are named for service and method, such as `syncline.v1.SyncService/FetchQueue`.
RPC_SYSTEM = "rpc.system"
RPC_SYSTEM_GRPC = "grpc"
RPC_SERVICE = "rpc.service"
RPC_METHOD = "rpc.method"
RPC_STATUS_CODE = "rpc.grpc.status_code"
RPC_SYSTEM_NAME = "rpc.system.name"
"""Of metrics, whose conventions have moved on: `rpc.method` is there the service and the method, too."""
RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code"
"""Of metrics: the name of the status, such as `NOT_FOUND`."""
MESSAGES_SENT = "syncline.rpc.messages_sent"
"""Of a stream: how many messages this end sent."""
MESSAGES_RECEIVED = "syncline.rpc.messages_received"
"""Of a stream: how many messages this end received."""
ERROR_TYPE = "error.type"

# Calls of a store. Their spans are named for the call and the table that it is mostly about: `read_queue record`.
DB_SYSTEM_NAME = "db.system.name"
DB_OPERATION_NAME = "db.operation.name"
DB_COLLECTION_NAME = "db.collection.name"
DB_OPERATION_BATCH_SIZE = "db.operation.batch.size"
DB_RESPONSE_RETURNED_ROWS = "db.response.returned_rows"

# Spans of the work itself, on servers and workers.
SPAN_PAGE = "syncline.page"
"""A page of a queue is handed out; links to where its records were written."""
SPAN_UPLOAD = "syncline.upload"
"""A message of changes is decided; what it writes carries this context."""
SPAN_RUN = "syncline.run"
"""An attempt at a sync request; child of the span that asked for it."""
SPAN_IMPORT = "syncline.import"
"""A file is imported by the command of operators."""
SPAN_BATCH = "syncline.batch"
"""A batch of a sync request or an import is written, and its records carry this context; or a batch of a WRITE was
stored elsewhere, and it links to where its records were written."""
SPAN_SWEEP = "syncline.sweep"
"""A step of a full run deletes what it did not see; the deletes carry this context."""
SPAN_SCHEDULE = "syncline.schedule"
"""A schedule's time has come; its request carries this context."""

# Spans of the work itself, on devices.
SPAN_SYNC = "syncline.sync"
"""One run of a synchronisation; parent of all that is done in it, here and on the server."""
SPAN_PAGE_APPLY = "syncline.page.apply"
"""A page is stored in one transaction of the device, or given to the handler."""
SPAN_ACKNOWLEDGE = "syncline.acknowledge"
"""The server is told what is stored and what cannot be taken."""
SPAN_WRITE = "syncline.write"
"""A local transaction; its changes carry this context on the device."""
SPAN_UPLOAD_MESSAGE = "syncline.upload.message"
"""A message of changes, until its verdicts are stored; links to where its changes were made."""

# What these spans tell.
ITEMS = "syncline.items"
SIZE_BYTES = "syncline.size_bytes"
"""Of the records on a page, as they are stored."""
FEEDS = "syncline.feeds"
PAGE_NUMBER = "syncline.page.number"
IS_CHECKPOINT = "syncline.checkpoint"
ACKNOWLEDGED = "syncline.acknowledged"
STALE = "syncline.stale"
REFUSED = "syncline.refused"
CHANGES = "syncline.changes"
VERDICT_PREFIX = "syncline.verdict."
"""Followed by a verdict in small letters: how many changes got it."""
REQUEST_ID = "syncline.request.id"
REQUEST_OPERATION = "syncline.request.operation"
REQUEST_ATTEMPT = "syncline.request.attempt"
CONNECTOR = "syncline.connector"
ROWS_READ = "syncline.rows.read"
ROWS_WRITTEN = "syncline.rows.written"
ROWS_SKIPPED = "syncline.rows.skipped"
ROWS_FAILED = "syncline.rows.failed"

# Events of `syncline.run`: how the attempt ended, if not well.
EVENT_RETRY = "syncline.retry"
EVENT_FAILED = "syncline.failed"
EVENT_CANCELLED = "syncline.cancelled"
EVENT_GIVEN_BACK = "syncline.given_back"
EVENT_LEASE_LOST = "syncline.lease_lost"

# Lines of a trace file.
LINE_LEFT_OUT = "syncline.left_out"
"""What of a span was left out because its line would have been too long."""
