"""The server's settings: environment variables `SYNCLINE_*`, overridden by options of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from syncline.server.errors import SettingsInvalid

ENV_PREFIX = "SYNCLINE_"

_UPLOAD_BYTES_PER_MINUTE_MIN: Final = 3_200_000
"""With less, a chunk of UploadBatch (512 KiB) would be held up for longer than an upload may be, and so refused."""


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


def _names(value: object) -> object:
    """Split what the environment has; anything else is a sequence already."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _upload_bytes(value: int) -> int:
    if 0 < value < _UPLOAD_BYTES_PER_MINUTE_MIN:
        raise ValueError(f"must be 0, or {_UPLOAD_BYTES_PER_MINUTE_MIN:,} at least")
    return value


_UploadBytes: TypeAlias = Annotated[int, Field(ge=0), AfterValidator(_upload_bytes)]


class Settings(BaseSettings):
    """Everything that an operator can set. Each field's description is its row in docs/configuration.md."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

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
    tls_certificate_file: str = Field(
        default="",
        description="PEM file of the server's certificate, with those between it and its authority. Read again when it "
        "changes.",
    )
    tls_key_file: str = Field(default="", description="PEM file of the certificate's private key, not encrypted.")
    tls_client_ca_file: str = Field(
        default="",
        description="PEM file of authorities: clients must then show a certificate of one of them (mTLS).",
    )
    allow_plaintext: bool = Field(
        default=False, description="Serve addresses that others can reach without TLS. Otherwise that is refused."
    )
    jwt_issuer: str = Field(
        default="",
        description="Who signs tokens (JWT): their claim `iss`. With any of `jwt_issuer`, `jwt_audience`, `jwks` and "
        "`api_keys`, development mode ends: every call needs a credential.",
    )
    jwt_audience: str = Field(default="", description="Whom tokens are for: one of their claim `aud`.")
    jwks: str = Field(default="", description="The issuer's public keys (JWKS): an address with `https://`, or a file.")
    jwks_refresh_seconds: float = Field(
        default=300,
        gt=0,
        description="How often the keys are read from an address; those of a file, soon after it changes. While that "
        "fails, those that are known go on.",
    )
    jwt_algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...],
        NoDecode,
        BeforeValidator(_names),
    ] = Field(
        default=("RS256", "ES256", "EdDSA"),
        min_length=1,
        description="What tokens may be signed with, separated by commas. Asymmetric algorithms only.",
    )
    jwt_leeway_seconds: float = Field(
        default=30, ge=0, le=300, description="How far the issuer's clock and this server's may differ."
    )
    jwt_account_claim: str = Field(
        default="account", min_length=1, description="The claim that names the caller's account."
    )
    api_keys: bool = Field(
        default=False, description="Take API keys, which `syncline-server token create` makes, for services."
    )
    credential_cache_seconds: float = Field(
        default=10,
        gt=0,
        le=300,
        description="A revoked API key works for so long at most; open streams are checked as often.",
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
        description="Streams at a time, such as ReadQueue and UploadBatch; more are answered likewise.",
    )
    streams_per_connection_max: int = Field(
        default=1_000,
        ge=1,
        description="Calls and streams of one connection at a time; what is more waits in the client.",
    )
    deadline_seconds_max: float = Field(
        default=120,
        gt=0,
        description="The longest that one unary call may take, whatever its client allows. Streams have no deadline.",
    )
    principal_calls_per_second: float = Field(
        default=0,
        ge=0,
        description="Calls of one principal in the long run; more are answered RESOURCE_EXHAUSTED with a time to wait."
        " Limits of principals and accounts hold in each server process by itself; 0: none.",
    )
    account_calls_per_second: float = Field(default=0, ge=0, description="The same of all principals of an account.")
    calls_burst_seconds: float = Field(
        default=10,
        gt=0,
        description="What may be called at once: as much as the rates allow in so many seconds, and 10 calls at least.",
    )
    principal_streams: int = Field(
        default=0,
        ge=0,
        description="Streams of one principal at a time, such as ReadQueue and UploadBatch; a device that watches needs"
        " two. 0: any number.",
    )
    account_streams: int = Field(default=0, ge=0, description="The same of all principals of an account.")
    principal_upload_bytes_per_minute: _UploadBytes = Field(
        default=0,
        description="Bytes of changes and rows that one principal brings in the long run; whoever is faster is slowed"
        " down, or refused if that would take more than 10 seconds. 3,200,000 at least; 0: any number.",
    )
    account_upload_bytes_per_minute: _UploadBytes = Field(
        default=0, description="The same of all principals of an account; 3,200,000 at least, too."
    )
    account_devices: int = Field(
        default=0, ge=0, description="Devices of an account; another new one is refused. 0: any number."
    )
    account_records: int = Field(
        default=0,
        ge=0,
        description="Records of an account; beyond it new ones are refused, changes and deletes are not. They are"
        " counted about once a minute. 0: any number.",
    )
    first_sync_items: int = Field(
        default=5_000, ge=1, description="A session with more items than this to come counts as a first sync."
    )
    first_syncs_max: int = Field(
        default=16,
        ge=1,
        description="First syncs that are read at a time; others wait in line. Small sessions wait for none of them.",
    )
    first_sync_wait_seconds: float = Field(
        default=30, gt=0, description="A first sync that waits in line for longer is told to come again."
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
        default=60,
        gt=0,
        description="A stream ends if `pages_in_flight` stays used up, or its client reads nothing, for so long.",
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
        default=15,
        gt=0,
        description="How often, about, an idle stream checks what its device may do, and that no newer one took over.",
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
    audit_days: float = Field(
        default=365, ge=0, description="Entries of the audit log are removed after so many days. 0: never."
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Encrypts the secrets of app enrollments: 32 random bytes in base64. Without it none are taken.",
    )
    secret_key_file: str = Field(
        default="", description="A file that has the `secret_key`, instead of the variable. Read again when it changes."
    )
    secret_key_previous: SecretStr = Field(
        default=SecretStr(""),
        description="Keys that seal no more, separated by spaces; what they sealed is opened until it is sealed anew.",
    )
    secret_key_previous_file: str = Field(
        default="", description="A file that has the `secret_key_previous`. Read again when it changes."
    )
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
        SettingsInvalid: a value breaks its rule; all of them are named. What they are is not told: it may be a secret,
            if only one that came into the wrong variable.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        broken = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        raise SettingsInvalid("; ".join(broken)) from error
