"""Azure Key Vault's key operations as its REST API documents them, over HTTPS: checks every request, really signs.

Any request outside the documented shape is answered 400 and remembered in ``odd``, so that a test can demand none.
"""

import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from pki.keys import generate_private_key
from tests.fakes.https_server import Answer, Request

_PATH = re.compile(
    r"/keys(?:/([a-z0-9-]+)(?:/([0-9a-f]{32}|create)?(?:/(sign))?)?)?/?\?api-version=[0-9.a-z-]+(&maxresults=1)?"
)
_OPERATIONS = ["sign", "verify"]


class FakeCredential:
    """Gives one token, for the scope the vault's challenge names."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self.token, int(time.time()) + 3600)


@dataclass
class FakeKeyVault:
    token: str
    answer_with: Answer | None = None
    signature: bytes | None = None
    keys: dict[str, dict[str, ec.EllipticCurvePrivateKey]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Answer:
        authorization = request.headers.get("authorization")
        if authorization is None:
            # What the client asks for first, without a token: where to get one.
            challenge = 'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            return Answer(401, {"error": {"code": "Unauthorized"}}, (("WWW-Authenticate", challenge),))
        if self.answer_with is not None:
            return self.answer_with
        if authorization != f"Bearer {self.token}":
            return Answer(403, {"error": {"code": "Forbidden", "message": authorization}})
        match = _PATH.fullmatch(request.path)
        if match is None:
            return self._odd(request)
        name, version, sign, one = match.groups()
        if (request.method, name, bool(one)) == ("GET", None, True):
            return Answer(200, {"value": [], "nextLink": None})
        if request.method == "GET" and name and not sign:
            return self._get(name)
        if (request.method, version, sign) == ("POST", "create", None):
            return self._create(name, request)
        if request.method == "POST" and version and sign:
            return self._sign(name, version, request)
        return self._odd(request)

    def _get(self, name: str) -> Answer:
        if name not in self.keys:
            return Answer(404, {"error": {"code": "KeyNotFound"}})
        return Answer(200, self._bundle(name))

    def _bundle(self, name: str) -> dict:
        version, key = list(self.keys[name].items())[-1]
        numbers = key.public_key().public_numbers()
        jwk = {
            "kid": f"{self.url}/keys/{name}/{version}",
            "kty": "EC",
            "crv": "P-256",
            "key_ops": _OPERATIONS,
            "x": _encode(numbers.x.to_bytes(32, "big")),
            "y": _encode(numbers.y.to_bytes(32, "big")),
        }
        return {"key": jwk, "attributes": {"enabled": True, "created": 1, "updated": 1}}

    def _create(self, name: str, request: Request) -> Answer:
        body = request.json()
        if (body.get("kty"), body.get("crv"), body.get("key_ops")) != ("EC", "P-256", _OPERATIONS):
            return self._odd(request)
        self.add_version(name)
        return Answer(200, self._bundle(name))

    def add_version(self, name: str) -> None:
        self.keys.setdefault(name, {})[secrets.token_hex(16)] = generate_private_key()

    def _sign(self, name: str, version: str, request: Request) -> Answer:
        body = request.json()
        digest = urlsafe_b64decode(body["value"] + "==")
        if body.keys() != {"alg", "value"} or body["alg"] != "ES256" or len(digest) != 32:
            return self._odd(request)
        der = self.keys[name][version].sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
        value = _encode(raw if self.signature is None else self.signature)
        return Answer(200, {"kid": f"{self.url}/keys/{name}/{version}", "value": value})

    def _odd(self, request: Request) -> Answer:
        self.odd.append(f"{request.method} {request.path} {request.body.decode()}")
        return Answer(400, {"error": {"code": "BadParameter"}})


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
