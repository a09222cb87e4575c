"""API keys."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest

from syncline.storage.api_key_models import USE_INTERVAL_US, ApiKey
from syncline.storage.conformance.tenant import NOW, Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import AccountNotFound, ApiKeyNotFound, ApiKeyTaken, InvalidValue


def api_key(name: str = "service", prefix: str | None = None) -> ApiKey:
    """A key that no other test has."""
    return ApiKey(
        prefix=prefix or uuid4().hex[:12],
        name=name,
        secret_hash=b"\x00\xff" * 16,
        permissions=frozenset({"sync", "sync.write"}),
        buckets=None,
        created_at=NOW,
    )


class ApiKeyConformance:
    """`ApiKeyStore`."""

    @pytest.mark.parametrize(
        "buckets",
        [None, {}, {"notes": frozenset()}, {"notes": frozenset({"", "ä"}), "media": frozenset({"b"})}],
        ids=["all", "no scope", "no bucket", "some"],
    )
    def test_a_key_is_kept_as_it_was_given(self, tenant: Tenant, buckets: dict[str, frozenset[str]] | None) -> None:
        key = replace(api_key(), buckets=buckets, last_used_at=1, expires_at=2**53 + 1, revoked_at=3)
        tenant.store.create_api_key(tenant.account_id, key)
        assert tenant.store.find_api_key(key.prefix) == (tenant.account_id, key)
        assert tenant.store.list_api_keys(tenant.account_id) == [key]

    def test_a_key_without_permissions_has_none(self, tenant: Tenant) -> None:
        key = replace(api_key(), permissions=frozenset())
        tenant.store.create_api_key(tenant.account_id, key)
        assert tenant.store.list_api_keys(tenant.account_id) == [key]

    def test_keys_are_listed_by_name_and_prefix(self, tenant: Tenant) -> None:
        suffix = uuid4().hex[:8]
        names = [("b", "1"), ("ä", "2"), ("a", "4"), ("a", "3"), ("B", "5")]
        for name, prefix in names:
            tenant.store.create_api_key(tenant.account_id, api_key(name, prefix + suffix))
        listed = [(key.name, key.prefix) for key in tenant.store.list_api_keys(tenant.account_id)]
        assert listed == sorted((name, prefix + suffix) for name, prefix in names)

    def test_a_prefix_is_given_once_in_all_accounts(self, store: Store) -> None:
        one, other = Tenant(store), Tenant(store)
        key = api_key()
        store.create_api_key(one.account_id, key)
        for tenant in (one, other):
            with pytest.raises(ApiKeyTaken):
                store.create_api_key(tenant.account_id, replace(key, name="another"))
        assert store.find_api_key(key.prefix) == (one.account_id, key)
        assert store.list_api_keys(other.account_id) == []

    def test_one_of_many_gets_the_prefix(self, tenant: Tenant) -> None:
        keys = [replace(api_key(prefix=uuid4().hex[:12]), name=str(number)) for number in range(6)]
        keys = [replace(key, prefix=keys[0].prefix) for key in keys]

        def create(key: ApiKey) -> ApiKey | None:
            try:
                tenant.store.create_api_key(tenant.account_id, key)
            except ApiKeyTaken:
                return None
            return key

        (kept,) = filter(None, together(*(partial(create, key) for key in keys)))
        assert tenant.store.list_api_keys(tenant.account_id) == [kept]

    def test_a_key_is_revoked_once_and_for_good(self, tenant: Tenant) -> None:
        key, other = api_key(), api_key()
        for each in (key, other):
            tenant.store.create_api_key(tenant.account_id, each)
        revoked = replace(key, revoked_at=NOW + 1)
        assert tenant.store.revoke_api_key(tenant.account_id, key.prefix, now=NOW + 1) == revoked
        assert tenant.store.revoke_api_key(tenant.account_id, key.prefix, now=NOW + 2) == revoked
        assert tenant.store.find_api_key(key.prefix) == (tenant.account_id, revoked)
        assert tenant.store.find_api_key(other.prefix) == (tenant.account_id, other)

    def test_the_last_use_is_kept_to_within_an_hour(self, tenant: Tenant) -> None:
        key = api_key()
        tenant.store.create_api_key(tenant.account_id, key)
        later = NOW + USE_INTERVAL_US + 1
        for now, kept in ((NOW, NOW), (NOW + USE_INTERVAL_US, NOW), (later, later), (NOW, later)):
            tenant.store.note_api_key_use(tenant.account_id, key.prefix, now=now)
            assert tenant.store.find_api_key(key.prefix) == (tenant.account_id, replace(key, last_used_at=kept))
        tenant.store.note_api_key_use(tenant.account_id, "none", now=NOW)

    def test_g9_keys_are_not_found_from_outside(self, store: Store) -> None:
        mine, other = Tenant(store), Tenant(store)
        key = api_key()
        store.create_api_key(mine.account_id, key)
        for prefix in (key.prefix, "absent"):
            with pytest.raises(ApiKeyNotFound):
                store.revoke_api_key(other.account_id, prefix, now=NOW)
        store.note_api_key_use(other.account_id, key.prefix, now=NOW)
        assert store.find_api_key(key.prefix) == (mine.account_id, key)

    def test_prefixes_compare_by_code_point(self, tenant: Tenant) -> None:
        prefix = f"a{uuid4().hex[:11]}"
        tenant.store.create_api_key(tenant.account_id, api_key(prefix=prefix))
        for near in (prefix.upper(), f"{prefix} ", prefix[:-1], f"{prefix[:-1]}_", f"{prefix[:-1]}%", ""):
            assert tenant.store.find_api_key(near) is None

    @pytest.mark.parametrize(
        "changes",
        [{"name": "a\x00"}, {"prefix": "\ud800"}, {"permissions": frozenset({"\x00"})}, {"buckets": {"\x00": set()}}],
        ids=["name", "prefix", "permissions", "buckets"],
    )
    def test_a_key_with_a_text_that_cannot_be_kept_is_refused(self, tenant: Tenant, changes: dict[str, object]) -> None:
        with pytest.raises(InvalidValue):
            tenant.store.create_api_key(tenant.account_id, replace(api_key(), **changes))  # type: ignore[arg-type]
        with pytest.raises(InvalidValue):
            tenant.store.find_api_key("\x00")

    def test_an_account_that_is_not_there_has_no_keys(self, store: Store) -> None:
        account_id, key = uuid4().hex, api_key()
        for call in (
            lambda: store.create_api_key(account_id, key),
            lambda: store.list_api_keys(account_id),
            lambda: store.revoke_api_key(account_id, key.prefix, now=NOW),
            lambda: store.note_api_key_use(account_id, key.prefix, now=NOW),
        ):
            with pytest.raises(AccountNotFound):
                call()
        assert store.find_api_key(key.prefix) is None
