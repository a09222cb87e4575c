"""A cluster that does not come up says why."""

from __future__ import annotations

import pytest

from deploy.cluster import starting
from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder
from deploy.cluster.stopping import take_down
from deploy.cluster.strays import find_processes


def test_a_postgres_that_does_not_get_ready_shows_the_end_of_its_log(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_WAIT_S_MAX", 2)
    monkeypatch.setattr(starting, "_TELL_EVERY_S", 0.5)
    (folder.path / "postgres-is-made").touch()  # but there is nothing in its folder
    told: list[str] = []
    with pytest.raises(ClusterError, match=r"(?s)Postgres does not answer: .*postgres\.log:.*postgres"):
        starting.bring_up(folder, base_port=None, proxy=False, tell=told.append)
    assert any(line.startswith("waiting for Postgres, ") for line in told)
    assert take_down(folder)
    assert find_processes(folder) == []


def test_two_at_a_time_do_not_start_one_cluster(folder: Folder) -> None:
    with folder.locked(), pytest.raises(ClusterError, match="somebody else is starting or stopping the cluster"):
        starting.bring_up(folder, base_port=None, proxy=False, tell=print)
