"""Sync requests: enrollments, the requests and what came of them, and where records came from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_IN_PROGRESS: dict[str, Any] = {
    "postgresql_where": sa.text("status = 'in_progress'"),
    "sqlite_where": sa.text("status = 'in_progress'"),
}

_HAS_NEXT_RUN: dict[str, Any] = {
    "postgresql_where": sa.text("next_run_at > 0"),
    "sqlite_where": sa.text("next_run_at > 0"),
}
_HAS_ENDED: dict[str, Any] = {
    "postgresql_where": sa.text("status IN ('success', 'failed', 'cancelled')"),
    "sqlite_where": sa.text("status IN ('success', 'failed', 'cancelled')"),
}
_HAS_PAYLOAD: dict[str, Any] = {
    "postgresql_where": sa.text("payload_state IN ('kept', 'going')"),
    "sqlite_where": sa.text("payload_state IN ('kept', 'going')"),
}


def upgrade() -> None:
    _create_requests()
    _create_results()
    op.create_table(
        "record_source",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("enrollment_id", _Text, nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("source_key", _Text, nullable=False),
        sa.Column("record_key", _Text, nullable=False),
        sa.Column("source_hash", sa.LargeBinary(), nullable=False),
        sa.Column("source_image", sa.LargeBinary(), nullable=False),
        sa.Column("seen_by", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "enrollment_id", "object_type", "source_key", name="record_source_pkey"),
    )
    op.create_index("record_source_record_idx", "record_source", ["account_id", "record_key"])


def _create_requests() -> None:
    op.create_table(
        "app_enrollment",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("enrollment_id", _Text, nullable=False),
        sa.Column("name", _Text, nullable=False),
        sa.Column("connector", _Text, nullable=False),
        sa.Column("settings", _Text, nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", _Text, nullable=False),
        sa.Column("read_cursor", _Text, nullable=False),
        sa.Column("write_cursor", _Text, nullable=False),
        sa.Column("cron", _Text),
        sa.Column("time_zone", _Text),
        sa.Column("jitter_seconds", sa.BigInteger()),
        sa.Column("schedule_operation", _Text),
        sa.Column("schedule_full", sa.Boolean()),
        sa.Column("next_run_at", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_request_id", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "enrollment_id", name="app_enrollment_pkey"),
        sa.UniqueConstraint("account_id", "name", name="app_enrollment_account_id_name_key"),
    )
    op.create_index("app_enrollment_next_run_idx", "app_enrollment", ["next_run_at"], **_HAS_NEXT_RUN)
    op.create_table(
        "sync_request",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("request_id", _Text, nullable=False),
        sa.Column("idempotency_key", _Text),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", _Text, nullable=False),
        sa.Column("operation", _Text, nullable=False),
        sa.Column("result_message", _Text, nullable=False),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("run_full_sync", sa.Boolean(), nullable=False),
        sa.Column("enrollment_id", _Text),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", _Text, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_inserted", sa.BigInteger(), nullable=False),
        sa.Column("rows_updated", sa.BigInteger(), nullable=False),
        sa.Column("rows_deleted", sa.BigInteger(), nullable=False),
        sa.Column("rows_skipped", sa.BigInteger(), nullable=False),
        sa.Column("rows_failed", sa.BigInteger(), nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.Column("estimate", sa.BigInteger(), nullable=False),
        sa.Column("detail_count", sa.BigInteger(), nullable=False),
        sa.Column("details_left_out", sa.BigInteger(), nullable=False),
        sa.Column("cursor", _Text, nullable=False),
        sa.Column("batch_number", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("worker", _Text, nullable=False),
        sa.Column("parent_id", _Text),
        sa.Column("current_batch", sa.BigInteger()),
        sa.Column("total_batches", sa.BigInteger()),
        sa.Column("retry_of", _Text),
        sa.Column("payload_kind", _Text, nullable=False),
        sa.Column("payload_state", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "request_id", name="sync_request_pkey"),
        sa.UniqueConstraint("account_id", "idempotency_key", name="sync_request_account_id_idempotency_key_key"),
        sa.UniqueConstraint(
            "account_id", "parent_id", "current_batch", name="sync_request_account_id_parent_id_current_batch_key"
        ),
    )
    op.create_index(
        "sync_request_created_at_idx", "sync_request", ["account_id", sa.column("created_at").desc(), "request_id"]
    )
    op.create_index(
        "sync_request_enrollment_idx",
        "sync_request",
        ["account_id", "enrollment_id", "created_at", "request_id"],
        postgresql_where=sa.text("enrollment_id IS NOT NULL"),
        sqlite_where=sa.text("enrollment_id IS NOT NULL"),
    )
    op.create_index("sync_request_ended_idx", "sync_request", ["account_id", "modified_at"], **_HAS_ENDED)
    op.create_index("sync_request_payload_idx", "sync_request", ["account_id", "status", "modified_at"], **_HAS_PAYLOAD)
    op.create_index(
        "sync_request_active_idx", "sync_request", ["account_id", "enrollment_id"], unique=True, **_IN_PROGRESS
    )
    op.create_index("sync_request_due_idx", "sync_request", ["status", "due_at"])
    op.create_index("sync_request_lease_idx", "sync_request", ["status", "lease_until"], **_IN_PROGRESS)


def _create_results() -> None:
    op.create_table(
        "sync_request_count",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("request_id", _Text, nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("inserted", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "request_id", "object_type", name="sync_request_count_pkey"),
    )
    op.create_table(
        "sync_request_detail",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("request_id", _Text, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("severity", _Text, nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("source_key", _Text, nullable=False),
        sa.Column("field", _Text, nullable=False),
        sa.Column("reason", _Text, nullable=False),
        sa.Column("value", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "request_id", "number", name="sync_request_detail_pkey"),
    )
    op.create_table(
        "payload_chunk",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("request_id", _Text, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "request_id", "number", name="payload_chunk_pkey"),
    )
