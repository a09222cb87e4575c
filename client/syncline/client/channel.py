"""Opens channels: retries of single calls, balancing, health checks, keepalive, TLS, spans."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import grpc

from syncline.client.endpoint import ServerEndpoint, names_several
from syncline.client.errors import InvalidOption
from syncline.client.tracing import TracedAsyncChannel, TracedChannel

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""The largest page that is taken. Servers cut pages far below."""

_REPEATED = {
    "SyncService": ("StartSession", "Acknowledge", "ListConflicts", "Reconcile", "GetSchema", "ConfirmWipe"),
    # Those that make a request carry its `request_id`, so that a repeat makes no second one.
    "SyncRequestService": (
        "CreateSyncRequest",
        "CreateBatchImport",
        "GetSyncRequest",
        "ListSyncRequests",
        "CancelSyncRequest",
        "RetrySyncRequest",
        "ListSyncRequestDetails",
    ),
    "AppEnrollmentService": ("GetAppEnrollment", "ListAppEnrollments", "DiscoverStreams", "ListConnectors"),
    "DeviceService": (
        "ListDevices",
        "GetDevice",
        "ListRefusedItems",
        "DisableDevice",
        "EnableDevice",
        "WipeDevice",
        "RestoreParked",
        "ListAuditEntries",
    ),
    "DiagnosticsService": ("ExplainDelivery",),
}
"""Calls that may be repeated without harm, by service."""

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            # FetchQueue is not among them: its answer, once lost, is not given again. ReadQueue is resumed by a new
            # session, Upload by a new stream, as are UploadBatch and WatchSyncRequest. A repeat of what writes an
            # enrollment would be refused because the first one was done.
            "name": [
                {"service": f"syncline.v1.{service}", "method": method}
                for service, methods in _REPEATED.items()
                for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # A dead peer is noticed within 25 s: a ping after 20 s of silence, 5 s for its answer. Without the third
    # option it takes a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Reconnect soon after a restart; gRPC's own limit is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


def open_channel(endpoint: ServerEndpoint) -> grpc.Channel:
    """A channel for blocking calls. It connects when it is first used.

    Raises:
        InvalidOption: a file for TLS cannot be read, or holds something else.
    """
    if endpoint.plaintext:
        return TracedChannel(grpc.insecure_channel(endpoint.target, options=_options(endpoint)))
    return TracedChannel(grpc.secure_channel(endpoint.target, _credentials(endpoint), options=_options(endpoint)))


def open_async_channel(endpoint: ServerEndpoint) -> grpc.aio.Channel:
    """A channel for asyncio; to be called inside the event loop that uses it.

    Raises:
        InvalidOption: a file for TLS cannot be read, or holds something else.
    """
    if endpoint.plaintext:
        return TracedAsyncChannel(grpc.aio.insecure_channel(endpoint.target, options=_options(endpoint)))
    return TracedAsyncChannel(
        grpc.aio.secure_channel(endpoint.target, _credentials(endpoint), options=_options(endpoint))
    )


def _options(endpoint: ServerEndpoint) -> list[tuple[str, Any]]:
    """The options; with health checks if there are several servers, so that calls go to those that are ready.

    With one address there is nowhere else to go. It may also be a proxy, where the one server behind it that was asked
    would speak for all.
    """
    if not names_several(endpoint.target):
        return CHANNEL_OPTIONS
    options = dict(CHANNEL_OPTIONS)
    config = json.loads(options["grpc.service_config"])
    options["grpc.service_config"] = json.dumps({**config, "healthCheckConfig": {"serviceName": ""}})
    return list(options.items())


def _credentials(endpoint: ServerEndpoint) -> grpc.ChannelCredentials:
    """The client's side of TLS. The files are looked at here: gRPC would not say a word before the first call fails."""
    authorities = key = certificate = None
    if endpoint.ca_file is not None:
        authorities = _read("ca_file", endpoint.ca_file)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise InvalidOption(f"ca_file {endpoint.ca_file} holds no certificates in PEM form") from error
    if endpoint.client_certificate is not None:
        certificate_file, key_file = endpoint.client_certificate
        certificate, key = _read("client_certificate", certificate_file), _read("client_key", key_file)
        try:
            # A password is asked for at the terminal unless there is one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate_file, key_file, password="")
        except ssl.SSLError as error:
            raise InvalidOption(
                f"client_certificate {certificate_file} and client_key {key_file} are no pair of PEM files without a "
                "password"
            ) from error
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidOption(f"cannot read {option} {path}: {error.strerror or error}") from error
