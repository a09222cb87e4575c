"""Sessions: nothing new, ends, streams, fetching page by page."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.conformance.tenant import HOUR, MEDIA, NOTES, NOW, SECOND, Tenant, numbered, record
from syncline.storage.errors import (
    DeviceNotFound,
    FetchRaced,
    ScopeNotFound,
    SessionExpired,
    SessionNotFound,
    StreamSuperseded,
)
from syncline.storage.models import Feed, FetchProgress


class SessionConformance:
    """`open_queue`, `get_session`, `advance_fetch`, `open_stream`."""

    def test_an_empty_account_has_nothing_new(self, tenant: Tenant) -> None:
        opened = tenant.open(tenant.register())
        assert opened.session is None
        assert opened.head == tenant.store.get_head(tenant.account_id)
        assert {entry.position.feed for entry in opened.feeds} == {Feed(NOTES, ""), Feed(MEDIA, "")}

    def test_nothing_new_after_a_checkpoint(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device = tenant.device()
        device.sync()
        assert device.start().session is None
        tenant.put("new")
        assert device.start().session is not None

    def test_nothing_new_for_a_device_that_acknowledged_all(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device = tenant.device(tells_positions=False)
        device.sync()
        assert device.start().session is None

    def test_what_happens_elsewhere_is_nothing_new(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.sync(scopes=(NOTES,))
        tenant.write(record("p", object_type="photo"), record("n", bucket="north"))
        assert device.start(scopes=(NOTES,)).session is None

    def test_a_session_on_request(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        assert tenant.open(device_uuid, always=True).session is not None
        assert tenant.open(device_uuid, full_resync=True).session is not None

    def test_a_feed_that_is_no_longer_served_is_something_new(self, tenant: Tenant) -> None:
        tenant.put("a", bucket="north")
        device = tenant.device("", "north")
        device.sync()
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        assert device.start().session is not None
        assert device.read().complete
        assert device.start().session is None

    def test_the_count_is_of_items(self, tenant: Tenant) -> None:
        tenant.write(*numbered(7), record("p", object_type="photo"))
        device = tenant.device()
        session = device.start().session
        assert session is not None
        assert (session.total_count, session.total_is_estimate) == (8, False)

    def test_a_session_is_found_again(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register("", "north")
        session = tenant.session(device_uuid)
        found = tenant.store.get_session(
            tenant.account_id, device_uuid, session.session_id, now=NOW, expire_at=session.expire_at
        )
        assert found == session
        assert tenant.store.get_device(tenant.account_id, device_uuid).session_id == session.session_id

    def test_use_moves_the_end_on(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        session = tenant.session(device_uuid, always=True)
        later = session.expire_at + HOUR
        moved = tenant.store.get_session(
            tenant.account_id, device_uuid, session.session_id, now=NOW + HOUR // 2, expire_at=later
        )
        assert moved.expire_at == later
        tenant.store.get_session(
            tenant.account_id, device_uuid, session.session_id, now=session.expire_at + SECOND, expire_at=later
        )

    def test_a_session_ends_by_time(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        session = tenant.session(device_uuid, always=True)
        with pytest.raises(SessionExpired):
            tenant.store.get_session(
                tenant.account_id,
                device_uuid,
                session.session_id,
                now=session.expire_at + 1,
                expire_at=session.expire_at + HOUR,
            )

    def test_g9_another_devices_session_is_not_found(self, tenant: Tenant) -> None:
        session = tenant.session(tenant.register(), always=True)
        other = tenant.register()
        for name in (session.session_id, "", "nothing", uuid4().hex):
            with pytest.raises(SessionNotFound):
                tenant.store.get_session(tenant.account_id, other, name, now=NOW, expire_at=NOW + HOUR)

    def test_a_device_that_is_not_there_has_no_session(self, tenant: Tenant) -> None:
        session = tenant.session(tenant.register(), always=True)
        this = (tenant.account_id, uuid4(), session.session_id)
        progress = FetchProgress(pages=1, cursors={}, redelivered_after=None)
        with pytest.raises(DeviceNotFound):
            tenant.store.get_session(*this, now=NOW, expire_at=NOW + HOUR)
        with pytest.raises(DeviceNotFound):
            tenant.store.advance_fetch(*this, expected_pages=0, progress=progress)

    def test_an_unknown_scope_is_an_error(self, tenant: Tenant) -> None:
        with pytest.raises(ScopeNotFound) as caught:
            tenant.open(tenant.register(), scopes=(NOTES, "nowhere"))
        assert caught.value.scope == "nowhere"

    def test_scopes_choose_the_feeds(self, tenant: Tenant) -> None:
        tenant.write(record("n"), record("p", object_type="photo"))
        device = tenant.device()
        assert [item.key for item in device.sync(scopes=(MEDIA,))] == ["p"]
        assert [item.key for item in device.sync(scopes=(NOTES,))] == ["n"]
        assert device.start().session is None

    def test_opening_is_contact(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        tenant.open(device_uuid, now=NOW + HOUR)
        device = tenant.store.get_device(tenant.account_id, device_uuid)
        assert (device.last_contact, device.client) == (NOW + HOUR, "conformance")

    def test_a_newer_stream_takes_over(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device_uuid = tenant.register()
        session = tenant.session(device_uuid)
        tenant.store.open_stream(tenant.account_id, device_uuid, stream_id=(1 << 63) - 1)
        assert not tenant.read(device_uuid, session, max_items=1, stream_id=(1 << 63) - 1).complete
        tenant.store.open_stream(tenant.account_id, device_uuid, stream_id=5)
        with pytest.raises(StreamSuperseded):
            tenant.read(device_uuid, session, stream_id=(1 << 63) - 1)
        assert tenant.read(device_uuid, session, stream_id=5).complete
        assert tenant.read(device_uuid, session, stream_id=None).complete
        assert tenant.store.get_device(tenant.account_id, device_uuid).stream_id == 5

    def test_progress_of_fetching_is_kept(self, tenant: Tenant) -> None:
        device_uuid = tenant.register("", "north")
        session = tenant.session(device_uuid, always=True)
        assert session.fetched.pages == 0
        progress = FetchProgress(
            pages=1, cursors={Feed(NOTES, ""): 7, Feed(MEDIA, "north"): 3}, redelivered_after=("note", "k")
        )
        tenant.store.advance_fetch(
            tenant.account_id, device_uuid, session.session_id, expected_pages=0, progress=progress
        )
        found = tenant.store.get_session(
            tenant.account_id, device_uuid, session.session_id, now=NOW, expire_at=session.expire_at
        )
        assert found.fetched == progress
        finished = FetchProgress(pages=2, cursors={}, redelivered_after=None)
        tenant.store.advance_fetch(
            tenant.account_id, device_uuid, session.session_id, expected_pages=1, progress=finished
        )

    def test_one_of_two_calls_gets_the_page(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        session = tenant.session(device_uuid, always=True)
        progress = FetchProgress(pages=1, cursors={}, redelivered_after=None)
        tenant.store.advance_fetch(
            tenant.account_id, device_uuid, session.session_id, expected_pages=0, progress=progress
        )
        with pytest.raises(FetchRaced):
            tenant.store.advance_fetch(
                tenant.account_id, device_uuid, session.session_id, expected_pages=0, progress=progress
            )
