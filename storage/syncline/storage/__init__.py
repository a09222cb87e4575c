"""Where Syncline keeps its rows: the contract of a store, its models and errors, and how to open one."""

from __future__ import annotations

from syncline.storage.contract import Store
from syncline.storage.opening import open_store

__all__ = ["Store", "open_store"]
