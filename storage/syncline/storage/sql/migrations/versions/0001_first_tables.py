"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("schema_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="account_pkey"),
    )
    op.create_table(
        "account_head",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("head_revision", sa.BigInteger(), nullable=False),
        sa.Column("store_epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="account_head_pkey"),
    )
    op.create_table(
        "departure",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("record_key", _Text, nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_key", "scope", "bucket", name="departure_pkey"),
    )
    op.create_index("departure_feed_idx", "departure", ["account_id", "scope", "bucket", "revision"])
    op.create_table(
        "device",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("state", _Text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_contact", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", _Text, nullable=False),
        sa.Column("client", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", name="device_pkey"),
    )
    op.create_table(
        "device_bucket",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", "bucket", name="device_bucket_pkey"),
    )
    op.create_table(
        "device_position",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("load_id", sa.BigInteger(), nullable=False),
        sa.Column("head_at_start", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("acked_through", sa.BigInteger(), nullable=False),
        sa.Column("acked_beyond", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", "scope", "bucket", name="device_position_pkey"),
    )
    op.create_table(
        "feed",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("gc_floor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "scope", "bucket", name="feed_pkey"),
    )
    op.create_table(
        "object_type",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("name", _Text, nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("document", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="object_type_pkey"),
    )
    op.create_table(
        "record",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("record_key", _Text, nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("entered_revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("frame", sa.LargeBinary()),
        sa.Column("data_hash", sa.LargeBinary(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_key", name="record_pkey"),
    )
    op.create_index("record_feed_idx", "record", ["account_id", "scope", "bucket", "revision"])
    op.create_index(
        "record_tombstone_idx",
        "record",
        ["account_id", "scope", "bucket", "revision"],
        postgresql_where=sa.text("deleted"),
        sqlite_where=sa.text("deleted = 1"),
    )
    op.create_table(
        "rejection",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("record_key", _Text, nullable=False),
        sa.Column("scope", _Text, nullable=False),
        sa.Column("bucket", _Text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("reason", _Text, nullable=False),
        sa.Column("refusals", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.Boolean(), nullable=False),
        sa.Column("session_id", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", "object_type", "record_key", name="rejection_pkey"),
    )
    op.create_table(
        "session",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("session_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("store_epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expire_at", sa.BigInteger(), nullable=False),
        sa.Column("feeds", sa.LargeBinary(), nullable=False),
        sa.Column("skip_acked", sa.Boolean(), nullable=False),
        sa.Column("total_count", sa.BigInteger(), nullable=False),
        sa.Column("total_is_estimate", sa.Boolean(), nullable=False),
        sa.Column("fetched_pages", sa.BigInteger(), nullable=False),
        sa.Column("fetched_cursors", sa.LargeBinary(), nullable=False),
        sa.Column("redelivered_type", _Text),
        sa.Column("redelivered_key", _Text),
        sa.PrimaryKeyConstraint("account_id", "session_id", name="session_pkey"),
    )
    op.create_index("session_expire_at_idx", "session", ["account_id", "expire_at"])
