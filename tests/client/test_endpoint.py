"""Arguments of a client: what they become, and which make no sense."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from syncline.client import InvalidOption, SyncClient
from syncline.client.endpoint import is_loopback
from tests.client.scripted import ScriptedService, serving

CERTIFICATES = Path(__file__).parent / "certificates"


@pytest.mark.parametrize(
    ("target", "loopback"),
    [
        ("127.0.0.1:7400", True),
        ("127.9.9.9:7400", True),
        ("localhost:7400", True),
        ("[::1]:7400", True),
        ("ipv6:[::1]:7400", True),
        ("ipv4:127.0.0.1:7400,127.0.0.1:7401", True),
        ("dns:///localhost:7400", True),
        ("unix:/run/syncline", True),
        ("ipv4:127.0.0.1:7400,10.0.0.1:7400", False),
        ("10.0.0.1:7400", False),
        ("dns:///sync.example.com:443", False),
        ("localhost.example.com:443", False),
        ("dns://127.0.0.1/sync.example.com:443", False),
    ],
)
def test_only_loopback_addresses_go_without_tls(target: str, loopback: bool) -> None:
    assert is_loopback(target) is loopback


@pytest.mark.parametrize(
    "target", ["", "localhost", "localhost:", ":7400", "localhost:http", "localhost:70000", "a/b:1"]
)
def test_a_target_without_host_and_port_is_refused(target: str) -> None:
    with pytest.raises(InvalidOption, match="target must be host:port"):
        SyncClient(target, uuid4())


def test_several_addresses_without_a_scheme_are_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidOption, match=r"ipv4:127\.0\.0\.1:7400,127\.0\.0\.1:7401"):
        SyncClient("127.0.0.1:7400,127.0.0.1:7401", uuid4())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"device": "device.uuid"}, "pathlib.Path"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": float("inf")}, "deadline_s"),
        ({"insecure": True, "ca_file": "ca.pem"}, "insecure"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file"),
        ({"ca_file": __file__}, "no certificates"),
        ({"name": "\ud800"}, "cannot be sent"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOption, match=complaint):
        SyncClient("127.0.0.1:1", **{"device": uuid4(), **options})


def test_one_string_is_no_list_of_scopes() -> None:
    with SyncClient("127.0.0.1:1", uuid4()) as client, pytest.raises(InvalidOption, match=r"\['sales'\]"):
        client.start_session(scopes="sales")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.start_session(scopes=["\ud800"]),
        lambda client: client.start_session(filters={"main": [None]}),
        lambda client: client.read_queue("s", page_size=1 << 31),
        lambda client: client.fetch_queue("\ud800"),
        lambda client: client.acknowledge(["\ud800"]),
        lambda client: client.get_schema(1 << 63),
    ],
)
def test_an_argument_that_no_message_can_hold_is_refused(call: Callable[[SyncClient], object]) -> None:
    with SyncClient("127.0.0.1:1", uuid4()) as client, pytest.raises(InvalidOption, match="cannot be sent"):
        call(client)


def test_each_call_names_the_device_and_asks_for_its_token(service: ScriptedService, scripted: str) -> None:
    numbers = itertools.count(1)
    device = uuid4()
    with SyncClient(scripted, str(device), token=lambda: f"token {next(numbers)}", name="till", version="3") as client:
        client.start_session()
        client.start_session()
    assert [call["authorization"] for call in service.metadata] == ["Bearer token 1", "Bearer token 2"]
    assert {call["syncline-device-uuid"] for call in service.metadata} == {str(device)}
    assert service.start_requests[0].client.name == "till"
    assert service.start_requests[0].client.platform.startswith("Python 3")


def test_a_token_that_no_header_takes_is_refused_and_not_shown() -> None:
    with SyncClient("127.0.0.1:1", uuid4(), token="secret\n") as client, pytest.raises(InvalidOption) as caught:  # noqa: S106
        client.start_session()
    assert "secret" not in str(caught.value)


def test_tls_trusts_the_authority_it_is_given(service: ScriptedService) -> None:
    key, certificate = (CERTIFICATES / name for name in ("localhost.key", "localhost.pem"))
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with serving(service, credentials) as target, SyncClient(target, uuid4(), ca_file=certificate) as client:
        assert client.start_session().session.id == "s"
