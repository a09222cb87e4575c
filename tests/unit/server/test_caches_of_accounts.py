"""What a server remembers is kept apart by account (G9)."""

from __future__ import annotations

from uuid import UUID

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.sync.live_windows import LiveWindows
from syncline.server.sync.paging import Page, PageEnd
from syncline.server.sync.window import AckWindow
from syncline.server.upload.type_rules import RulesCache
from syncline.storage.models import Feed
from syncline.v1 import queue_pb2

DEVICE_UUID = UUID(int=1)


def schema(name: str) -> Schema:
    return Schema(version=1, object_types=(ObjectType(name, "main", (Field("text", FieldType.STRING),)),))


def test_g9_rules_are_those_of_the_accounts_schema_whatever_its_version() -> None:
    cache = RulesCache()
    for name, other in (("mine", "theirs"), ("theirs", "mine"), ("mine", "theirs")):
        rules = cache.rules(schema(name))
        assert rules.of(name) is not None
        assert rules.of(other) is None


def test_g9_windows_of_two_accounts_with_one_device_uuid_are_two() -> None:
    windows = LiveWindows()
    feed = Feed("main", "")
    for account_id, epoch in (("a", 1), ("b", 2)):
        window = AckWindow(1)
        window.add(Page(queue_pb2.QueuePage(), (PageEnd(feed, epoch, 7),)))
        windows.open(account_id, DEVICE_UUID, window)
    assert windows.on_their_way("a", DEVICE_UUID) == {1: 7}
    assert windows.on_their_way("b", DEVICE_UUID) == {2: 7}
