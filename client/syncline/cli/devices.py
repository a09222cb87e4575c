"""`syncline devices`: the devices of the account, for those who operate it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.options import JsonLinesOption, ServerOption
from syncline.cli.output import local_datetime, print_json_line, print_line, print_table, right
from syncline.client import ConnectionOptions, DeviceClient, DeviceInfo, DeviceState

DeviceArgument = Annotated[
    UUID,
    typer.Argument(metavar="DEVICE", help="Its UUID: `syncline devices list` shows them.", show_default=False),
]
UploadFirstOption = Annotated[
    bool | None,
    typer.Option(
        "--upload-first/--give-up-unsent",
        help="Whether the device sends what it has not sent before, or gives it up. One of them must be said.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(name="devices", help="See and manage the devices of the account.", no_args_is_help=True)
    group.command("list")(list_devices)
    group.command("show")(show)
    group.command("disable")(disable)
    group.command("enable")(enable)
    group.command("forget")(forget)
    group.command("wipe")(wipe)
    group.command("restore")(restore)
    app.add_typer(group)


@with_connection
def list_devices(server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions) -> None:
    """List the devices: how far each is behind, and what it refused."""
    with DeviceClient(server, **connection) as client:
        if as_json:
            for device in client.list():
                print_json_line(device)
            return
        listed = list(client.list())
    if not listed:
        print_line("no devices")
        return
    print_table(
        ("device", "state", "principal", "client", "last contact", right("lag"), right("refused"), right("parked")),
        (
            (
                each.device_uuid,
                each.state.value,
                each.principal,
                each.client,
                local_datetime(each.last_contact_at),
                f"{each.lag:,}",
                f"{each.refused_items:,}",
                f"{each.parked_items:,}",
            )
            for each in listed
        ),
    )


@with_connection
def show(
    device: DeviceArgument, server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions
) -> None:
    """Show one device, and the items that it refused."""
    with DeviceClient(server, **connection) as client:
        found = client.get(device)
        items = client.refused_items(device)
    if as_json:
        print_json_line(found)
        for item in items:
            print_json_line(item)
        return
    _print(found)
    if items:
        print_table(
            ("object type", "key", right("revision"), right("times"), "parked", "reason"),
            (
                (each.object_type, each.key, each.revision, each.count, "parked" if each.parked else "", each.reason)
                for each in items
            ),
        )


@with_connection
def disable(
    device: DeviceArgument, server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions
) -> None:
    """Refuse all calls of a device until it is enabled. It loses nothing."""
    with DeviceClient(server, **connection) as client:
        _tell(client.disable(device), as_json=as_json)


@with_connection
def enable(
    device: DeviceArgument, server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions
) -> None:
    """Let a device go on where it stood. Takes back a wipe that it has not obeyed."""
    with DeviceClient(server, **connection) as client:
        _tell(client.enable(device), as_json=as_json)


@with_connection
def forget(device: DeviceArgument, server: ServerOption, *, connection: ConnectionOptions) -> None:
    """Remove all that the server knows of a device. If it comes back, it is a new one."""
    with DeviceClient(server, **connection) as client:
        client.forget(device)
    print_line(f"{device} is forgotten")


@with_connection
def wipe(
    device: DeviceArgument,
    server: ServerOption,
    upload_first: UploadFirstOption = None,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Tell a device, when it calls next, to remove its copy."""
    if upload_first is None:
        raise typer.BadParameter("say --upload-first or --give-up-unsent")
    with DeviceClient(server, **connection) as client:
        _tell(client.wipe(device, upload_first=upload_first), as_json=as_json)


@with_connection
def restore(
    device: DeviceArgument,
    server: ServerOption,
    object_type: Annotated[str | None, typer.Argument(metavar="TYPE", help="Of one item.")] = None,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Of one item.")] = None,
    *,
    connection: ConnectionOptions,
) -> None:
    """Have items that were parked sent to a device again: all of them, or one."""
    if (object_type is None) != (key is None):
        raise typer.BadParameter("TYPE and KEY go together")
    item = None if object_type is None or key is None else (object_type, key)
    with DeviceClient(server, **connection) as client:
        restored = client.restore(device, item)
    print_line(f"{restored:,} items are sent again with the device's next session")


def _tell(device: DeviceInfo, *, as_json: bool) -> None:
    if as_json:
        print_json_line(device)
    else:
        print_line(f"{device.device_uuid} is {device.state.value}")


def _print(device: DeviceInfo) -> None:
    state = device.state.value
    if device.state is DeviceState.WIPING:
        state += ", after it has sent its changes" if device.upload_first else ", and gives up unsent changes"
    facts = {
        "device": str(device.device_uuid),
        "state": state,
        "principal": device.principal,
        "client": device.client,
        "first seen": local_datetime(device.created_at),
        "last seen": local_datetime(device.last_contact_at),
        "lag": f"{device.lag:,} revisions",
        "holes": f"{device.holes:,}" if device.holes else "",
        "refused": f"{device.refused_items:,} items, and {device.parked_items:,} are parked",
        "changes": f"the next has number {device.next_change_seq:,}; settled up to {device.settled_through:,}",
    }
    for name, fact in facts.items():
        if fact:
            print_line(f"{name:<12}{fact}")
