"""`Replica.reset`: what goes, and what stays."""

from __future__ import annotations

import pytest

from syncline.replica import NotSynchronised, Objects, Replica, ReplicaError, UnsentChanges
from tests.replica.objects.offline import EXTRA


def test_reset_empties_the_file_which_stays_the_device_that_it_is(replica: Replica, airlines: Objects) -> None:
    before = replica.status()
    airlines.update_by_pk("AA", {"name": "x"})
    with pytest.raises(UnsentChanges):
        replica.reset()
    assert airlines.count("name = 'x'") == 1
    replica.reset(discard_unsent=True)
    after = replica.status()
    assert (after.device_uuid, after.account) == (before.device_uuid, before.account)
    assert (after.rows, after.feeds, after.schema_version, after.checkpoint_revision) == ({}, (), 0, None)
    assert replica.get_pending_upload().total_count == 0
    with pytest.raises(NotSynchronised):
        airlines.get_all()


def test_reset_of_a_scope_leaves_the_others(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    replica.reset(scopes=["extra"])
    with pytest.raises(NotSynchronised):
        replica.objects(EXTRA[0].object_type).get_all()
    assert airlines.count("name = 'x'") == 1
    with pytest.raises(ReplicaError, match="no scope 'nowhere'"):
        replica.reset(scopes=["nowhere"])
