"""The tables, the same on every database.

All keys and indexes lead with `account_id`, and there are no sequences, triggers, enum types or foreign keys: rows can
be spread by account over a distributed Postgres without change. What workers look for across accounts has indexes of
its own: `CROSSING_INDEXES`. What servers share, `server_secret`, has no account. Texts compare by code
point: SQLite does so by itself, Postgres is told.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects import postgresql

_Text = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

account = Table(
    "account",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("schema_version", BigInteger, nullable=False),
)

account_head = Table(
    "account_head",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("head_revision", BigInteger, nullable=False),
    Column("store_epoch", BigInteger, nullable=False),
)
"""Apart from `account`, because each write updates it: narrow, and nothing refers to it."""

api_key = Table(
    "api_key",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("prefix", _Text, primary_key=True),
    Column("name", _Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("permissions", _Text, nullable=False),
    Column("buckets", _Text),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
)
"""`permissions` and `buckets` are JSON text; null buckets: all. Of the secret there is a hash only."""
# A caller brings the prefix before anybody knows the account.
Index("api_key_prefix_idx", api_key.c.prefix, unique=True)

object_type = Table(
    "object_type",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("name", _Text, primary_key=True),
    Column("scope", _Text, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("document", _Text, nullable=False),
)
"""`place` keeps the order of the declaration; `document` is JSON text."""

feed = Table(
    "feed",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("scope", _Text, primary_key=True),
    Column("bucket", _Text, primary_key=True),
    Column("gc_floor", BigInteger, nullable=False),
)
"""Feeds of which something was collected."""

record = Table(
    "record",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("object_type", _Text, primary_key=True),
    Column("record_key", _Text, primary_key=True),
    Column("scope", _Text, nullable=False),
    Column("bucket", _Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("entered_revision", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("frame", LargeBinary),
    Column("data_hash", LargeBinary, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("created_by", LargeBinary),
    Column("written_by", Uuid),
    Column("trace_context", _Text),
)
"""`created_by` is the UUID of a change, `written_by` that of a device; both are null for what no device did.

`trace_context` is that of the span in which the row was written last, if it was sampled.
"""
Index("record_feed_idx", record.c.account_id, record.c.scope, record.c.bucket, record.c.revision)
Index(
    "record_tombstone_idx",
    record.c.account_id,
    record.c.scope,
    record.c.bucket,
    record.c.revision,
    postgresql_where=text("deleted"),
    sqlite_where=text("deleted = 1"),
)

departure = Table(
    "departure",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("object_type", _Text, primary_key=True),
    Column("record_key", _Text, primary_key=True),
    Column("scope", _Text, primary_key=True),
    Column("bucket", _Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
)
Index("departure_feed_idx", departure.c.account_id, departure.c.scope, departure.c.bucket, departure.c.revision)

device = Table(
    "device",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, primary_key=True),
    Column("state", _Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_contact", BigInteger, nullable=False),
    Column("stream_id", BigInteger, nullable=False),
    Column("session_id", _Text, nullable=False),
    Column("client", _Text, nullable=False),
    Column("upload_stream_id", BigInteger, nullable=False),
    Column("next_change_seq", BigInteger, nullable=False),
    Column("settled_through", BigInteger, nullable=False),
    Column("principal", _Text, nullable=False),
    Column("access", _Text, nullable=False),
    Column("upload_first", Boolean, nullable=False),
)

device_bucket = Table(
    "device_bucket",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, primary_key=True),
    Column("bucket", _Text, primary_key=True),
    Column("grant_id", BigInteger, nullable=False),
)

device_position = Table(
    "device_position",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, primary_key=True),
    Column("scope", _Text, primary_key=True),
    Column("bucket", _Text, primary_key=True),
    Column("grant_id", BigInteger, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("head_at_start", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("acked_through", BigInteger, nullable=False),
    Column("acked_beyond", LargeBinary, nullable=False),
)
"""`acked_beyond` is packed: see `syncline.storage.sql.packing`."""

rejection = Table(
    "rejection",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, primary_key=True),
    Column("object_type", _Text, primary_key=True),
    Column("record_key", _Text, primary_key=True),
    Column("scope", _Text, nullable=False),
    Column("bucket", _Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("reason", _Text, nullable=False),
    Column("refusals", BigInteger, nullable=False),
    Column("parked", Boolean, nullable=False),
    Column("session_id", _Text, nullable=False),
)
"""`scope` and `bucket` say where the item was when it was refused, `session_id` in which session that last was."""

session = Table(
    "session",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("session_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, nullable=False),
    Column("store_epoch", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expire_at", BigInteger, nullable=False),
    Column("feeds", LargeBinary, nullable=False),
    Column("skip_acked", Boolean, nullable=False),
    Column("total_count", BigInteger, nullable=False),
    Column("total_is_estimate", Boolean, nullable=False),
    Column("fetched_pages", BigInteger, nullable=False),
    Column("fetched_cursors", LargeBinary, nullable=False),
    Column("redelivered_type", _Text),
    Column("redelivered_key", _Text),
)
"""`feeds` and `fetched_cursors` are packed: see `syncline.storage.sql.packing`."""
Index("session_expire_at_idx", session.c.account_id, session.c.expire_at)

upload_receipt = Table(
    "upload_receipt",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("device_uuid", Uuid, primary_key=True),
    Column("last_seq", BigInteger, primary_key=True),
    Column("first_seq", BigInteger, nullable=False),
    Column("first_uuid", Uuid, nullable=False),
    Column("last_uuid", Uuid, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("refusals", _Text),
    Column("receipts", LargeBinary, nullable=False),
    Index("upload_receipt_uuid_idx", "account_id", "last_uuid", "device_uuid"),
    Index(
        "upload_receipt_pack_idx",
        "account_id",
        "device_uuid",
        "last_uuid",
        postgresql_where=text("first_seq < last_seq"),
        sqlite_where=text("first_seq < last_seq"),
    ),
    sqlite_with_rowid=False,
)
"""A row has the receipts of one message, or one of them: see `syncline.storage.sql.packing`."""

conflict = Table(
    "conflict",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("conflict_id", BigInteger, primary_key=True),
    Column("object_type", _Text, nullable=False),
    Column("record_key", _Text, nullable=False),
    Column("bucket", _Text),
    Column("device_uuid", Uuid, nullable=False),
    Column("change_uuid", Uuid, nullable=False),
    Column("operation", _Text, nullable=False),
    Column("verdict", _Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("policy", _Text, nullable=False),
    Column("fields", _Text, nullable=False),
    Column("device_data", LargeBinary),
    Column("server_data", LargeBinary),
    Column("result_data", LargeBinary),
    quote=False,  # SQLAlchemy takes it for a reserved word, which it is not where a name may stand
)
"""`fields` is a JSON array of names; without a `bucket`, only the device itself sees the entry."""
Index("conflict_device_idx", conflict.c.account_id, conflict.c.device_uuid, conflict.c.conflict_id)
Index("conflict_change_idx", conflict.c.account_id, conflict.c.change_uuid)

app_enrollment = Table(
    "app_enrollment",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("enrollment_id", _Text, primary_key=True),
    Column("name", _Text, nullable=False),
    Column("connector", _Text, nullable=False),
    Column("settings", _Text, nullable=False),
    Column("sealed_secrets", LargeBinary, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("modified_by", _Text, nullable=False),
    Column("read_cursor", _Text, nullable=False),
    Column("write_cursor", _Text, nullable=False),
    Column("cron", _Text),
    Column("time_zone", _Text),
    Column("jitter_seconds", BigInteger),
    Column("schedule_operation", _Text),
    Column("schedule_full", Boolean),
    Column("next_run_at", BigInteger, nullable=False),
    Column("scheduled_request_id", _Text, nullable=False),
    UniqueConstraint("account_id", "name"),
)
"""Without a schedule, what it consists of is NULL. `next_run_at` is 0 if it makes no further request."""
Index(
    "app_enrollment_next_run_idx",
    app_enrollment.c.next_run_at,
    postgresql_where=text("next_run_at > 0"),
    sqlite_where=text("next_run_at > 0"),
)

sync_request = Table(
    "sync_request",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    Column("idempotency_key", _Text),
    Column("payload_hash", LargeBinary, nullable=False),
    Column("status", _Text, nullable=False),
    Column("operation", _Text, nullable=False),
    Column("result_message", _Text, nullable=False),
    Column("failure_count", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("run_full_sync", Boolean, nullable=False),
    Column("enrollment_id", _Text),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("modified_by", _Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("cancel_asked", Boolean, nullable=False),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_inserted", BigInteger, nullable=False),
    Column("rows_updated", BigInteger, nullable=False),
    Column("rows_deleted", BigInteger, nullable=False),
    Column("rows_skipped", BigInteger, nullable=False),
    Column("rows_failed", BigInteger, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("estimate", BigInteger, nullable=False),
    Column("detail_count", BigInteger, nullable=False),
    Column("details_left_out", BigInteger, nullable=False),
    Column("cursor", _Text, nullable=False),
    Column("batch_number", BigInteger, nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("worker", _Text, nullable=False),
    Column("parent_id", _Text),
    Column("current_batch", BigInteger),
    Column("total_batches", BigInteger),
    Column("retry_of", _Text),
    Column("payload_kind", _Text, nullable=False),
    Column("payload_state", _Text, nullable=False),
    Column("trace_context", _Text),
    UniqueConstraint("account_id", "idempotency_key"),
    UniqueConstraint("account_id", "parent_id", "current_batch"),
)
"""`batch_number` is that of the last batch that was committed under the lease.

A row with `total_batches` and no `parent_id` is a parent; its progress is the sum of its batches', and what it swept.
"""
Index(
    "sync_request_created_at_idx",
    sync_request.c.account_id,
    sync_request.c.created_at.desc(),
    sync_request.c.request_id,
)
Index(
    "sync_request_enrollment_idx",
    sync_request.c.account_id,
    sync_request.c.enrollment_id,
    sync_request.c.created_at,
    sync_request.c.request_id,
    postgresql_where=text("enrollment_id IS NOT NULL"),
    sqlite_where=text("enrollment_id IS NOT NULL"),
)
_HAS_ENDED = text("status IN ('success', 'failed', 'cancelled')")
Index(
    "sync_request_ended_idx",
    sync_request.c.account_id,
    sync_request.c.modified_at,
    postgresql_where=_HAS_ENDED,
    sqlite_where=_HAS_ENDED,
)
_HAS_PAYLOAD = text("payload_state IN ('kept', 'going')")
Index(
    "sync_request_payload_idx",
    sync_request.c.account_id,
    sync_request.c.status,
    sync_request.c.modified_at,
    postgresql_where=_HAS_PAYLOAD,
    sqlite_where=_HAS_PAYLOAD,
)
# One active request of an enrollment, whatever the workers do.
Index(
    "sync_request_active_idx",
    sync_request.c.account_id,
    sync_request.c.enrollment_id,
    unique=True,
    postgresql_where=text("status = 'in_progress'"),
    sqlite_where=text("status = 'in_progress'"),
)
Index("sync_request_due_idx", sync_request.c.status, sync_request.c.due_at)
Index(
    "sync_request_lease_idx",
    sync_request.c.status,
    sync_request.c.lease_until,
    postgresql_where=text("status = 'in_progress'"),
    sqlite_where=text("status = 'in_progress'"),
)

CROSSING_INDEXES = frozenset(
    {"api_key_prefix_idx", "app_enrollment_next_run_idx", "sync_request_due_idx", "sync_request_lease_idx"}
)
"""Indexes that do not lead with the account: a caller's key tells it, and a worker looks for what is due in all."""

sync_request_count = Table(
    "sync_request_count",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    Column("object_type", _Text, primary_key=True),
    Column("inserted", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)

sync_request_detail = Table(
    "sync_request_detail",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("severity", _Text, nullable=False),
    Column("object_type", _Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("source_key", _Text, nullable=False),
    Column("field", _Text, nullable=False),
    Column("reason", _Text, nullable=False),
    Column("value", _Text, nullable=False),
)

payload_chunk = Table(
    "payload_chunk",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

record_source = Table(
    "record_source",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("enrollment_id", _Text, primary_key=True),
    Column("object_type", _Text, primary_key=True),
    Column("source_key", _Text, primary_key=True),
    Column("record_key", _Text, nullable=False),
    Column("source_hash", LargeBinary, nullable=False),
    Column("source_image", LargeBinary, nullable=False),
    Column("seen_by", _Text, nullable=False),
)
"""Which records came from where. `enrollment_id` is empty for rows of no enrollment; `seen_by` names the request that
brought the row last, or its parent; one that a delta run finds as it was keeps it."""
# Without the type: else a planner that knows little of the table takes it for looking sources up, too.
Index("record_source_record_idx", record_source.c.account_id, record_source.c.record_key)

server_secret = Table(
    "server_secret",
    metadata,
    Column("purpose", _Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""Belongs to no account."""

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("account_id", _Text, primary_key=True),
    Column("happened_at", BigInteger, primary_key=True),
    Column("entry_id", BigInteger, primary_key=True),
    Column("principal", _Text, nullable=False),
    Column("credential", _Text, nullable=False),
    Column("action", _Text, nullable=False),
    Column("subject", _Text, nullable=False),
    Column("outcome", _Text, nullable=False),
    Column("details", _Text, nullable=False),
)
"""`details` is JSON text: an object of texts."""
