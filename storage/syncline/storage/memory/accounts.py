"""Accounts and their schemas in the model."""

from __future__ import annotations

from dataclasses import replace

from syncline.data.schema import Schema
from syncline.storage.audit_models import Act
from syncline.storage.errors import SchemaChanged
from syncline.storage.identity import random_id
from syncline.storage.limits import check_act, check_text
from syncline.storage.memory.collection import expire_device
from syncline.storage.memory.records import put_record
from syncline.storage.memory.state import AccountState, MemoryState
from syncline.storage.models import Head


class MemoryAccounts(MemoryState):
    """`AccountStore` and `SchemaStore`."""

    def create_account(self, account_id: str, *, act: Act | None = None) -> Head:
        """See `AccountStore.create_account`."""
        check_text("account_id", account_id)
        check_act(act)
        with self._lock:
            if account_id not in self._accounts:
                account = self._accounts[account_id] = AccountState(head=Head(revision=0, store_epoch=random_id()))
                account.note_act(act)
            return self._accounts[account_id].head

    def list_accounts(self, *, limit: int | None = None) -> list[str]:
        """See `AccountStore.list_accounts`."""
        with self._lock:
            return sorted(self._accounts)[:limit]

    def get_head(self, account_id: str) -> Head:
        """See `AccountStore.get_head`."""
        with self._transaction(account_id) as account:
            return account.head

    def renew_store_epoch(self, account_id: str, *, act: Act | None = None) -> Head:
        """See `AccountStore.renew_store_epoch`."""
        check_act(act)
        with self._transaction(account_id) as account:
            account.head = replace(account.head, store_epoch=random_id())
            for device in account.devices.values():
                expire_device(device)
            account.note_act(act)
            return account.head

    def read_schema(self, account_id: str) -> Schema:
        """See `SchemaStore.read_schema`."""
        with self._transaction(account_id) as account:
            return account.schema

    def write_schema(self, account_id: str, schema: Schema, *, expected_version: int, act: Act | None = None) -> Schema:
        """See `SchemaStore.write_schema`."""
        check_act(act)
        for kind in schema.object_types:
            check_text("object_type", kind.name)
            check_text("scope", kind.scope)
        with self._transaction(account_id) as account:
            if account.schema.version != expected_version:
                raise SchemaChanged(f"the schema in force is version {account.schema.version}, not {expected_version}")
            account.schema = replace(schema, version=expected_version + 1)
            account.note_act(act)
            scopes = {kind.name: kind.scope for kind in schema.object_types}
            for record in sorted(account.records.values(), key=lambda record: record.revision):
                scope = scopes.get(record.object_type, record.scope)
                if scope != record.scope:
                    revision = account.next_revision()
                    put_record(account, replace(record, scope=scope, revision=revision, entered_revision=revision))
            return account.schema
