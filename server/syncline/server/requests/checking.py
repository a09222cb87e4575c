"""CHECK: is the connected system there?"""

from __future__ import annotations

from syncline.server.requests.attempt import Attempt


def check(attempt: Attempt) -> str:
    """Let the connector look; answers what it found.

    Raises:
        ConnectorError: it is not there, or not as it must be.
        RunStopped: the run is to end early.
    """
    found = attempt.connector.check(attempt.job)
    attempt.held.check()
    return found
