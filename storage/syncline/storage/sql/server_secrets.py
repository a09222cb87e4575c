"""Secrets that servers share."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, select

from syncline.storage.limits import check_text
from syncline.storage.models import ServerSecret
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import server_secret

_OF_PURPOSE = server_secret.c.purpose == bindparam("of_purpose")
_LIST = select(server_secret).where(_OF_PURPOSE).order_by(server_secret.c.number)
_NEWEST = select(func.max(server_secret.c.number)).where(_OF_PURPOSE)
_REMOVE = delete(server_secret).where(
    _OF_PURPOSE,
    server_secret.c.number == bindparam("of_number"),
    server_secret.c.number < _NEWEST.scalar_subquery(),
)


class SqlServerSecrets(SqlBase):
    """`ServerSecretStore`."""

    def list_server_secrets(self, purpose: str) -> list[ServerSecret]:
        """See `ServerSecretStore.list_server_secrets`."""
        check_text("purpose", purpose)

        def work(connection: Connection) -> list[ServerSecret]:
            rows = connection.execute(_LIST, {"of_purpose": purpose})
            return [ServerSecret(row.number, row.secret, row.created_at) for row in rows]

        return self._database.read(work)

    def add_server_secret(self, purpose: str, number: int, secret: bytes, *, now: int) -> bool:
        """See `ServerSecretStore.add_server_secret`."""
        check_text("purpose", purpose)
        row = {"purpose": purpose, "number": number, "secret": secret, "created_at": now}
        return self._database.write(lambda connection: self._database.insert_if_new(connection, server_secret, row))

    def remove_server_secret(self, purpose: str, number: int) -> bool:
        """See `ServerSecretStore.remove_server_secret`."""
        check_text("purpose", purpose)
        values = {"of_purpose": purpose, "of_number": number}
        return self._database.write(lambda connection: connection.execute(_REMOVE, values).rowcount > 0)
