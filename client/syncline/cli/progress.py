"""The progress bar of a download."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from syncline.cli.output import messages
from syncline.replica import Progress


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Show how far a download is while the block runs, with its rate and what is left; None without a terminal."""
    if not messages.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.completed:,} records"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]:,} left"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=messages, transient=True) as bars:
        task = bars.add_task("", total=None, rate="", left=0)

        def show(progress: Progress) -> None:
            speed = bars.tasks[0].speed
            bars.update(
                task,
                completed=progress.received,
                total=progress.received + progress.left,
                left=progress.left,
                rate=f"{speed:,.0f}/s" if speed else "",
            )

        yield show
