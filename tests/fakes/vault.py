"""Vault's transit engine as its API documents it, over HTTPS: checks every request, keeps real keys, really signs.

Any request outside the documented shape is answered 400 and remembered in ``odd``, so that a test can demand none.
"""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.keys import generate_private_key
from tests.fakes.https_server import Answer, Request

_KEY_PATH = re.compile(r"/v1/ca-keys/(keys|sign)/([a-z0-9-]+)")


@dataclass
class FakeVault:
    token: str
    namespace: str | None = None
    sealed: bool = False
    answer_with: Answer | None = None
    keys: dict[str, list[ec.EllipticCurvePrivateKey]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        if self.answer_with is not None:
            return self.answer_with
        if self.sealed:
            return Answer(503, {"errors": ["Vault is sealed"]})
        if (
            request.headers.get("x-vault-token") != self.token
            or request.headers.get("x-vault-namespace") != self.namespace
        ):
            return Answer(403, {"errors": ["permission denied"]})
        if (request.method, request.path) == ("GET", "/v1/auth/token/lookup-self"):
            return Answer(200, {"data": {"id": self.token, "policies": ["ca"]}})
        match = _KEY_PATH.fullmatch(request.path)
        if match is None:
            return self._odd(request)
        what, name = match.groups()
        if (request.method, what) == ("GET", "keys"):
            return self._read(name)
        if request.method in {"POST", "PUT"} and what == "keys":
            return self._create(name, request)
        if request.method in {"POST", "PUT"} and what == "sign":
            return self._sign(name, request)
        return self._odd(request)

    def _read(self, name: str) -> Answer:
        if name not in self.keys:
            return Answer(404, {"errors": []})
        versions = {
            str(number): {"public_key": _pem(key), "name": "P-256"} for number, key in enumerate(self.keys[name], 1)
        }
        return Answer(200, {"data": {"name": name, "type": self.types.get(name, "ecdsa-p256"), "keys": versions}})

    def _create(self, name: str, request: Request) -> Answer:
        wanted = {"type": "ecdsa-p256", "exportable": False, "allow_plaintext_backup": False}
        if json.loads(request.body) != wanted:
            return self._odd(request)
        self.keys.setdefault(name, [generate_private_key()])  # as Vault: a second creation changes nothing
        return Answer(200, {"data": {"name": name}})

    def _sign(self, name: str, request: Request) -> Answer:
        body = request.json()
        if body.keys() != {"input", "key_version", "prehashed", "marshaling_algorithm", "hash_algorithm"}:
            return self._odd(request)
        digest = b64decode(body["input"], validate=True)
        how = (body["prehashed"], body["marshaling_algorithm"], body["hash_algorithm"], len(digest))
        if how != (True, "asn1", "sha2-256", 32):
            return self._odd(request)
        key = self.keys[name][body["key_version"] - 1]
        signature = b64encode(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))).decode()
        return Answer(200, {"data": {"signature": f"vault:v{body['key_version']}:{signature}"}})

    def _odd(self, request: Request) -> Answer:
        self.odd.append(f"{request.method} {request.path} {request.body.decode()}")
        return Answer(400, {"errors": ["odd request"]})


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
