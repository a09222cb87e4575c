"""Accounts and their heads."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from syncline.storage.audit_models import Act
from syncline.storage.identity import random_id
from syncline.storage.limits import check_act, check_text
from syncline.storage.models import DeviceState, Head
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import account, account_head, device, device_position

_ACCOUNTS = select(account.c.account_id).order_by(account.c.account_id)
_FIRST_ACCOUNTS = _ACCOUNTS.limit(bindparam("limit"))
_RENEW_EPOCH = (
    update(account_head)
    .where(account_head.c.account_id == bindparam("of_account"))
    .values(store_epoch=bindparam("new_epoch"))
)
_EXPIRE_ALL = (
    update(device).where(device.c.account_id == bindparam("of_account")).values(state=DeviceState.EXPIRED.value)
)
CROSSING_ACCOUNTS: Final = (_ACCOUNTS, _FIRST_ACCOUNTS)
_FORGET_POSITIONS = delete(device_position).where(device_position.c.account_id == bindparam("of_account"))


class SqlAccounts(SqlBase):
    """`AccountStore`."""

    def create_account(self, account_id: str, *, act: Act | None = None) -> Head:
        """See `AccountStore.create_account`."""
        check_text("account_id", account_id)
        check_act(act)
        return self._database.write(lambda connection: self._create_account(connection, account_id, act))

    def list_accounts(self, *, limit: int | None = None) -> list[str]:
        """See `AccountStore.list_accounts`."""
        statement = _ACCOUNTS if limit is None else _FIRST_ACCOUNTS
        values = {} if limit is None else {"limit": limit}
        return self._database.read(lambda connection: list(connection.execute(statement, values).scalars()))

    def get_head(self, account_id: str) -> Head:
        """See `AccountStore.get_head`."""
        return self._database.read(lambda connection: self._head(connection, account_id))

    def renew_store_epoch(self, account_id: str, *, act: Act | None = None) -> Head:
        """See `AccountStore.renew_store_epoch`."""
        check_act(act)
        return self._database.write(lambda connection: self._renew_store_epoch(connection, account_id, act))

    def _create_account(self, connection: Connection, account_id: str, act: Act | None) -> Head:
        row = {"account_id": account_id, "schema_version": 0}
        if self._database.insert_if_new(connection, account, row):
            head = {"account_id": account_id, "head_revision": 0, "store_epoch": random_id()}
            self._database.insert_new(connection, account_head, [head])
            self._note_act(connection, account_id, act)
        return self._head(connection, account_id)

    def _renew_store_epoch(self, connection: Connection, account_id: str, act: Act | None) -> Head:
        self._take_revisions(connection, account_id, 0)
        connection.execute(_RENEW_EPOCH, {"of_account": account_id, "new_epoch": random_id()})
        connection.execute(_EXPIRE_ALL, {"of_account": account_id})
        connection.execute(_FORGET_POSITIONS, {"of_account": account_id})
        self._note_act(connection, account_id, act)
        return self._head(connection, account_id)
