"""Taking a cluster down: nothing of it is left running, whatever happened to it. Its data and logs stay."""

from __future__ import annotations

import time
from typing import Final

from deploy.cluster.folder import Folder
from deploy.cluster.strays import end_processes, find_processes
from deploy.cluster.supervisor import Supervisor

_STOP_S_MAX: Final = 60
_POLL_S: Final = 0.1


def take_down(folder: Folder) -> int:
    """Stop the cluster, and end what does not stop; how many processes it was.

    Raises:
        ClusterError: somebody else is at it, or a process cannot be ended.
    """
    with folder.locked():
        count = len(find_processes(folder))
        supervisor = Supervisor(folder)
        if supervisor.answers():
            supervisor.shut_down()
            until = time.monotonic() + _STOP_S_MAX
            while find_processes(folder) and time.monotonic() < until:
                time.sleep(_POLL_S)
        end_processes(folder)
        folder.socket.unlink(missing_ok=True)
    return count
