"""The server's settings: environment variables `SYNCLINE_*`, overridden by options of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from syncline.server.errors import SettingsInvalid

ENV_PREFIX = "SYNCLINE_"


class LogFormat(StrEnum):
    """How a line of the log looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe messages that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Services(StrEnum):
    """What a server serves."""

    ALL = "all"
    SYNC = "sync"
    SYNC_REQUEST = "sync-request"


def _directories(value: object) -> object:
    """Split what the environment has; anything else is a sequence already."""
    paths = [path for path in value.split(os.pathsep) if path] if isinstance(value, str) else value
    if isinstance(paths, Iterable) and any(not Path(path).is_absolute() for path in paths):
        raise ValueError("each must begin with a slash")
    return paths


class Settings(BaseSettings):
    """Everything that an operator can set. Each field's description is its row in the README's table."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    database_url: str = Field(
        default="sqlite:///syncline.db",
        description="The store: `sqlite:///PATH`, `postgresql://USER@HOST/NAME`, or `memory:` to try things out.",
    )
    durable: bool = Field(
        default=True,
        description="Every answer survives a crash of the machine. `false` is faster and may lose the last commits.",
    )
    account: str = Field(
        default="dev", min_length=1, max_length=100, description="The one account of development mode."
    )
    listen: str = Field(
        default="127.0.0.1:7400",
        description="Address and port to serve on; port 0 takes a free one. Development mode: loopback only.",
    )
    reflection: bool = Field(
        default=False, description="Let clients ask for the services' descriptions (gRPC reflection)."
    )
    threads: int = Field(default=8, ge=1, le=256, description="Threads that call the store.")
    calls_max: int = Field(
        default=2_000,
        ge=1,
        description="Unary calls at a time; more are answered RESOURCE_EXHAUSTED with a time to wait.",
    )
    streams_max: int = Field(
        default=20_000,
        ge=1,
        description="Streams that answer at a time, such as ReadQueue; more are answered likewise.",
    )
    session_minutes: float = Field(default=60, gt=0, description="A session ends this long after its last use.")
    device_expiry_days: float = Field(
        default=90, gt=0, description="A device that was away for longer must resynchronise in full."
    )
    rejections_max: int = Field(
        default=5, ge=1, le=1_000, description="In how many sessions a device may refuse an item before it is parked."
    )
    pages_in_flight: int = Field(
        default=64, ge=1, le=10_000, description="Unacknowledged pages on their way in one stream."
    )
    ack_overdue_seconds: float = Field(
        default=60, gt=0, description="A stream ends if `pages_in_flight` stays used up for this long."
    )
    read_items: int = Field(
        default=20_000, ge=1, description="Items that one read of the queue takes from the store at most."
    )
    read_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1,
        description="Bytes of records that one read takes, about; a stream holds two reads.",
    )
    poll_seconds: float = Field(
        default=0.5,
        gt=0,
        description="How often heads of accounts with live streams, and sync requests, are looked at besides hints.",
    )
    recheck_seconds: float = Field(
        default=15, gt=0, description="How often an idle stream checks its grants, and that no newer stream took over."
    )
    sweep_minutes: float = Field(
        default=5, gt=0, description="How often what has expired, or is needed by nobody any more, is removed."
    )
    drain_linger_seconds: float = Field(
        default=1,
        ge=0,
        description="After SIGTERM, how long acknowledgements are still taken once the streams were ended.",
    )
    drain_grace_seconds: float = Field(
        default=5, ge=0, description="How long open calls may then take to finish before they are cut off."
    )
    services: Services = Field(
        default=Services.ALL,
        description="What is served: `all`; `sync`, for devices; or `sync-request`, for sync requests and enrollments.",
    )
    embedded_worker: bool = Field(
        default=True, description="A server of sync requests runs them, too. `false` leaves them to other processes."
    )
    worker_slots: int = Field(default=4, ge=1, le=64, description="Sync requests that a worker runs at a time.")
    lease_seconds: float = Field(
        default=30, ge=0.3, description="A worker that gives no sign of life for this long loses its sync requests."
    )
    requests_per_account: int = Field(
        default=8,
        ge=1,
        description="Sync requests of one account that are in progress at a time; of one enrollment, one.",
    )
    request_failures_max: int = Field(
        default=5, ge=1, le=1_000, description="A sync request has FAILED after so many failed attempts."
    )
    payload_days: float = Field(
        default=7, ge=0, description="What was uploaded is kept for so long after a failure or a cancel, to be retried."
    )
    request_days: float = Field(
        default=90, ge=0, description="Sync requests are removed so long after they ended, with details. 0: never."
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Encrypts the secrets of app enrollments: 32 random bytes in base64. Without it none are taken.",
    )
    secret_key_file: str = Field(default="", description="A file that has the `secret_key`, instead of the variable.")
    connectors_dir: Path = Field(
        default=Path("connectors"),
        description="Where `syncline-server connectors install` puts Singer taps and targets, and workers find them.",
    )
    file_roots: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_directories)] = Field(
        default=(),
        description="Directories, separated by `:`, where the connectors `file` and `sql` may open files. Empty: none.",
    )
    trace_file: str = Field(
        default="",
        description="A file to append spans to, a line of JSON each; many processes may share it. None: no file.",
    )
    metrics_listen: str = Field(
        default="",
        description="Address and port to show metrics on, to Prometheus; port 0 takes a free one. None: nowhere.",
    )
    statistics_seconds: float = Field(
        default=30, gt=0, description="How often a server that has metrics looks at how much waits in the database."
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="`debug`, `info`, `warning` or `error`.")
    log_format: LogFormat = Field(
        default=LogFormat.TEXT, description="`text` for people, `json` for machines. To stderr."
    )


def load_settings(**options: Any) -> Settings:
    """The settings of the environment, overridden by the options of the command line that are not None.

    Raises:
        SettingsInvalid: a value breaks its rule; all of them are named.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        broken = (f"{'.'.join(map(str, one['loc']))}: {one['msg']} (is {one['input']!r})" for one in error.errors())
        raise SettingsInvalid("; ".join(broken)) from error
