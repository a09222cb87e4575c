"""`syncline-server config`."""

from __future__ import annotations

from enum import Enum

import typer

from syncline.server.config import ENV_PREFIX, Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("config")(config)


def config() -> None:
    """Print every setting with its environment variable and default, as a Markdown table."""
    typer.echo(settings_table())


def settings_table() -> str:
    """The settings as a Markdown table; docs/configuration.md holds it."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if isinstance(default, Enum):
        return f"`{default.value}`"
    if isinstance(default, tuple):
        default = ",".join(default)
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else "none"
