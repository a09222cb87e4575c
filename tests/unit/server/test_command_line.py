"""`syncline-server`, run inside the test: what ends before anything is served."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from syncline.server.__main__ import main
from syncline.storage import open_store


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command to its end. Its log goes where the test's stderr was, so it is taken back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def run(*arguments: str, **env: str) -> Ended:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["syncline-server", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        status = caught.value.code or 0
        assert isinstance(status, int)
        return Ended(status, *capsys.readouterr())

    yield run
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize("listen", ["0.0.0.0:7400", "192.0.2.1:7400", "[::]:7400", "example.org:7400"])
def test_development_mode_serves_loopback_only(run: Run, listen: str) -> None:
    ended = run("serve", "--database", "memory:", "--listen", listen)

    assert ended.status == 2
    assert ended.err.startswith("error: listen: ")
    assert "loopback" in ended.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SYNCLINE_THREADS", "0"),
        ("SYNCLINE_LISTEN", "7400"),
        ("SYNCLINE_LISTEN", "127.0.0.1:99999"),
        ("SYNCLINE_DATABASE_URL", "oracle://nowhere"),
        ("SYNCLINE_LOG_LEVEL", "loud"),
        ("SYNCLINE_ACCOUNT", ""),
    ],
)
def test_a_bad_setting_is_named_in_one_line(run: Run, name: str, value: str) -> None:
    ended = run("serve", **{"SYNCLINE_DATABASE_URL": "memory:", name: value})

    assert ended.status == 2
    assert ended.err.startswith(f"error: {name.removeprefix('SYNCLINE_').lower()}: ")
    assert len(ended.err.splitlines()) == 1


def test_a_port_file_that_cannot_be_written_is_told(run: Run, tmp_path: Path) -> None:
    port_file = tmp_path / "nowhere" / "port"

    ended = run("serve", "--database", "memory:", "--listen", "127.0.0.1:0", "--port-file", str(port_file))

    assert ended.status == 2
    assert ended.err.splitlines()[-1] == f"error: port_file: cannot write {port_file}: No such file or directory"


def test_migrate_may_be_repeated(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"

    first, second = (run("migrate", "--database", url) for _ in range(2))

    assert (first.status, first.out) == (0, second.out)


def test_renew_epoch_gives_the_history_a_new_identity(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    run("migrate", "--database", url)
    store = open_store(url)
    before = store.create_account("dev")

    ended = run("renew-epoch", "--database", url)

    after = store.get_head("dev")
    store.close()
    assert (ended.status, ended.err) == (0, "")
    assert after.store_epoch != before.store_epoch
    assert f"{after.store_epoch:x}" in ended.out


def test_renew_epoch_of_an_unknown_account_is_told(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    run("migrate", "--database", url)

    ended = run("renew-epoch", "--database", url, "--account", "nobody")

    assert ended.status == 1
    assert "nobody" in ended.err


def test_config_prints_a_row_for_each_setting(run: Run) -> None:
    ended = run("config")

    assert ended.status == 0
    assert "| `SYNCLINE_LISTEN` | `127.0.0.1:7400` |" in ended.out
