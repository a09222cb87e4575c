"""`syncline trace`: what happened where, and when, from the file that `SYNCLINE_TRACE_FILE` names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncline.cli.options import JsonOption
from syncline.cli.output import console, print_json, print_line, print_table, right
from syncline.cli.traces.documents import story_document
from syncline.cli.traces.drawing import draw_story
from syncline.cli.traces.files import TraceFiles
from syncline.cli.traces.listing import TraceSummary, newest_traces, traces_beginning
from syncline.cli.traces.story import read_story
from syncline.cli.traces.words import SHORT_ID, duration, start_time

_ID_LENGTH = 32
_LISTED = 20
_LISTED_MAX = 10_000
_FOLLOW_MAX = 10
# Where the newest complete trace is looked for.
_CANDIDATES = 100
_PIPED_WIDTH = 160

IdArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ID",
        help="The id of a trace, or its first digits. With --last: how many to list. Without either: the newest.",
        show_default=False,
    ),
]
TraceFileOption = Annotated[
    Path,
    typer.Option(
        "--file", metavar="PATH", envvar="SYNCLINE_TRACE_FILE", help="The file with the spans.", show_default=False
    ),
]
LastOption = Annotated[
    bool, typer.Option("--last", help="The newest trace whose root has ended; --last 5 lists the newest five.")
]
FollowOption = Annotated[
    int,
    typer.Option("--follow", metavar="STEPS", min=0, max=_FOLLOW_MAX, help="Show traces that are so many links away."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("trace")(trace)


def trace(
    file: TraceFileOption,
    word: IdArgument = None,
    last: LastOption = False,
    follow: FollowOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Show a trace as a waterfall, with the traces that it links to and that link to it; or list the newest.

    Servers, workers and this program write their spans to the file that SYNCLINE_TRACE_FILE names.
    It may grow meanwhile.
    """
    try:
        files = TraceFiles(file)
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{error}; processes that are started with SYNCLINE_TRACE_FILE write one", param_hint="--file"
        ) from error
    with files:
        if word is None and last:
            _show(files, _newest_complete(files), follow, as_json=as_json)
        elif word is None or last:
            _list(newest_traces(files, _how_many(word)), as_json=as_json)
        else:
            _show(files, _find(files, word.lower()), follow, as_json=as_json)


def _how_many(word: str | None) -> int:
    if word is None:
        return _LISTED
    if not (word.isdecimal() and word.isascii() and 1 <= int(word[:9]) <= _LISTED_MAX):
        raise typer.BadParameter(f"a number from 1 to {_LISTED_MAX:,} goes with --last", param_hint="ID")
    return int(word)


def _find(files: TraceFiles, word: str) -> str:
    if not word or len(word) > _ID_LENGTH or not set(word) <= set("0123456789abcdef"):
        raise typer.BadParameter(f"{word!r} is no beginning of an id: 32 digits, 0-9 and a-f", param_hint="ID")
    found = [word] if len(word) == _ID_LENGTH else traces_beginning(files, word, 5)
    if not found:
        raise _unknown(word)
    if len(found) > 1:
        raise typer.BadParameter(f"several traces begin so: {', '.join(found)}", param_hint="ID")
    return found[0]


def _newest_complete(files: TraceFiles) -> str | None:
    newest = newest_traces(files, _CANDIDATES)
    chosen = next((each for each in newest if each.complete), newest[0] if newest else None)
    return None if chosen is None else chosen.trace_id


def _show(files: TraceFiles, trace_id: str | None, follow: int, *, as_json: bool) -> None:
    if trace_id is None:
        print_json(None) if as_json else print_line("no traces")
        return
    story = read_story(files, trace_id, follow)
    if story is None:
        raise _unknown(trace_id)
    if as_json:
        print_json(story_document(story))
        return
    for line in draw_story(story, console.width if console.is_terminal else _PIPED_WIDTH):
        console.print(line, soft_wrap=True)
    if story.lines_damaged:
        print_line(f"damaged lines of these traces: {story.lines_damaged:,}")


def _unknown(word: str) -> typer.BadParameter:
    return typer.BadParameter(f"no trace of the file begins with {word} (`syncline trace` lists them)", param_hint="ID")


def _list(summaries: list[TraceSummary], *, as_json: bool) -> None:
    if as_json:
        print_json(summaries)
    elif not summaries:
        print_line("no traces")
    else:
        print_table(
            ("trace", "start", "root", "services", right("duration"), right("spans"), right("errors")),
            (
                (
                    each.trace_id[:SHORT_ID],
                    start_time(each.start_ns),
                    each.root if each.complete else f"{each.root} (root not ended)",
                    ", ".join(each.services),
                    duration(each.end_ns - each.start_ns),
                    f"{each.span_count:,}",
                    f"{each.error_count:,}" if each.error_count else "",
                )
                for each in summaries
            ),
        )
