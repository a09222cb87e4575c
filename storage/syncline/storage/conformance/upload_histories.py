"""A store against the model, through random histories of uploading devices."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.history import SEEDS
from syncline.storage.conformance.upload_history import SideBySide
from syncline.storage.contract import Store
from syncline.storage.memory import MemoryStore


class UploadHistoryConformance:
    """The model is the oracle."""

    @pytest.mark.chaos
    @pytest.mark.parametrize("seed", range(SEEDS))
    def test_g6_g7_random_uploads(self, store: Store, seed: int) -> None:
        SideBySide(store, MemoryStore(), seed).run()
