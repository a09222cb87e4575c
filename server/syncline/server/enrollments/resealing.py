"""Secrets of enrollments sealed anew, after the key has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from syncline.server.acts import act_of_operator
from syncline.server.enrollments.secrets import SecretBox, SecretsSealed
from syncline.storage import Store
from syncline.storage.errors import EnrollmentChanged, EnrollmentNotFound
from syncline.storage.request_models import Enrollment


class Resealed(NamedTuple):
    """What came of it."""

    resealed: int
    """Enrollments whose secrets are sealed with the newest key now, and were not."""
    unreadable: list[tuple[str, str]]
    """Account and name of enrollments that no key opens: their secrets must be given anew."""


def reseal(store: Store, secrets: SecretBox, *, now: Callable[[], int]) -> Resealed:
    """Seal the secrets of all enrollments of all accounts with the newest key. May be repeated, beside running servers.

    Raises:
        SecretsSealed: there is no key.
    """
    resealed, unreadable = 0, []
    for account_id in store.list_accounts():
        for enrollment in store.list_enrollments(account_id):
            try:
                resealed += _reseal(store, secrets, account_id, enrollment, now=now)
            except SecretsSealed:
                if not secrets.has_key:
                    raise
                unreadable.append((account_id, enrollment.name))
    return Resealed(resealed, unreadable)


def _reseal(
    store: Store, secrets: SecretBox, account_id: str, enrollment: Enrollment, *, now: Callable[[], int]
) -> bool:
    """False: that was not needed."""
    while not secrets.is_of_newest_key(enrollment.sealed_secrets):
        opened = secrets.open(account_id, enrollment.enrollment_id, enrollment.sealed_secrets)
        changed = replace(
            enrollment,
            sealed_secrets=secrets.seal(account_id, enrollment.enrollment_id, opened),
            # So that whoever changes it at the same time, with the old secrets in hand, is told and tries again.
            modified_at=max(now(), enrollment.modified_at + 1),
        )
        act = act_of_operator("enrollment.reseal", enrollment.enrollment_id)
        try:
            store.put_enrollment(account_id, changed, expected_modified_at=enrollment.modified_at, act=act)
        except EnrollmentChanged:
            enrollment = store.get_enrollment(account_id, enrollment.enrollment_id)
        except EnrollmentNotFound:
            return False
        else:
            return True
    return False
