"""The reference model: a store in memory. Plain and obviously right rather than fast, and gone with its process.

The conformance suite holds it to the same tests as the databases; tests and models read it to see what is right.
"""

from __future__ import annotations

from syncline.storage.memory.store import MemoryStore, open_memory_store

__all__ = ["MemoryStore", "open_memory_store"]
