"""API keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, select, update

from syncline.storage.api_key_models import USE_INTERVAL_US, ApiKey, check_api_key
from syncline.storage.audit_models import Act
from syncline.storage.errors import ApiKeyNotFound, ApiKeyTaken
from syncline.storage.limits import check_act, check_text
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import api_key

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_THIS = (api_key.c.account_id == _OF_ACCOUNT, api_key.c.prefix == bindparam("of_prefix"))
_ONE = select(api_key).where(*_THIS)
_ALL = select(api_key).where(api_key.c.account_id == _OF_ACCOUNT).order_by(api_key.c.name, api_key.c.prefix)
_FIND = select(api_key).where(api_key.c.prefix == bindparam("of_prefix"))
_REVOKE = update(api_key).where(*_THIS, api_key.c.revoked_at == 0).values(revoked_at=bindparam("now"))
_USED = (
    update(api_key).where(*_THIS, api_key.c.last_used_at < bindparam("before")).values(last_used_at=bindparam("now"))
)

CROSSING_ACCOUNTS: Final = (_FIND,)
"""The statement that looks across accounts: a key is what tells the account of its caller."""


class SqlApiKeys(SqlBase):
    """`ApiKeyStore`."""

    def create_api_key(self, account_id: str, key: ApiKey, *, act: Act | None = None) -> None:
        """See `ApiKeyStore.create_api_key`."""
        check_api_key(key)
        check_act(act)

        def work(connection: Connection) -> None:
            self._head(connection, account_id)
            if not self._database.insert_if_new(connection, api_key, {"account_id": account_id, **_row_of(key)}):
                raise ApiKeyTaken(f"there is an API key {key.prefix} already")
            self._note_act(connection, account_id, act)

        self._database.write(work)

    def list_api_keys(self, account_id: str) -> list[ApiKey]:
        """See `ApiKeyStore.list_api_keys`."""

        def work(connection: Connection) -> list[ApiKey]:
            self._head(connection, account_id)
            return [_key_of(row) for row in connection.execute(_ALL, {"of_account": account_id})]

        return self._database.read(work)

    def revoke_api_key(self, account_id: str, prefix: str, *, now: int, act: Act | None = None) -> ApiKey:
        """See `ApiKeyStore.revoke_api_key`."""
        check_text("prefix", prefix)
        check_act(act)

        def work(connection: Connection) -> ApiKey:
            self._head(connection, account_id)
            this = {"of_account": account_id, "of_prefix": prefix}
            connection.execute(_REVOKE, {**this, "now": now})
            row = connection.execute(_ONE, this).one_or_none()
            if row is None:
                raise ApiKeyNotFound(f"there is no API key {prefix!r}")
            self._note_act(connection, account_id, act)
            return _key_of(row)

        return self._database.write(work)

    def find_api_key(self, prefix: str) -> tuple[str, ApiKey] | None:
        """See `ApiKeyStore.find_api_key`."""
        check_text("prefix", prefix)

        def work(connection: Connection) -> tuple[str, ApiKey] | None:
            row = connection.execute(_FIND, {"of_prefix": prefix}).one_or_none()
            return None if row is None else (row.account_id, _key_of(row))

        return self._database.read(work)

    def note_api_key_use(self, account_id: str, prefix: str, *, now: int) -> None:
        """See `ApiKeyStore.note_api_key_use`."""
        check_text("prefix", prefix)

        def work(connection: Connection) -> None:
            self._head(connection, account_id)
            this = {"of_account": account_id, "of_prefix": prefix}
            connection.execute(_USED, {**this, "now": now, "before": now - USE_INTERVAL_US})

        self._database.write(work)


def _row_of(key: ApiKey) -> dict[str, Any]:
    """The key's row, without the account."""
    return {
        "prefix": key.prefix,
        "name": key.name,
        "secret_hash": key.secret_hash,
        "permissions": json.dumps(sorted(key.permissions)),
        "buckets": None if key.buckets is None else _buckets_text(key.buckets),
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _key_of(row: Row[Any]) -> ApiKey:
    """The key in a row of `api_key`."""
    buckets = None
    if row.buckets is not None:
        buckets = {scope: frozenset(names) for scope, names in json.loads(row.buckets).items()}
    return ApiKey(
        prefix=row.prefix,
        name=row.name,
        secret_hash=row.secret_hash,
        permissions=frozenset(json.loads(row.permissions)),
        buckets=buckets,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _buckets_text(buckets: Mapping[str, frozenset[str]]) -> str:
    return json.dumps({scope: sorted(names) for scope, names in sorted(buckets.items())})
