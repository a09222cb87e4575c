"""Where records and sync requests come from: the trace context of what wrote them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("record", sa.Column("trace_context", _Text))
    op.add_column("sync_request", sa.Column("trace_context", _Text))
