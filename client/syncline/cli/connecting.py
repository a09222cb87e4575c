"""How a command reaches its server: with which token, and whom it trusts."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from syncline.client import ConnectionOptions

_TOKEN: Final = "SYNCLINE_TOKEN"  # noqa: S105  the name of a variable
_ARGUMENT: Final = "connection"


def _file_option(name: str, help_text: str) -> Any:
    envvar = f"SYNCLINE_{name.upper().replace('-', '_')}"
    option = typer.Option(f"--{name}", envvar=envvar, help=help_text, dir_okay=False, exists=True, show_default=False)
    return Annotated[Path | None, option]


_OPTIONS: Final = {
    "token_file": _file_option("token-file", f"File with the bearer token. {_TOKEN} stands in for it."),
    "ca_file": _file_option("ca-file", "PEM file of the authorities to trust for TLS."),
    "client_certificate": _file_option("client-certificate", "PEM file of the certificate to show to the server."),
    "client_key": _file_option("client-key", "PEM file of the certificate's key."),
}


def with_connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for its connection, which it takes as one argument, `connection`."""

    @wraps(command)
    def run(**words: Any) -> None:
        files = {name: words.pop(name) for name in _OPTIONS}
        command(**words, **{_ARGUMENT: _connection(**files)})

    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    del hints[_ARGUMENT]
    kept = [each.replace(annotation=hints[name]) for name, each in signature.parameters.items() if name != _ARGUMENT]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**hints, **_OPTIONS}
    return run


def _connection(
    *, token_file: Path | None, ca_file: Path | None, client_certificate: Path | None, client_key: Path | None
) -> ConnectionOptions:
    options = ConnectionOptions(ca_file=ca_file, client_certificate=client_certificate, client_key=client_key)
    if token_file is not None:
        # Read again whenever a token is needed: whoever renews tokens may put a new one there.
        options["token"] = lambda: _read_token(token_file)
    elif os.environ.get(_TOKEN):
        options["token"] = os.environ[_TOKEN]
    return options


def _read_token(path: Path) -> str:
    token = path.read_text().strip()
    if not token:
        raise ValueError(f"{path} is empty")
    return token
