"""API keys: what services prove themselves with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("prefix", _Text, nullable=False),
        sa.Column("name", _Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("permissions", _Text, nullable=False),
        sa.Column("buckets", _Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "prefix", name="api_key_pkey"),
    )
    op.create_index("api_key_prefix_idx", "api_key", ["prefix"], unique=True)
