"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="The store. Default: SYNCLINE_DATABASE_URL.", show_default=False),
]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="The account. Default: SYNCLINE_ACCOUNT.", show_default=False),
]
