"""A device file with records of an airline, at a checkpoint, and the server's side of an upload by hand."""

from __future__ import annotations

from pathlib import Path

import grpc

from syncline.data.schema import DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.replica import Replica
from syncline.replica.connection import transaction
from syncline.replica.outbox import Place, last_change_no, next_batch
from syncline.replica.verdicts import store_answers
from syncline.v1 import upload_pb2
from tests.replica.building import Bench, Item, page, segment

TEXT, INTEGER = FieldType.STRING, FieldType.INTEGER

AIRLINE = ObjectType(
    "airline",
    "fleet",
    (Field("code", TEXT, required=True), Field("name", TEXT, max_length=20), Field("hub", TEXT)),
    ("code",),
)
FLIGHT = ObjectType(
    "flight",
    "fleet",
    (
        Field("airline", TEXT, required=True),
        Field("number", INTEGER, required=True),
        Field("day", FieldType.DATE, required=True),
        Field("gate", TEXT),
        Field("delay", INTEGER),
        Field("price", FieldType.DECIMAL),
        Field("full", FieldType.NUMBER),
        Field("boarding", FieldType.BOOLEAN),
        Field("notes", FieldType.JSON),
    ),
    ("airline", "number", "day"),
    (Relationship("operator", ("airline",), "airline", required=True, on_delete=DeleteRule.CASCADE),),
)
CREW = ObjectType(
    "crew",
    "fleet",
    (Field("id", INTEGER, required=True), Field("name", TEXT), Field("boss", INTEGER), Field("deputy", INTEGER)),
    ("id",),
    (Relationship("boss", ("boss",), "crew"), Relationship("deputy", ("deputy",), "crew")),
)
HOLIDAY = ObjectType("holiday", "fleet", (Field("day", FieldType.DATE, required=True), Field("name", TEXT)), ("day",))
MEMO = ObjectType("memo", "fleet", (Field("text", TEXT),))
RATE = ObjectType(
    "rate", "fleet", (Field("code", TEXT, required=True), Field("factor", INTEGER)), ("code",), read_only=True
)
TAB1 = ObjectType("extra.tab1", "extra", (Field("id", TEXT, required=True), Field("size", INTEGER)), ("id",))
NEW = ObjectType("new", "later", (Field("id", TEXT, required=True),), ("id",))
SCHEMA = Schema(7, (AIRLINE, FLIGHT, CREW, HOLIDAY, MEMO, RATE, TAB1, NEW))
"""`later` is a scope that was never synchronised."""

HEAD = 20

FLEET = (
    Item("AA", 1, {"code": "AA", "name": "American", "hub": "DFW"}, "airline"),
    Item("B6", 2, {"code": "B6", "name": "JetBlue"}, "airline"),
    Item("UA", 3, {"code": "UA", "name": "United"}, "airline"),
    Item(
        '["AA",1,"2013-01-01"]',
        4,
        {
            "airline": "AA",
            "boarding": True,
            "day": "2013-01-01",
            "delay": -3,
            "full": 0.5,
            "gate": "A1",
            "notes": {"vip": [1, None]},
            "number": 1,
            "price": "99.50",
        },
        "flight",
    ),
    Item('["AA",2,"2013-01-01"]', 5, {"airline": "AA", "day": "2013-01-01", "delay": 20, "number": 2}, "flight"),
    Item('["B6",1,"2013-01-01"]', 6, {"airline": "B6", "day": "2013-01-01", "delay": 5, "number": 1}, "flight"),
    Item("[1]", 7, {"id": 1, "name": "Ann"}, "crew"),
    Item("[2]", 8, {"boss": 1, "id": 2, "name": "Bob"}, "crew"),
    Item("[3]", 9, {"boss": 1, "deputy": 2, "id": 3, "name": "Cy"}, "crew"),
    Item('["2013-12-25"]', 10, {"day": "2013-12-25", "name": "Christmas"}, "holiday"),
    Item("m1", 11, {"text": "hello"}, "memo"),
    Item("X", 12, {"code": "X", "factor": 2}, "rate"),
)
EXTRA = (Item("t", 13, {"id": "t", "size": 1}, "extra.tab1"),)


def make_device(path: Path) -> None:
    """A new device file with these records."""
    bench = Bench(path)
    bench.use_schema(SCHEMA)
    bench.start("fleet", "extra")
    bench.apply(page(segment(*FLEET, scope="fleet"), segment(*EXTRA, scope="extra"), checkpoint=HEAD))
    bench.close()


def receive(replica: Replica, *items: Item, revision: int) -> None:
    """Have newer states of records of the fleet arrive, up to a checkpoint."""
    replica.close()
    bench = Bench(replica._file.path)
    bench.use_schema(SCHEMA)
    bench.start("fleet", "extra")
    bench.apply(page(segment(*items, scope="fleet", above=HEAD), feeds=(("fleet", ""),), checkpoint=revision))
    bench.close()


def send(replica: Replica) -> list[upload_pb2.Change]:
    """Hand what waits for upload to the network."""
    connection = replica._file.connection
    with transaction(connection):
        return next_batch(connection, Place(last_change_no(connection)), lambda _scope: True, "epoch 1")


def reject(replica: Replica, change: upload_pb2.Change, message: str) -> None:
    """Have the server refuse a change that was sent."""
    answer = upload_pb2.ChangeAnswer(change_seq=change.change_seq, verdict=upload_pb2.VERDICT_REJECTED)
    answer.status.code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
    answer.status.message = message
    with transaction(replica._file.connection):
        store_answers(replica._file.connection, SCHEMA, [answer])
