"""The thin client needs what is installed without extras, and nothing else."""

from __future__ import annotations

import subprocess
import sys

INSTALLED_WITHOUT_EXTRAS = {"google", "grpc", "grpc_status", "opentelemetry", "syncline", "typing_extensions"}
OF_THE_EXTRA_SERVER = ("opentelemetry.sdk", "opentelemetry.exporter")
LOADED_BY_GRPC_IF_THERE = {"grpc_health", "grpc_reflection", "grpc_tools"}
SYNCLINE_PARTS = {"syncline.client", "syncline.data", "syncline.v1"}


def test_importing_the_client_loads_only_what_is_installed_without_extras() -> None:
    program = "import sys; before = set(sys.modules); import syncline.client; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    packages = {name.partition(".")[0] for name in loaded if "cython" not in name} - sys.stdlib_module_names
    assert packages - LOADED_BY_GRPC_IF_THERE <= INSTALLED_WITHOUT_EXTRAS
    assert not [name for name in loaded if name.startswith(OF_THE_EXTRA_SERVER)]
    parts = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("syncline.")}
    assert parts == SYNCLINE_PARTS
