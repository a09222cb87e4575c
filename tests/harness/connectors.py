"""Connectors, installed as a package of an application would install them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def installed_connectors(folder: Path, source: str, names: Mapping[str, str]) -> Iterator[None]:
    """Have connectors installed for as long as the block lasts.

    Args:
        folder: an empty folder for the package.
        source: the text of its one module.
        names: for each connector the name in the module.
    """
    module = f"connectors_in_{abs(hash(folder))}"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = [f"{name} = {module}:{attribute}" for name, attribute in names.items()]
    (info / "entry_points.txt").write_text("\n".join(["[syncline.connectors]", *lines, ""]))
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
