"""`syncline-server connectors`: Singer taps and targets, each in an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Annotated

import typer

from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid

_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<rest>[\[=<>!~;].*)?")
_group = typer.Typer(help="Install Singer taps and targets for the connector `singer`.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_group, name="connectors")


@_group.command()
def install(
    package: Annotated[
        str, typer.Argument(metavar="PACKAGE", help="What pip is to install, such as meltanolabs-tap-postgres==0.1.0.")
    ],
) -> None:
    """Install a tap or target into an environment of its own, named for the package."""
    match = _PACKAGE.fullmatch(package)
    if match is None:
        raise SettingsInvalid(f"{package!r} is no name of a package")
    home = load_settings().connectors_dir / match["name"]
    typer.echo(f"installing {package} into {home}", err=True)
    fresh = not home.exists()
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", package]
    done = subprocess.run(pip, check=False)  # noqa: S603 - the operator names the package
    if done.returncode:
        if fresh:
            shutil.rmtree(home)
        raise SettingsInvalid(f"{package} could not be installed; pip has said why")
    for program in _programs(home):
        typer.echo(f"{match['name']}/{program}")


@_group.command("list")
def list_installed() -> None:
    """List the programs that enrollments can name."""
    directory = load_settings().connectors_dir
    for home in sorted(directory.iterdir()) if directory.is_dir() else ():
        for program in _programs(home):
            typer.echo(f"{home.name}/{program}")


@_group.command()
def remove(
    name: Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", help="As `connectors list` names it, before the slash.")
    ],
) -> None:
    """Remove an environment."""
    home = load_settings().connectors_dir / name
    if "/" in name or not (home / "pyvenv.cfg").is_file():
        raise SettingsInvalid(f"there is no environment {name!r}")
    shutil.rmtree(home)


def _programs(home: Path) -> list[str]:
    """Taps and targets among the environment's programs."""
    of_singer = re.compile(r"(tap|target)-[A-Za-z0-9._-]+")
    programs = (home / "bin").iterdir() if (home / "bin").is_dir() else ()
    return sorted(program.name for program in programs if of_singer.fullmatch(program.name))
