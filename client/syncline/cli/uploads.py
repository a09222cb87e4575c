"""What became of changes that went up, for people."""

from __future__ import annotations

from syncline.cli.output import print_line, print_table, right
from syncline.replica import UploadReport

_VERDICTS = ("applied", "merged", "server won", "rejected", "held")


def print_upload(report: UploadReport) -> None:
    """Print the verdicts by object type, and why changes were refused; nothing if none went up."""
    if not report.counts:
        return
    print_table(
        ("uploaded", *map(right, _VERDICTS)),
        (
            (object_type, *(f"{getattr(counts, name.replace(' ', '_')):,}" for name in _VERDICTS))
            for object_type, counts in sorted(report.counts.items())
        ),
    )
    if not report.rejected:
        return
    print_line(f"{len(report.rejected):,} rejected:")
    print_table(
        ("object type", "key", "operation", "reason", "field", "why"),
        (
            (each.object_type, each.key, each.operation.value, each.reason, each.field, each.message)
            for each in report.rejected
        ),
    )
    print_line("Mend one with `syncline set` and `syncline resend`, or take it back with `syncline rollback`.")
    for scope in report.aborted:
        print_line(f"the scope {scope} was left alone after that")
