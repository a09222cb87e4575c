"""Receipts: as many in a row as a message left."""

from __future__ import annotations

import json
from struct import Struct
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_IS_PACK: dict[str, Any] = {
    "postgresql_where": sa.text("first_seq < last_seq"),
    "sqlite_where": sa.text("first_seq < last_seq"),
}
_RECEIPT = Struct(">Q16s16sQB")
_VERDICTS = ("applied", "merged", "server_won", "rejected")
_ROWS = 1_000
"""Rows that are taken over at a time."""
_OLD_TABLE = "upload_receipt_each"
_OLD = sa.table(
    _OLD_TABLE,
    sa.column("account_id", _Text),
    sa.column("device_uuid", sa.Uuid()),
    sa.column("change_seq", sa.BigInteger()),
    sa.column("change_uuid", sa.Uuid()),
    sa.column("payload_hash", sa.LargeBinary()),
    sa.column("verdict", _Text),
    sa.column("revision", sa.BigInteger()),
    sa.column("refusal", _Text),
    sa.column("decided_at", sa.BigInteger()),
)


def upgrade() -> None:
    op.rename_table("upload_receipt", _OLD_TABLE)
    if op.get_bind().dialect.name == "postgresql":
        # The name is wanted again, and there it is one of the whole schema.
        op.execute(f"ALTER INDEX upload_receipt_pkey RENAME TO {_OLD_TABLE}_pkey")
    new = op.create_table(
        "upload_receipt",
        sa.Column("account_id", _Text, nullable=False),
        sa.Column("device_uuid", sa.Uuid(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("first_uuid", sa.Uuid(), nullable=False),
        sa.Column("last_uuid", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("refusals", _Text),
        sa.Column("receipts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_uuid", "last_seq", name="upload_receipt_pkey"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # UUIDs and hashes do not compress: trying took as long as all else about the row.
        op.execute("ALTER TABLE upload_receipt ALTER COLUMN receipts SET STORAGE EXTERNAL")
    op.create_index("upload_receipt_uuid_idx", "upload_receipt", ["account_id", "last_uuid", "device_uuid"])
    op.create_index("upload_receipt_pack_idx", "upload_receipt", ["account_id", "device_uuid", "last_uuid"], **_IS_PACK)
    _take_over(new)
    op.drop_table(_OLD_TABLE)


def _take_over(new: sa.Table) -> None:
    """Each receipt that there is becomes a row of its own."""
    connection, old = op.get_bind(), _OLD
    place = sa.tuple_(old.c.account_id, old.c.device_uuid, old.c.change_seq)
    query = sa.select(old).order_by(old.c.account_id, old.c.device_uuid, old.c.change_seq).limit(_ROWS)
    rows = connection.execute(query).all()
    while rows:
        connection.execute(sa.insert(new), [_packed(row) for row in rows])
        last = rows[-1]
        rows = connection.execute(query.where(place > (last.account_id, last.device_uuid, last.change_seq))).all()


def _packed(row: Any) -> dict[str, Any]:
    refusals = None if row.refusal is None else json.dumps({row.change_seq: json.loads(row.refusal)})
    verdict = _VERDICTS.index(row.verdict)
    return {
        "account_id": row.account_id,
        "device_uuid": row.device_uuid,
        "last_seq": row.change_seq,
        "first_seq": row.change_seq,
        "first_uuid": row.change_uuid,
        "last_uuid": row.change_uuid,
        "decided_at": row.decided_at,
        "refusals": refusals,
        "receipts": _RECEIPT.pack(row.change_seq, row.change_uuid.bytes, row.payload_hash, row.revision, verdict),
    }
