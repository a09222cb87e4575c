"""What a server remembers is kept apart by account (G9)."""

from __future__ import annotations

from uuid import UUID

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.sync.live_windows import LiveWindows
from syncline.server.sync.paging import Page, PageEnd
from syncline.server.sync.window import AckWindow
from syncline.server.upload.type_rules import SCHEMAS_KEPT_MAX, RulesCache
from syncline.storage.models import Feed
from syncline.v1 import queue_pb2
from tests.harness.callers import caller

DEVICE_UUID = UUID(int=1)


def schema(name: str) -> Schema:
    return Schema(version=1, object_types=(ObjectType(name, "main", (Field("text", FieldType.STRING),)),))


def test_g9_rules_are_those_of_the_accounts_schema_whatever_its_version() -> None:
    cache = RulesCache()
    for name, other in (("mine", "theirs"), ("theirs", "mine"), ("mine", "theirs")):
        for account_id in ("one", name):
            rules = cache.rules(caller(account_id), schema(name))
            assert rules.of(name) is not None
            assert rules.of(other) is None


def test_rules_are_kept_for_accounts_that_come_in_turns_and_for_what_their_callers_see() -> None:
    cache = RulesCache()
    callers = [caller("a"), caller("b"), caller("a", buckets={"main": frozenset("x"), "other": frozenset()})]
    kept = [cache.rules(each, schema(each.account_id)) for each in callers]
    assert len({id(rules) for rules in kept}) == 3
    assert [cache.rules(each, schema(each.account_id)) for each in callers] == kept
    assert cache.rules(caller("a", buckets={"main": frozenset("y")}), schema("a")) is kept[2]


def test_rules_of_accounts_that_come_seldom_are_forgotten() -> None:
    cache = RulesCache()
    kept = cache.rules(caller("often"), schema("note"))
    for number in range(2 * SCHEMAS_KEPT_MAX):
        seldom = cache.rules(caller(f"seldom {number}"), schema("note"))
        assert cache.rules(caller("often"), schema("note")) is kept
    assert len(cache._rules) == SCHEMAS_KEPT_MAX
    assert cache.rules(caller(f"seldom {number}"), schema("note")) is seldom


def test_g9_windows_of_two_accounts_with_one_device_uuid_are_two() -> None:
    windows = LiveWindows()
    feed = Feed("main", "")
    for account_id, epoch in (("a", 1), ("b", 2)):
        window = AckWindow(1)
        window.add(Page(queue_pb2.QueuePage(), (PageEnd(feed, epoch, 7),)))
        windows.open(account_id, DEVICE_UUID, window)
    assert windows.on_their_way("a", DEVICE_UUID) == {1: 7}
    assert windows.on_their_way("b", DEVICE_UUID) == {2: 7}
