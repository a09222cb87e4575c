"""Secrets that servers share."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.contract import Store
from syncline.storage.models import ServerSecret


class ServerSecretConformance:
    """`ServerSecretStore`."""

    @pytest.fixture
    def purpose(self) -> str:
        """A purpose of the test's own."""
        return uuid4().hex

    def test_secrets_are_listed_by_number(self, store: Store, purpose: str) -> None:
        assert store.list_server_secrets(purpose) == []
        assert store.add_server_secret(purpose, 10, b"ten", now=7)
        assert store.add_server_secret(purpose, 2, b"\0two", now=8)
        assert store.add_server_secret(uuid4().hex, 3, b"other", now=8)
        assert store.list_server_secrets(purpose) == [ServerSecret(2, b"\0two", 8), ServerSecret(10, b"ten", 7)]

    def test_of_two_secrets_under_one_number_the_first_is_kept(self, store: Store, purpose: str) -> None:
        assert store.add_server_secret(purpose, 1, b"first", now=7)
        assert not store.add_server_secret(purpose, 1, b"second", now=8)
        assert store.list_server_secrets(purpose) == [ServerSecret(1, b"first", 7)]

    def test_all_but_the_newest_secret_can_be_removed(self, store: Store, purpose: str) -> None:
        store.add_server_secret(purpose, 1, b"first", now=7)
        store.add_server_secret(purpose, 2, b"second", now=8)
        assert not store.remove_server_secret(purpose, 2)
        assert not store.remove_server_secret(uuid4().hex, 1)
        assert store.remove_server_secret(purpose, 1)
        assert not store.remove_server_secret(purpose, 1)
        assert [secret.number for secret in store.list_server_secrets(purpose)] == [2]
