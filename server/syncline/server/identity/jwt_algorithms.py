"""The algorithms that a JWT may be signed with, and the keys that each takes.

Asymmetric ones only: with a symmetric one, whoever can check a token could make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

RSA_BITS_MIN: Final = 2_048
_TEXTS: Final = ("kty", "crv", "alg", "kid")
"""Members of a JWK that are texts, if they are there."""


class _Kind(NamedTuple):
    """A type of key and its curve, as a JWK names them."""

    kty: str
    crv: str | None = None


_RSA: Final = _Kind("RSA")
KINDS: Final[Mapping[str, _Kind]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), _RSA),
    "ES256": _Kind("EC", "P-256"),
    "ES384": _Kind("EC", "P-384"),
    "ES512": _Kind("EC", "P-521"),
    "EdDSA": _Kind("OKP", "Ed25519"),
}


class VerifyingKey(NamedTuple):
    """A public key of a set."""

    document: Mapping[str, Any]
    """The JWK."""
    public_key: Any
    algorithms: frozenset[str]
    """What may be signed with it."""


def read_jwk(document: Mapping[str, Any]) -> VerifyingKey | None:
    """The public key in a JWK; None: it is none that a token may be signed with here.

    Raises:
        ValueError: it is broken, or too weak.
    """
    if document.get("use", "sig") != "sig":
        return None
    for name in _TEXTS:
        if not isinstance(document.get(name), str | None):
            raise ValueError(f"it is no key: {name} is no text")  # noqa: TRY004  as for all that is broken
    kind = _Kind(document.get("kty", ""), document.get("crv"))
    algorithms = {name for name, of in KINDS.items() if of == kind}
    if "alg" in document:
        algorithms &= {document["alg"]}
    if not algorithms:
        return None
    try:
        public_key = jwt.PyJWK(dict(document), algorithm=min(algorithms)).key
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise ValueError(f"it is no key: {type(error).__name__}") from None
    if hasattr(public_key, "public_key"):
        public_key = public_key.public_key()  # somebody published the private key; it is not kept
    if isinstance(public_key, RSAPublicKey) and public_key.key_size < RSA_BITS_MIN:
        raise ValueError(f"an RSA key needs {RSA_BITS_MIN} bits, and this has {public_key.key_size}")
    return VerifyingKey(document, public_key, frozenset(algorithms))
