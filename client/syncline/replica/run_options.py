"""What is asked of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from syncline.client import InvalidOption
from syncline.replica.events import OnEvent, no_events
from syncline.replica.incoming import Accept
from syncline.replica.outbox import BATCH_CHANGES
from syncline.replica.report import Progress
from syncline.replica.uploader import ScopeTask


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is asked of a run."""

    by_page: bool
    page_size: int
    attempts_max: int
    accept: Accept | None
    scopes: Collection[str] = ()
    """Scopes wanted; none mean all."""
    filters: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Buckets wanted, by scope."""
    tasks: Mapping[str, ScopeTask] = field(default_factory=dict)
    upload: bool = True
    download: bool = True
    full_resync: bool = False
    follow: bool = False
    upload_batch: int = BATCH_CHANGES
    progress: Callable[[Progress], None] | None = None
    on_event: OnEvent = no_events

    def __post_init__(self) -> None:
        if not 1 <= self.upload_batch <= BATCH_CHANGES:
            raise InvalidOption(f"upload_batch must be from 1 to {BATCH_CHANGES:,}, not {self.upload_batch!r}")


def check_names(what: str, names: Collection[str]) -> None:
    """Refuse one text, which would be taken for its letters.

    Raises:
        InvalidOption: it is one.
    """
    if isinstance(names, str):
        raise InvalidOption(f"{what} must be a list of names, such as [{names!r}]")
