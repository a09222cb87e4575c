"""Tokens that a server must take, and tokens that it must not, with the set of keys that it knows."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm

from syncline.server.identity.api_key_text import new_api_key
from tests.harness.issuer import claims, ec_key, ed_key, jwk, jwks, public_pem, rsa_key, signed, signed_text

KEY, STRANGER, ED, P384, K1 = ec_key(), ec_key(), ed_key(), ec_key(ec.SECP384R1()), ec_key(ec.SECP256K1())
RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
SHARED = b"a secret that the issuer published by mistake"


def published_set() -> bytes:
    """The keys, and others that nobody may sign with here."""
    published = json.loads(jwks(one=KEY, rsa=rsa_key(), ed=ED, p384=P384, weak=rsa_key(1024), k1=K1))
    shared = base64.urlsafe_b64encode(SHARED).rstrip(b"=").decode()
    published["keys"].append({"kty": "oct", "k": shared, "kid": "shared", "use": "sig"})
    published["keys"].append({"kty": "oct", "k": shared, "kid": "named", "alg": "RS256"})
    published["keys"].append(jwk(STRANGER, "for encryption", use="enc"))
    published["keys"].append({**jwk(STRANGER, "another curve"), "crv": "P-384"})
    return json.dumps(published).encode()


def tampered(token: str, **changes: Any) -> str:
    """The token with other claims under the old signature."""
    head, body, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{encoded(payload | changes)}.{signature}"


def encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def hs256_with(secret: bytes, key_id: str) -> str:
    """A token that is signed symmetrically; by hand, since PyJWT refuses a public key as the secret."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{encoded(claims())}"
    signature = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def by_hand(head: dict[str, Any], algorithm: Algorithm | None = None, key: Any = None) -> str:
    """A token with this header, genuinely signed, by KEY if nothing else is said; PyJWT makes none of these."""
    text = f"{encoded(head)}.{encoded(claims())}".encode()
    signature = (algorithm or ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1)).sign(text, key or KEY)
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def text_of(**more: str) -> bytes:
    """Claims as text, with values that are written as they are."""
    kept = {name: json.dumps(value) for name, value in claims().items()} | more
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in kept.items()) + "}").encode()


def now() -> int:
    return int(time.time())


GOOD: dict[str, Callable[[], str]] = {
    "ES256": lambda: signed(KEY),
    "RS256": lambda: signed(rsa_key(), algorithm="RS256", key_id="rsa"),
    "EdDSA": lambda: signed(ED, algorithm="EdDSA", key_id="ed"),
    "several audiences": lambda: signed(KEY, claims(aud=["x", "syncline"])),
    "permissions as a list": lambda: signed(KEY, claims(scope=None, permissions=["sync", "unknown"])),
    "expired within the leeway": lambda: signed(KEY, claims(exp=now() - 5)),
    "exp with a fraction": lambda: signed(KEY, claims(exp=now() + 60.5)),
    "exp in a hundred million years": lambda: signed(KEY, claims(exp=3_000_000_000_000_000)),
    "b64 that says what is so": lambda: signed_text(KEY, json.dumps(claims()).encode(), b64=True),
    "from the future within the leeway": lambda: signed(KEY, claims(iat=now() + 10, nbf=now() + 10)),
}

BAD: dict[str, Callable[[], str]] = {
    "nbf in the future": lambda: signed(KEY, claims(nbf=now() + 90)),
    "iat in the future": lambda: signed(KEY, claims(iat=now() + 90)),
    "wrong audience": lambda: signed(KEY, claims(aud="another")),
    "audience in another case": lambda: signed(KEY, claims(aud="Syncline")),
    "no audience": lambda: signed(KEY, claims(aud=None)),
    "wrong issuer": lambda: signed(KEY, claims(iss="https://issuer.example/")),
    "no issuer": lambda: signed(KEY, claims(iss=None)),
    "no exp": lambda: signed(KEY, claims(exp=None)),
    "exp is no number": lambda: signed(KEY, claims(exp="soon")),
    "exp without end": lambda: signed(KEY, claims(exp=float("inf"))),
    "exp of digits": lambda: signed(KEY, claims(exp=str(now() + 600))),
    "exp of a list": lambda: signed(KEY, claims(exp=[now() + 600])),
    "exp that is null": lambda: signed(KEY, claims() | {"exp": None}),
    "exp that is no number at all": lambda: signed(KEY, claims(exp=float("nan"))),
    "exp beyond all floats": lambda: signed(KEY, claims(exp=10**400)),
    "exp beyond all texts of numbers": lambda: signed_text(KEY, text_of(exp="9" * 4_400)),
    "exp with an exponent": lambda: signed_text(KEY, text_of(exp="1e999")),
    "nbf of digits": lambda: signed(KEY, claims(nbf=str(now() - 60))),
    "nbf that is true": lambda: signed(KEY, claims(nbf=True)),
    "iat of digits": lambda: signed(KEY, claims(iat=str(now() - 60))),
    "iat of a list": lambda: signed(KEY, claims(iat=[])),
    "no subject": lambda: signed(KEY, claims(sub=None)),
    "empty subject": lambda: signed(KEY, claims(sub="")),
    "no account": lambda: signed(KEY, claims(account=None)),
    "account that is not there": lambda: signed(KEY, claims(account="absent")),
    "account of a strange type": lambda: signed(KEY, claims(account=["dev"])),
    "account with a NUL": lambda: signed(KEY, claims(account="dev\x00")),
    "account with half a character": lambda: signed(KEY, claims(account="dev\ud800")),
    "account in other letters that look alike": lambda: signed(KEY, claims(account="d\u0435v")),
    "account in wide letters": lambda: signed(KEY, claims(account="\uff44\uff45\uff56")),
    "account in capitals": lambda: signed(KEY, claims(account="DEV")),
    "account with a space": lambda: signed(KEY, claims(account="dev ")),
    "account with a space that is not seen": lambda: signed(KEY, claims(account="dev\u200b")),
    "account that turns around": lambda: signed(KEY, claims(account="\u202eved")),
    "account with an accent apart": lambda: signed(KEY, claims(account="de\u0301v")),
    "account of SQL": lambda: signed(KEY, claims(account="dev' OR '1'='1")),
    "account that is long": lambda: signed(KEY, claims(account="d" * 4_000)),
    "account of an object": lambda: signed(KEY, claims(account={"dev": "dev"})),
    "account that is a number": lambda: signed(KEY, claims(account=7)),
    "subject of a list": lambda: signed(KEY, claims(sub=["ann"])),
    "subject with a line break": lambda: signed(KEY, claims(sub="ann\nlevel=error")),
    "issuer of a list": lambda: signed_text(KEY, json.dumps(claims(iss=["https://issuer.example"])).encode()),
    "audience of an object": lambda: signed(KEY, claims(aud={"syncline": True})),
    "audience of a deep list": lambda: signed(KEY, claims(aud=[["syncline"]])),
    "scope that is a number": lambda: signed(KEY, claims(scope=5)),
    "permissions that are a text": lambda: signed(KEY, claims(permissions="sync")),
    "permissions of a number": lambda: signed(KEY, claims(permissions=["sync", 1])),
    "permissions of an object": lambda: signed(KEY, claims(permissions={"sync": True})),
    "buckets of a list": lambda: signed(KEY, claims(buckets=["north"])),
    "buckets of deep objects": lambda: signed(KEY, claims(buckets={"main": {"north": {"a": ["b"]}}})),
    "buckets of deep lists": lambda: signed(KEY, claims(buckets={"main": [["north"]]})),
    "claims that are deep": lambda: signed_text(KEY, text_of(deep="[" * 2_900 + "]" * 2_900)),
    "claims of a list": lambda: signed_text(KEY, b"[1]"),
    "claims of a text": lambda: signed_text(KEY, b'"dev"'),
    "claims that are no JSON": lambda: signed_text(KEY, b"{"),
    "claims of other bytes": lambda: signed_text(KEY, b'{"sub": "\xff"}'),
    "claims of two minds": lambda: signed_text(KEY, text_of(account='"dev", "account": "absent"')),
    "scope of a strange type": lambda: signed(KEY, claims(scope=["sync"])),
    "buckets of a strange type": lambda: signed(KEY, claims(buckets={"main": "a"})),
    "buckets that are null": lambda: signed(KEY, claims() | {"buckets": None}),
    "alg none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "one"}),
    "alg none in capitals": lambda: f"{encoded({'alg': 'NONE', 'kid': 'one'})}.{encoded(claims())}.",
    "HS256 with the public key": lambda: hs256_with(public_pem(rsa_key()), "rsa"),
    "HS256 with the JWK": lambda: hs256_with(json.dumps(jwk(rsa_key(), "rsa")).encode(), "rsa"),
    "algorithm that is not allowed": lambda: signed(P384, algorithm="ES384", key_id="p384"),
    "algorithm of another key": lambda: signed(rsa_key(), algorithm="RS256", key_id="one"),
    "unknown kid": lambda: signed(KEY, key_id="unknown"),
    "no kid": lambda: signed(KEY, key_id=None),
    "kid of a path": lambda: signed(KEY, key_id="../../dev/null"),
    "kid of another key": lambda: signed(KEY, key_id="ed", algorithm="ES256"),
    "kid of SQL": lambda: signed(KEY, key_id="one' OR '1'='1"),
    "kid that is long": lambda: signed(KEY, key_id="o" * 1_000),
    "kid of an address": lambda: signed(KEY, key_id="http://127.0.0.1:1/keys#one"),
    "kid of a file": lambda: signed(KEY, key_id="file:///etc/passwd"),
    "kid with a NUL": lambda: signed(KEY, key_id="one\x00"),
    "kid in capitals": lambda: signed(KEY, key_id="ONE"),
    "kid that is a number": lambda: by_hand({"alg": "ES256", "kid": 1}),
    "kid of a list": lambda: by_hand({"alg": "ES256", "kid": ["one"]}),
    "kid that is null": lambda: by_hand({"alg": "ES256", "kid": None}),
    "alg of a list": lambda: by_hand({"alg": ["ES256"], "kid": "one"}),
    "alg that is null": lambda: by_hand({"alg": None, "kid": "one"}),
    "no alg": lambda: by_hand({"kid": "one"}),
    "RSA key that is weak": lambda: by_hand(
        {"alg": "RS256", "kid": "weak"}, RSAAlgorithm(RSAAlgorithm.SHA256), rsa_key(1024)
    ),
    "EC key of another curve": lambda: signed(K1, algorithm="ES256K", key_id="k1"),
    "EC key that is said to be of another curve": lambda: signed(STRANGER, key_id="another curve"),
    "key that is for encryption": lambda: signed(STRANGER, key_id="for encryption"),
    "key that is published and shared": lambda: hs256_with(SHARED, "shared"),
    "key that is shared and said to be RSA": lambda: hs256_with(SHARED, "named"),
    "payload that is not in base64": lambda: signed_text(KEY, json.dumps(claims()).encode(), b64=False),
    "payload that is said not to be in base64": lambda: by_hand({"alg": "ES256", "kid": "one", "b64": False}),
    "certificate in the token": lambda: signed(STRANGER, key_id="own", x5c=["MIIB"], x5t="x"),
    "certificate at an address in the token": lambda: signed(STRANGER, key_id="own", x5u="http://127.0.0.1:1/"),
    "encrypted": lambda: f"{encoded({'alg': 'RSA-OAEP', 'enc': 'A256GCM', 'kid': 'rsa'})}.e30.e30.e30.e30",
    "key in the token": lambda: signed(STRANGER, key_id="own", jwk=jwk(STRANGER, "own")),
    "key at an address in the token": lambda: signed(STRANGER, key_id="own", jku="http://127.0.0.1:1/"),
    "critical extension": lambda: signed(KEY, crit=["exp"]),
    "signed by a stranger": lambda: signed(STRANGER),
    "changed claims": lambda: tampered(signed(KEY), account="other"),
    "no signature": lambda: signed(KEY).rpartition(".")[0] + ".",
    "two parts": lambda: signed(KEY).rpartition(".")[0],
    "garbage": lambda: "garbage",
    "dots": lambda: "....",
    "header of brackets": lambda: base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.e30",
    "header that is no object": lambda: f"{encoded([1])}.e30.e30",
    "oversized": lambda: signed(KEY, claims(more="x" * 7_000)),
    "spaces inside": lambda: signed(KEY).replace(".", " ."),
    "form of an API key": lambda: "sl_",
    "API key of nobody": lambda: new_api_key()[0],
}
