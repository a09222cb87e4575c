"""Header fields that no gRPC client sends, as bytes on the socket: none of them lets anybody in who may not."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.storage import open_store
from tests.harness.bearers import bearer_settings, token_of
from tests.harness.callers import caller
from tests.harness.raw_call import Field, Outcome, raw_call
from tests.harness.secrets import secret
from tests.harness.server import ServerProcess, declare_notes, start_server

OK, INVALID_ARGUMENT, INTERNAL, UNAUTHENTICATED = 0, 3, 13, 16
MARK = secret("what-a-stranger-wrote-into-a-header")
"""Must stand in no log."""


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A process, with a real log, in which no secret may stand in the end."""
    folder = tmp_path_factory.mktemp("raw")
    url = f"sqlite:///{shutil.copy(sqlite_template, folder / 'store.db')}"
    with closing(open_store(url)) as store:
        declare_notes(store)
    with start_server(url, log_level="debug", **bearer_settings(folder)) as server:
        yield server


def call(server: ServerProcess, *fields: Field) -> Outcome:
    return raw_call(server.address, "/syncline.v1.SyncService/GetSchema", fields)


def device_field() -> Field:
    return b"syncline-device-uuid", str(uuid4()).encode()


def bearer() -> bytes:
    return b"Bearer " + token_of(caller("dev")).encode()


def authorization(value: bytes) -> Field:
    return b"authorization", value


def test_the_bytes_of_a_good_call_are_answered(server: ServerProcess) -> None:
    """Without this, the others would show nothing."""
    assert (call(server, device_field(), authorization(bearer()))).status == OK
    assert (call(server, device_field(), authorization(b"bearer   " + bearer()[7:] + b"  "))).status == OK


REFUSED: dict[str, Callable[[bytes], list[Field]]] = {
    "nothing": lambda _: [],
    "empty": lambda _: [authorization(b"")],
    "the scheme alone": lambda _: [authorization(b"Bearer")],
    "no scheme": lambda good: [authorization(good[7:])],
    "a tab after the scheme": lambda good: [authorization(good.replace(b" ", b"\t"))],
    "no space": lambda good: [authorization(good.replace(b" ", b""))],
    "the scheme twice": lambda good: [authorization(b"Bearer " + good)],
    "a list": lambda good: [authorization(good + b", " + good)],
    "another scheme first": lambda good: [authorization(b"Basic eDp5, " + good)],
    "given twice": lambda good: [authorization(good), authorization(good)],
    "a bad one first": lambda good: [authorization(b"Bearer x"), authorization(good)],
    "a bad one last": lambda good: [authorization(good), authorization(b"Bearer x")],
    "as bytes": lambda good: [(b"authorization-bin", base64.b64encode(good).rstrip(b"="))],
    "by another name": lambda good: [(b"proxy-authorization", good), (b"x-authorization", good)],
    "as a cookie": lambda good: [(b"cookie", b"authorization=" + good)],
    "CR LF and a good one": lambda good: [authorization(b"Bearer x\r\nauthorization: " + good)],
    "LF and a good one": lambda good: [authorization(b"Bearer x\n" + good)],
    "a good one, NUL and more": lambda good: [authorization(good + b"\x00" + MARK.encode())],
    "a good one, CR LF and more": lambda good: [authorization(good + b"\r\n" + MARK.encode())],
    "NUL inside": lambda good: [authorization(good[:20] + b"\x00" + good[20:])],
    "bytes that are no UTF-8": lambda good: [authorization(good + b"\xff\xfe")],
    "letters that look alike": lambda good: [authorization("Bеarer ".encode() + good[7:])],  # noqa: RUF001  that is it
    "another field that breaks its line": lambda good: [(b"x-more", b"a\r\nauthorization: " + good)],
    "a device that breaks its line": lambda good: [
        (b"syncline-device-uuid", str(uuid4()).encode() + b"\r\nauthorization: " + good)
    ],
    "a mark": lambda _: [authorization(b"Bearer " + MARK.encode()), (b"x-more", MARK.encode())],
}


NO_NAMES: dict[str, Callable[[bytes], list[Field]]] = {
    "a name in capitals": lambda good: [(b"Authorization", good)],
    "a name with a space": lambda good: [(b"authorization ", good)],
    "a name with a line break": lambda good: [(b"x\r\nauthorization", good)],
    "bytes that are no base64": lambda good: [(b"authorization-bin", good)],
}
"""What gRPC refuses by itself: nobody is asked."""


@pytest.mark.parametrize("kind", REFUSED)
def test_no_header_lets_a_stranger_in(server: ServerProcess, kind: str) -> None:
    good = bearer()
    fields = REFUSED[kind](good)
    outcome = call(server, *([] if "device" in kind else [device_field()]), *fields)

    assert outcome.status == UNAUTHENTICATED, outcome
    assert b"the bearer token is" in outcome.received
    assert good[7:] not in outcome.received
    assert MARK.encode() not in outcome.received
    assert call(server, device_field(), authorization(good)).status == OK, "the server goes on"


@pytest.mark.parametrize("kind", NO_NAMES)
def test_what_is_no_header_reaches_nobody(server: ServerProcess, kind: str) -> None:
    good = bearer()
    outcome = call(server, device_field(), *NO_NAMES[kind](good))

    assert outcome.status == INTERNAL, outcome
    assert good[7:] not in outcome.received
    assert call(server, device_field(), authorization(good)).status == OK, "the server goes on"


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\x00b", b"\xff", b"a\nlevel=error"], ids=["CRLF", "NUL", "xff", "LF"])
@pytest.mark.parametrize("name", ["traceparent", "tracestate", "user-agent", "x-more", "syncline-device-uuid"])
def test_the_log_has_nothing_of_other_fields(server: ServerProcess, name: str, value: bytes) -> None:
    odd = (name.encode(), value + MARK.encode())
    if name == "syncline-device-uuid":
        assert call(server, odd, authorization(bearer())).status == INVALID_ARGUMENT
    else:
        assert call(server, device_field(), odd, authorization(bearer())).status == OK
    assert MARK not in server.log
