"""What goes wrong with a local cluster."""

from __future__ import annotations


class ClusterError(Exception):
    """It cannot be done; the message says why, and what would help."""
