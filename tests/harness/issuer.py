"""An issuer of tokens: keys, the set that they are published in, and tokens of any kind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.harness.secrets import secret_token

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

ISSUER = "https://issuer.example"
AUDIENCE = "syncline"
IDENTITY = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
"""The settings of a server that takes this issuer's tokens, besides `jwks`."""


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key that this process makes once: that takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A new key."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def ed_key() -> ed25519.Ed25519PrivateKey:
    """A new key."""
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(key: Key) -> bytes:
    """The public key, as people publish it, too."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Key, key_id: str, **more: Any) -> dict[str, Any]:
    """The public key as an entry of a set."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        document = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        document = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        document = OKPAlgorithm.to_jwk(public, as_dict=True)
    return {**document, "kid": key_id, "use": "sig", **more}


def jwks(**keys: Key) -> bytes:
    """A set of keys by their ids."""
    return json.dumps({"keys": [jwk(key, key_id) for key_id, key in keys.items()]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that are taken, with changes; a claim that is None is left out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "account": "dev",
        "scope": "openid sync sync.write",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(
    key: Any,
    payload: dict[str, Any] | None = None,
    *,
    algorithm: str = "ES256",
    key_id: str | None = "one",
    **header: Any,
) -> str:
    """A token."""
    headers = {**({} if key_id is None else {"kid": key_id}), **header}
    payload = claims() if payload is None else payload
    return secret_token(jwt.encode(payload, key, algorithm=algorithm, headers=headers))


def signed_text(key: Key, payload: bytes, *, algorithm: str = "ES256", **header: Any) -> str:
    """A genuine token whose payload is this text, which need be no claims."""
    token = jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers={"kid": "one", **header})
    return secret_token(token)


@dataclass
class JwksServer:
    """Publishes a set over HTTP. Change `body` and `status` as you like."""

    url: str = ""
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reads: int = 0


@contextmanager
def jwks_server(body: bytes) -> Iterator[JwksServer]:
    """Serve the set on a loopback port for as long as the block lasts."""
    published = JwksServer(body=body)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            published.reads += 1
            self.send_response(published.status)
            for name, value in published.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(published.body)
            except OSError:
                return  # the reader has had enough

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    published.url = f"http://127.0.0.1:{server.server_port}/keys"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield published
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
