"""What is counted of the answers to changes."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.data import metrics
from syncline.data.changes import Verdict
from syncline.server.telemetry.instruments import counter
from syncline.storage.upload_models import ChangeAnswer

_CHANGES = counter(metrics.UPLOAD_CHANGES)
_CONFLICTS = counter(metrics.CONFLICTS)


def count_answers(answers: Sequence[ChangeAnswer]) -> dict[Verdict, int]:
    """Count the answers to a message; how many there are of each verdict."""
    verdicts = _tallied([answer.verdict for answer in answers])
    for verdict, count in verdicts.items():
        _CHANGES.add(count, {metrics.VERDICT: verdict.value})
    for answer in answers:
        if answer.conflict is not None:
            policy = answer.conflict.note.policy
            _CONFLICTS.add(1, {metrics.POLICY: policy.value, metrics.VERDICT: answer.verdict.value})
    return verdicts


def _tallied(verdicts: list[Verdict]) -> dict[Verdict, int]:
    """How many of each there are. Mostly all are the same; a `Counter` would call Python for the hash of each."""
    left, tally = len(verdicts), dict[Verdict, int]()
    for verdict in Verdict:
        if not left:
            break
        if count := verdicts.count(verdict):
            tally[verdict] = count
            left -= count
    return tally
