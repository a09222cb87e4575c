"""Who a device belongs to and what was decided about it, and the log of administrative acts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _of_device() -> list[sa.Column[Any]]:
    """New columns of `device`, with what they are for the devices that there are."""
    return [
        sa.Column("principal", _Text, nullable=False, server_default=sa.text("''")),
        sa.Column("access", _Text, nullable=False, server_default=sa.text("'enabled'")),
        sa.Column("upload_first", sa.Boolean(), nullable=False, server_default=sa.false()),
    ]


def upgrade() -> None:
    with op.batch_alter_table("device") as device:
        for column in _of_device():
            device.add_column(column)
    with op.batch_alter_table("device") as device:
        for column in _of_device():
            device.alter_column(column.name, server_default=None)
    op.create_table(
        "audit_entry",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("principal", _Text, nullable=False),
        sa.Column("credential", _Text, nullable=False),
        sa.Column("action", _Text, nullable=False),
        sa.Column("subject", _Text, nullable=False),
        sa.Column("outcome", _Text, nullable=False),
        sa.Column("details", _Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "happened_at", "entry_id", name="audit_entry_pkey"),
    )
