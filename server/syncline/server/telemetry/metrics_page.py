"""The page that Prometheus reads: the metrics of this process, over HTTP."""

from __future__ import annotations

import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from syncline.server.address import Address
from syncline.server.errors import SettingsInvalid

_log = structlog.get_logger(__name__)

_PATH = "/metrics"
_READERS_MAX = 8
"""Connections at a time; more are closed unanswered."""
_WAIT_SECONDS_MAX = 2
"""How long a reader may let us wait, for its request or for taking the answer."""


class MetricsPage:
    """Serves the metrics from here on, in threads of its own. What it shows comes from its `reader`, once set up."""

    def __init__(self, address: Address) -> None:
        """Listen, and answer.

        Raises:
            SettingsInvalid: the address cannot be listened on.
        """
        registry = CollectorRegistry()  # not the global one, which has metrics of Python, too
        self.reader: MetricReader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
        try:
            self._server = _Server(address, registry)
        except OSError as error:
            why = error.strerror or error
            raise SettingsInvalid(f"metrics_listen: {address} cannot be served on: {why}") from error
        self.address = Address(address.host, self._server.server_port)
        Thread(target=self._server.serve_forever, name="metrics page", daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread for each connection, of which there are few."""

    def __init__(self, address: Address, registry: CollectorRegistry) -> None:
        (family, _, _, _, bound), *_ = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self.address_family = family
        self._registry = registry
        # The collector's hand-over is a queue: of two that collect at a time, one may get both's numbers.
        self._collecting = Lock()
        self._slots = BoundedSemaphore(_READERS_MAX)
        super().__init__((str(bound[0]), address.port), _Handler)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The metrics, and the type of content that they are written as."""
        encode, content_type = choose_encoder(accept)
        with self._collecting:
            return encode(self._registry), content_type

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question for the name of the host, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection, if there are not too many."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base's names
        """Whoever went away, or kept us waiting: nobody else has to know."""
        _log.debug("a reader of metrics was left", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: _Server
    timeout = _WAIT_SECONDS_MAX
    server_version = "syncline"
    sys_version = ""

    def do_GET(self) -> None:
        """The page; there is no other one."""
        if urlsplit(self.path).path != _PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body, content_type = self.server.page(self.headers.get("Accept", ""))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's names
        """Requests are not logged."""
