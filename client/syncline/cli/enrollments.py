"""`syncline enrollments`: the connected systems of the account."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.enrollment_words import fields_shown, find_enrollment, read_secrets, read_settings, run_text
from syncline.cli.interrupting import interrupts
from syncline.cli.options import JsonLinesOption, ServerOption
from syncline.cli.output import compact, local_datetime, print_json_line, print_line, print_table, right
from syncline.cli.schedule_words import (
    FullOption,
    JitterOption,
    OperationOption,
    ScheduleOption,
    ScheduleWords,
    TimeZoneOption,
    schedule_text,
)
from syncline.client import ConnectionOptions, Enrollment, EnrollmentClient

EnrollmentArgument = Annotated[
    str, typer.Argument(metavar="ENROLLMENT", help="The connected system: its name or id.", show_default=False)
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What people call it.", show_default=False)]
ConnectorOption = Annotated[
    str,
    typer.Option("--connector", metavar="NAME", help="The kind of system: see `connectors`.", show_default=False),
]
SettingsOption = Annotated[
    str | None,
    typer.Option(
        "--settings", metavar="JSON|@PATH", help="All settings: a JSON object, or a file with one. No secrets."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting, a text; NAME:=JSON any value. May be repeated."),
]
SecretFileOption = Annotated[
    list[str] | None,
    typer.Option("--secret-file", metavar="NAME=PATH", help="A secret, from a file. May be repeated."),
]
SecretEnvOption = Annotated[
    list[str] | None,
    typer.Option("--secret-env", metavar="NAME=VARIABLE", help="A secret, from the environment. May be repeated."),
]
SecretPromptOption = Annotated[
    list[str] | None,
    typer.Option("--secret-prompt", metavar="NAME", help="A secret, to be typed in. May be repeated."),
]
NoScheduleOption = Annotated[bool, typer.Option("--no-schedule", help="No requests by themselves any more.")]
DisabledOption = Annotated[bool, typer.Option("--disabled", help="No request is to run yet.")]

_DISCOVER_SECONDS = 70.0
"""The server ends a look after a minute."""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(name="enrollments", help="Connect systems that records are loaded from.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_enrollments)
    group.command("show")(show)
    group.command("update")(update)
    group.command("remove")(remove)
    group.command("discover")(discover)
    group.command("connectors")(connectors)
    app.add_typer(group)


@with_connection
def create(
    name: NameArgument,
    connector: ConnectorOption,
    server: ServerOption,
    settings: SettingsOption = None,
    assignments: SetOption = None,
    secret_files: SecretFileOption = None,
    secret_variables: SecretEnvOption = None,
    secret_prompts: SecretPromptOption = None,
    disabled: DisabledOption = False,
    schedule: ScheduleOption = None,
    time_zone: TimeZoneOption = None,
    jitter: JitterOption = None,
    operation: OperationOption = None,
    full: FullOption = None,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Connect a system. Secrets never stand on the command line, and the server never shows them."""
    read = read_settings(settings, assignments or ())
    secrets = read_secrets(secret_files or (), secret_variables or (), secret_prompts or ())
    planned = ScheduleWords(schedule, time_zone, jitter, operation, full).applied(None)
    with EnrollmentClient(server, **connection) as client:
        made = client.create(name, connector, settings=read, secrets=secrets, disabled=disabled, schedule=planned)
    _print(made, as_json=as_json)


@with_connection
def list_enrollments(server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions) -> None:
    """List the connected systems."""
    with EnrollmentClient(server, **connection) as client:
        listed = client.list()
    if as_json:
        for enrollment in listed:
            print_json_line(enrollment)
    elif listed:
        print_table(
            ("name", "enrollment", "connector", "settings", "secrets", "schedule", "next run", "last run", "disabled"),
            (
                (
                    each.name,
                    each.app_enrollment_id,
                    each.connector,
                    compact(each.settings),
                    ", ".join(each.secret_names),
                    schedule_text(each.schedule),
                    local_datetime(each.next_run_at) if each.next_run_at else "",
                    run_text(each.last_sync_request),
                    "disabled" if each.disabled else "",
                )
                for each in listed
            ),
        )
    else:
        print_line("no enrollments")


@with_connection
def show(
    enrollment: EnrollmentArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Show one connected system."""
    with EnrollmentClient(server, **connection) as client:
        _print(find_enrollment(client, enrollment), as_json=as_json)


@with_connection
def update(
    enrollment: EnrollmentArgument,
    server: ServerOption,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    settings: SettingsOption = None,
    assignments: SetOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="NAME", help="A setting to remove. May be repeated.")
    ] = None,
    secret_files: SecretFileOption = None,
    secret_variables: SecretEnvOption = None,
    secret_prompts: SecretPromptOption = None,
    remove_secrets: Annotated[
        list[str] | None, typer.Option("--remove-secret", metavar="NAME", help="A secret to remove. May be repeated.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="No new request runs while it is disabled.")
    ] = None,
    schedule: ScheduleOption = None,
    time_zone: TimeZoneOption = None,
    jitter: JitterOption = None,
    operation: OperationOption = None,
    full: FullOption = None,
    no_schedule: NoScheduleOption = False,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Change a connected system. What is not named stays; --settings replaces all settings, --set adds to them."""
    read = read_settings(settings, assignments or ()) or {}
    secrets = dict.fromkeys(remove_secrets or (), "")
    secrets.update(read_secrets(secret_files or (), secret_variables or (), secret_prompts or ()))
    words = ScheduleWords(schedule, time_zone, jitter, operation, full)
    with EnrollmentClient(server, **connection) as client:
        found = find_enrollment(client, enrollment)
        kept = {} if settings is not None else found.settings
        changed = replace(
            found,
            name=found.name if name is None else name,
            settings={key: value for key, value in {**kept, **read}.items() if key not in (unset or ())},
            disabled=found.disabled if disabled is None else disabled,
            schedule=words.applied(None if no_schedule else found.schedule),
        )
        _print(client.update(changed, secrets=secrets), as_json=as_json)


@with_connection
def remove(
    enrollment: EnrollmentArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Disconnect a system. Its requests and the records that it brought stay."""
    with EnrollmentClient(server, **connection) as client:
        found = find_enrollment(client, enrollment)
        client.delete(found.app_enrollment_id)
    if as_json:
        print_json_line(found)
    else:
        print_line(f"{found.name} is disconnected")


@with_connection
def discover(
    enrollment: EnrollmentArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Have the server connect to a system, and list what it has. A * marks the key; types are as they would be."""
    with (
        EnrollmentClient(server, **connection | ConnectionOptions(deadline_s=_DISCOVER_SECONDS)) as client,
        interrupts.stopped_by(client.close),
    ):
        streams = client.discover(find_enrollment(client, enrollment).app_enrollment_id)
    if as_json:
        for stream in streams:
            print_json_line(stream)
    elif streams:
        print_table(
            ("stream", "read", "object type", right("rows"), "fields", "note"),
            (
                (
                    each.name,
                    "yes" if each.selected else "",
                    each.object_type.name if each.object_type else "",
                    f"{each.rows:,}" if each.rows else "",
                    fields_shown(each.object_type) if each.object_type else "",
                    each.note,
                )
                for each in streams
            ),
        )
    else:
        print_line("nothing was found")


@with_connection
def connectors(server: ServerOption, as_json: JsonLinesOption = False, *, connection: ConnectionOptions) -> None:
    """List the kinds of systems that the server can be connected to."""
    with EnrollmentClient(server, **connection) as client:
        listed = client.connectors()
    if as_json:
        for connector in listed:
            print_json_line(connector)
    elif listed:
        print_table(
            ("connector", "operations", "what it connects to"),
            ((each.name, ", ".join(each.operations), each.description) for each in listed),
        )
    else:
        print_line("no connectors are installed")


def _print(enrollment: Enrollment, *, as_json: bool) -> None:
    if as_json:
        print_json_line(enrollment)
        return
    facts = {
        "name": enrollment.name,
        "enrollment": enrollment.app_enrollment_id,
        "connector": enrollment.connector,
        "settings": compact(enrollment.settings),
        "secrets": ", ".join(enrollment.secret_names),
        "schedule": schedule_text(enrollment.schedule),
        "next run": local_datetime(enrollment.next_run_at) if enrollment.next_run_at else "",
        "last run": run_text(enrollment.last_sync_request),
        "succeeded": run_text(enrollment.last_successful_sync_request),
        "disabled": "yes" if enrollment.disabled else "",
        "made": local_datetime(enrollment.created_at),
        "changed": f"{local_datetime(enrollment.modified_at)} by {enrollment.modified_by}",
    }
    for name, fact in facts.items():
        if fact:
            print_line(f"{name:<12}{fact}")
