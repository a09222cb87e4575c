"""`syncline why`: where a record stands on its way to a device."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.options import JsonOption, ServerOption
from syncline.cli.output import local_datetime, print_json, print_line
from syncline.client import ConnectionOptions, Delivery, DeliveryStep, DiagnosticsClient

TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The record's object type.", show_default=False)]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The record's key.", show_default=False)]
DeviceOption = Annotated[
    UUID,
    typer.Option(
        "--device", metavar="UUID", help="The device, as `syncline status FILE` on it shows it.", show_default=False
    ),
]

_SAID: Final = {
    DeliveryStep.UNKNOWN: "the server has an answer that this program does not know; update it",
    DeliveryStep.ON_DEVICE: "the device has the record as it stands now",
    DeliveryStep.TYPE_UNKNOWN: "there is no such object type",
    DeliveryStep.NO_SUCH_DEVICE: "no such device ever made contact",
    DeliveryStep.NO_SUCH_RECORD: "there is no such record",
    DeliveryStep.IN_SYNC_REQUEST: "there is no such record yet, and a sync request may have to bring it",
    DeliveryStep.REJECTED_CHANGE: "the device's own change of the record was refused",
    DeliveryStep.DELETED: "the record was deleted",
    DeliveryStep.NOT_GRANTED: "the device is not granted the record's bucket",
    DeliveryStep.DEVICE_EXPIRED: "the device was away for too long",
    DeliveryStep.DEVICE_NOT_SEEN: "the device was not in contact since the record changed",
    DeliveryStep.NEWER_THAN_POSITION: "the device has not read so far yet",
    DeliveryStep.DELIVERED_NOT_ACKNOWLEDGED: "it was handed to the device, which has not acknowledged it",
    DeliveryStep.HOLE: "the device acknowledged what came later, and not this",
    DeliveryStep.REJECTED: "the device rejected it; it is sent again in the next session",
    DeliveryStep.PARKED: "the device rejected it too often; it is not sent again",
}
_NEXT: Final = {
    DeliveryStep.TYPE_UNKNOWN: "check the name; `syncline-server schema` shows and applies schemas",
    DeliveryStep.NO_SUCH_DEVICE: "check the UUID, and that the device syncs with this very server and account",
    DeliveryStep.NO_SUCH_RECORD: "check the key; if it is to be loaded, see `syncline requests list`",
    DeliveryStep.REJECTED_CHANGE: "on the device, mend the change and `syncline resend`, or `syncline rollback` it",
    DeliveryStep.NOT_GRANTED: "grant the device the bucket, or move the record, if it should have it",
    DeliveryStep.DEVICE_EXPIRED: "let the device sync: it loads everything anew",
    DeliveryStep.DEVICE_NOT_SEEN: "see that the device is on, has a network, and syncs",
    DeliveryStep.NEWER_THAN_POSITION: "let the device sync; if it does, see its log for errors",
    DeliveryStep.DELIVERED_NOT_ACKNOWLEDGED: "wait for the device; if nothing comes, restart it: it is sent again",
    DeliveryStep.HOLE: "start a new session on the device: what is missing is sent again",
    DeliveryStep.REJECTED: "mend what the reason says, on the device or in the record, and sync",
    DeliveryStep.PARKED: "mend what the reason says; it is sent again once the record changes",
}
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("why")(why)


@with_connection
def why(
    object_type: TypeArgument,
    key: KeyArgument,
    device: DeviceOption,
    server: ServerOption,
    as_json: JsonOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Say whether a device has a record as it stands, and if not, at which step it stands and since when."""
    with DiagnosticsClient(server, **connection) as client:
        delivery = client.explain_delivery(object_type, key, device)
    if as_json:
        print_json(delivery)
        return
    for name, text in _lines(delivery):
        print_line(f"{name:<9} {text}")


def ago(since: datetime, now: datetime) -> str:
    """How long ago it was, in its largest unit: `3 minutes ago`."""
    seconds = max((now - since) // timedelta(seconds=1), 0)
    for unit, length in _UNITS:
        if seconds >= length:
            count = seconds // length
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _lines(delivery: Delivery) -> list[tuple[str, str]]:
    """The answer, a name and a text a line."""
    step, delete_step = delivery.step, delivery.delete_step
    lines = [("step", f"{step.name}: {_SAID[step]}")]
    if delete_step is DeliveryStep.ON_DEVICE:
        lines.append(("delete", "the device knows"))
    elif delete_step is not None:
        lines.append(("delete", f"{delete_step.name}: {_SAID[delete_step]}"))
    if delivery.since is not None:
        lines.append(("since", f"{ago(delivery.since, delivery.read_at)}, {local_datetime(delivery.since)}"))
    if delivery.revision:
        through = f"the device has acknowledged all up to {delivery.acknowledged_through}"
        lines.append(("revision", f"{delivery.revision}, {'acknowledged' if delivery.acknowledged else through}"))
        lines.append(("feed", f"scope {delivery.scope!r}, bucket {delivery.bucket!r}"))
    lines += [
        (name, text)
        for name, text in (
            ("reason", delivery.reason),
            ("session", delivery.session_id),
            ("request", _request(delivery)),
            ("trace", delivery.trace_id and f"{delivery.trace_id} (`syncline trace {delivery.trace_id}`)"),
            ("next", _advice(delivery)),
        )
        if text
    ]
    return [*lines, *(("" if number else "known", fact) for number, fact in enumerate(delivery.facts))]


def _request(delivery: Delivery) -> str:
    status = delivery.sync_request_status
    return "" if status is None else f"{delivery.sync_request_id} {status.name}"


def _advice(delivery: Delivery) -> str:
    """What to do next; empty: nothing."""
    if delivery.sync_request_id:
        return f"see `syncline requests show {delivery.sync_request_id}` and `syncline requests details`"
    return _NEXT.get(delivery.delete_step or delivery.step, "")
