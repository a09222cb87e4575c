"""`syncline conflicts`: records that two sides changed at once, and what became of them."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from enum import Enum
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.options import FileArgument, JsonOption
from syncline.cli.output import compact, local_time, print_json, print_line, print_table
from syncline.client import ConnectionOptions, SyncClient
from syncline.replica import Conflict, ReplicaReader
from syncline.v1 import schema_pb2, upload_pb2

LogOption = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="Ask this server's log, not the file.", show_default=False),
]
AllDevicesOption = Annotated[
    bool,
    typer.Option("--all-devices", help="Those of every device. Needs --server or SYNCLINE_SERVER."),
]
TypeOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only those of this object type.")]
KeyOption = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Only those of this record of the type.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")]

Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("conflicts")(conflicts)


@with_connection
def conflicts(
    file: FileArgument,
    server: LogOption = None,
    all_devices: AllDevicesOption = False,
    object_type: TypeOption = None,
    key: KeyOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Show the conflicts that this device's changes had, newest first: both versions, and what became of them.

    The file may be in use meanwhile.
    """
    if key is not None and object_type is None:
        raise typer.BadParameter("a key is one of an object type: give --type, too", param_hint="--key")
    if all_devices:
        server = server or os.environ.get("SYNCLINE_SERVER")
        if not server:
            raise typer.BadParameter("other devices' conflicts are on the server: give --server", param_hint="--server")
    reader = ReplicaReader(file)
    if server:
        with SyncClient(server, reader.facts().device_uuid, **connection) as client:
            told = client.list_conflicts(all_devices=all_devices, object_type=object_type or "", key=key)
            rows = [_from_server(conflict) for conflict in islice(told, limit)]
    else:
        kept = (
            conflict
            for conflict in reader.conflicts()
            if object_type in (None, conflict.object_type) and key in (None, conflict.key)
        )
        rows = [_from_file(conflict) for conflict in islice(kept, limit)]
    if as_json:
        print_json(rows)
    elif rows:
        _print_rows(rows)
    else:
        print_line("no conflicts")


def _from_file(conflict: Conflict) -> Row:
    row = {field.name: getattr(conflict, field.name) for field in fields(conflict)}
    return {name: value.value if isinstance(value, Enum) else value for name, value in row.items()}


def _from_server(conflict: upload_pb2.Conflict) -> Row:
    """The same, and whose change it was."""
    return {
        "change_uuid": UUID(bytes=conflict.change_uuid),
        "conflict_id": conflict.conflict_id,
        "device_uuid": conflict.device_uuid,
        "object_type": conflict.object_type,
        "key": conflict.key,
        "operation": _word(upload_pb2.Operation.Name(conflict.operation), "OPERATION_"),
        "policy": _word(schema_pb2.ConflictPolicy.Name(conflict.policy), "CONFLICT_POLICY_"),
        "verdict": _word(upload_pb2.Verdict.Name(conflict.verdict), "VERDICT_"),
        "fields": list(conflict.fields),
        "device_data": json.loads(conflict.device_data) if conflict.HasField("device_data") else None,
        "server_data": json.loads(conflict.server_data) if conflict.HasField("server_data") else None,
        "result_data": json.loads(conflict.result_data) if conflict.HasField("result_data") else None,
        "revision": conflict.revision,
        "decided_at_us": conflict.decide_time.ToMicroseconds(),
    }


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _print_rows(rows: list[Row]) -> None:
    devices = "device_uuid" in rows[0]
    columns = ("decided", "record", "change", "verdict", "policy", "device", "server", "result")
    print_table(
        (*columns, "changed by") if devices else columns,
        (
            (
                local_time(row["decided_at_us"]),
                f"{row['object_type']} {row['key']}",
                row["operation"],
                row["verdict"],
                row["policy"],
                *(compact(row[name]) or "deleted" for name in ("device_data", "server_data", "result_data")),
                *([row["device_uuid"]] if devices else []),
            )
            for row in rows
        ),
    )
