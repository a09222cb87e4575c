"""Uploading: receipts, conflicts, and who wrote a record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_OF_DEVICE = {"upload_stream_id": "0", "next_change_seq": "1", "settled_through": "0"}
"""New columns of `device`, and what they are for the devices that there are."""


def upgrade() -> None:
    # Without a value for the rows that there are: nothing is written, however many they be.
    op.add_column("record", sa.Column("created_by", sa.LargeBinary()))
    op.add_column("record", sa.Column("written_by", sa.Uuid()))
    with op.batch_alter_table("device") as device:
        for name, value in _OF_DEVICE.items():
            device.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default=value))
    with op.batch_alter_table("device") as device:
        for name in _OF_DEVICE:
            device.alter_column(name, server_default=None)
    op.create_table(
        "upload_receipt",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.Column("change_uuid", sa.Uuid(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.Column("verdict", _Text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("refusal", _Text),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", "change_seq", name="upload_receipt_pkey"),
        sa.UniqueConstraint(
            "account_id", "change_uuid", "device_uuid", name="upload_receipt_account_id_change_uuid_device_uuid_key"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conflict",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("conflict_id", sa.BigInteger(), nullable=False),
        sa.Column("object_type", _Text, nullable=False),
        sa.Column("record_key", _Text, nullable=False),
        sa.Column("bucket", _Text),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("change_uuid", sa.Uuid(), nullable=False),
        sa.Column("operation", _Text, nullable=False),
        sa.Column("verdict", _Text, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("policy", _Text, nullable=False),
        sa.Column("fields", _Text, nullable=False),
        sa.Column("device_data", sa.LargeBinary()),
        sa.Column("server_data", sa.LargeBinary()),
        sa.Column("result_data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("account_id", "conflict_id", name="conflict_pkey"),
        quote=False,
    )
    op.create_index("conflict_device_idx", "conflict", ["account_id", "device_uuid", "conflict_id"])
    op.create_index("conflict_change_idx", "conflict", ["account_id", "change_uuid"])
